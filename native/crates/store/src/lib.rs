//! The store of one disk: logs, packed pieces, paged index, checkpoints (docs/store.md; formats
//! field by field in docs/formats/store.md). A synchronous state machine: it neither blocks nor
//! reads a clock, and the driver carries out its disk commands.
//!
//! ```text
//! Format::new(FormatParams) -> Result<Format, FormatError>
//!     poll() -> Option<DiskIo>   on_io(IoId, Result<Option<Bytes>, IoError>)
//!     take() -> Option<Result<(), FormatError>>          Some once, when it is over
//! Recovery::new(Params) -> Recovery
//!     poll(), on_io()            as above
//!     take() -> Option<Result<(Box<Store>, Figures), RecoveryError>>
//! Store
//!     submit(token: u64, StoreOp)
//!     poll() -> Option<Output>   call until None, after every submit, on_io or tick
//!     on_io(IoId, Result<Option<Bytes>, IoError>)
//!     tick(now_ms: u64)  next_deadline() -> Option<u64>  only for folding when idle
//!     fold()                                             start a fold now (checks, shutdown)
//!     check_metadata(token: u64)                         Done when it is over; see `Scrub`
//!     keep_map(MapOrder, &Bytes)   kept_map() -> Option<MapOrder>   the cluster state, opaque
//!     stats() -> Stats   is_fenced() -> bool   is_idle() -> bool
//!     head_epoch(VolumeId) -> HeadEpoch   pg_epoch(PgId) -> PgEpoch
//!     watermark(VolumeId, PgId) -> Version   newest_version(VolumeId, PgId) -> Version
//!     volumes() -> Vec<(VolumeId, HeadEpoch)>   pgs() -> Vec<(PgId, PgEpoch)>
//!     layers() -> Vec<(LayerId, VolumeId, LayerState)>
//!     free_blocks_soft() -> u64   layer_usage(LayerId) -> u64 (blocks)
//! probe(first: &[u8], last: &[u8]) -> Probe              at least PROBE_BYTES of either end
//! ```

mod admission;
mod apply;
mod background;
mod batch;
mod check;
mod checkpoint;
mod codec;
mod commit;
mod crc_table;
mod data_record;
mod dirty;
pub mod error;
mod fold;
mod format;
mod free_map;
mod index;
pub mod io;
pub mod layout;
mod list;
pub mod map;
mod meta_record;
mod need;
mod op;
mod pace;
pub mod params;
mod planted;
mod probe;
mod purge;
mod read;
mod recovery;
mod repair;
mod ring;
mod root;
mod scrub;
mod space;
mod state;
pub mod stats;
mod store;
pub mod superblock;
mod tables;
mod task;
#[cfg(test)]
mod tests;
mod unsettled;

pub use error::{Damage, FormatError, RecoveryError};
pub use format::Format;
pub use io::{DiskIo, IoError, IoId, IoKind, Output};
pub use map::{MapHeader, MapOrder, MapRefused, SlotHeader};
pub use params::{Budget, FormatParams, Identity, Params};
pub use probe::{PROBE_BYTES, Probe, probe};
pub use recovery::Recovery;
pub use scrub::{BadBlock, Scrub, ScrubFigures, ScrubStep};
pub use stats::{Figures, Memory, Stats};
pub use store::Store;
pub use superblock::Superblock;
pub use tables::LayerState;
