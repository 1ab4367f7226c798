//! What a member (crate `engine`) asks of its store (crate `store`). The store executes; it
//! refuses nothing by epoch: that is the member's decision, made before the op is submitted.

use bytes::Bytes;

use crate::message::{BlockState, Body, CopyEntry, EntryInfo};
use crate::{HeadEpoch, LayerId, PgEpoch, PgId, Version, VolumeId};

/// What is raised: nothing of it ever goes down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raise {
    pub volumes: Vec<(VolumeId, HeadEpoch)>,
    pub pgs: Vec<(PgId, PgEpoch)>,
    pub watermarks: Vec<(VolumeId, PgId, Version)>,
    /// Newest version of a (volume, PG), where no block that is stored has it.
    pub newest: Vec<(VolumeId, PgId, Version)>,
}

impl Raise {
    /// The same, in several where it has more than so many items.
    pub fn pieces(self, most: usize) -> Vec<Self> {
        let count = self.volumes.len() + self.pgs.len() + self.watermarks.len() + self.newest.len();
        if count <= most {
            return vec![self];
        }
        let mut pieces = Vec::new();
        let none = Self::default;
        pieces.extend(self.volumes.chunks(most).map(|c| Self { volumes: c.to_vec(), ..none() }));
        pieces.extend(self.pgs.chunks(most).map(|c| Self { pgs: c.to_vec(), ..none() }));
        pieces.extend(
            self.watermarks.chunks(most).map(|c| Self { watermarks: c.to_vec(), ..none() }),
        );
        pieces.extend(self.newest.chunks(most).map(|c| Self { newest: c.to_vec(), ..none() }));
        pieces
    }
}

/// One operation. Ops take effect, and become durable, in the order of submission; reads see
/// every op submitted before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// Rule 5, atomic and durable before `Done`: raise the volume's head epoch to
    /// `version.head_epoch` and the PG's epoch to `stamp`; `watermark` (role in-sync only) raises
    /// that of (volume, PG). Per block: greater version replaces; equal version raises the stored
    /// stamp; smaller is kept beside (it never shadows the newer one).
    Write {
        volume: VolumeId,
        pg: PgId,
        layer: LayerId,
        block: u64,
        version: Version,
        stamp: PgEpoch,
        watermark: Option<Version>,
        body: Body,
    },
    /// Raise epochs and marks without data; durable.
    Raise(Raise),
    /// A resync's copies: replace each block by exactly this state, version and stamp, whatever
    /// is stored (rule 24 was decided by the member). `Absent` forgets the block.
    Copy {
        volume: VolumeId,
        pg: PgId,
        layer: LayerId,
        items: Vec<CopyItem>,
    },
    /// Newest content of a run of blocks of one layer.
    Read {
        pg: PgId,
        layer: LayerId,
        block: u64,
        blocks: u32,
    },
    /// Newest content with version and stamp of a run of blocks of one layer.
    ReadVersioned {
        pg: PgId,
        layer: LayerId,
        block: u64,
        blocks: u32,
    },
    /// Entries of (volume, PG) above its watermark, at most `limit`, in (layer, block) order.
    Unsettled {
        volume: VolumeId,
        pg: PgId,
        after: Option<(LayerId, u64)>,
        limit: u32,
    },
    /// Chunks of a PG that hold a block with stamp ≥ `since`, at most `limit`, in (layer, block)
    /// order. Chunk granular: may name more, never less.
    Changed {
        pg: PgId,
        since: PgEpoch,
        after: Option<(LayerId, u64)>,
        limit: u32,
    },
    /// Make a layer known; idempotent, durable.
    OpenLayer {
        volume: VolumeId,
        layer: LayerId,
    },
    /// Its blocks vanish at once and its space comes back in the background; durable. The layer
    /// stays known as deleted until `ForgetLayer`.
    DeleteLayer {
        layer: LayerId,
    },
    ForgetLayer {
        layer: LayerId,
    },
    /// Puts bytes of another copy in place of ones that this store cannot read any more; durable.
    /// `BadBlock` unless `crc` is the checksum that this store recorded for the block: then they are
    /// exactly what it should hold, and it keeps version and stamp. What was written over it
    /// meanwhile stays.
    Repair {
        pg: PgId,
        layer: LayerId,
        block: u64,
        data: Bytes,
        crc: u32,
    },
    /// Drop every block and watermark of a PG, keep epochs (rule 21, `full`; or the PG moved away).
    DropPg {
        pg: PgId,
    },
}

/// A block of `StoreOp::Copy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyItem {
    pub block: u64,
    pub version: Version,
    pub stamp: PgEpoch,
    pub state: BlockState,
}

/// What an op gives back, once durable where it says durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreReply {
    Done,
    Blocks(Vec<BlockState>),
    Versioned(Vec<(Version, PgEpoch, BlockState)>),
    Unsettled { entries: Vec<EntryInfo>, more: bool },
    Changed { entries: Vec<CopyEntry>, more: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Refused at admission; nothing was written. Deletes, zeroes and epochs are always admitted.
    NoSpace,
    /// Layer unknown or deleted.
    NoLayer,
    /// Checksum mismatch or read error on `block`; other blocks are unharmed.
    BadBlock { block: u64 },
    /// A log write or sync failed: the store is out for good (never retried).
    Fenced,
    /// An encoding, alignment or size this store cannot hold.
    Unsupported,
}
