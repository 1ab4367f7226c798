//! Words that every layer of the data plane shares: ids, epochs, geometry, checksums, the
//! replication messages and the operations a member asks of its store. No I/O, no clock.

pub mod buffer;
pub mod checksum;
pub mod epoch;
pub mod geometry;
pub mod id;
pub mod message;
pub mod pg;
pub mod placement_hash;
pub mod placement_shards;
pub mod store_op;

pub use buffer::AlignedBuf;
pub use epoch::{HeadEpoch, MapEpoch, PgEpoch, Seq, Version};
pub use geometry::BLOCK_BYTES;
pub use id::{DiskId, LayerId, LineageId, PeerId, PgId, PolicyId, VolumeId};
pub use message::{BlockState, Body, Refusal, Reply, Request, Role};
pub use pg::PgView;
pub use store_op::{CopyItem, Raise, StoreError, StoreOp, StoreReply};
