//! From an op to a pending change: everything that can be checked without knowing what is stored.

use bytes::Bytes;
use shoal_types::checksum::block_crc;
use shoal_types::message::{BlockState, Body, Encoding};
use shoal_types::{
    BLOCK_BYTES, CopyItem, HeadEpoch, LayerId, PgEpoch, PgId, Raise, StoreError, StoreOp, Version,
    VolumeId,
};

use crate::data_record::{BLOCKS_MAX, RUN_BLOCKS_MAX};
use crate::index::Stamp;
use crate::state::CHUNK;

/// Writes of at least this many blocks go straight to cells (64 KiB).
pub const DIRECT_BLOCKS_MIN: u64 = 16;
/// Most blocks of one copy.
const COPY_ITEMS_MAX: usize = RUN_BLOCKS_MAX as usize;
/// Upper bound of what one block adds to the records, in bytes.
const BLOCK_RECORD_BYTES: usize = 56;
/// Upper bound of an op's other records.
const OP_RECORD_BYTES: usize = 128;

/// A change of the store's state, checked, not yet in the log.
pub enum Change {
    Assign(Assign),
    Raise(Raise),
    OpenLayer { volume: VolumeId, layer: LayerId },
    DeleteLayer { layer: LayerId },
    ForgetLayer { layer: LayerId },
    DropPg { pg: PgId },
}

/// Blocks of one layer get new content.
pub struct Assign {
    pub volume: VolumeId,
    pub pg: PgId,
    pub layer: LayerId,
    /// Epochs and watermark that come with a write; a copy raises none.
    pub raise: Option<WriteRaise>,
    /// A copy replaces whatever is stored.
    pub forced: bool,
    /// A repair: only if the block still lies in this cell.
    pub still_at: Option<u64>,
    pub runs: Vec<PendingRun>,
}

#[derive(Clone, Copy)]
pub struct WriteRaise {
    pub head_epoch: HeadEpoch,
    pub pg_epoch: PgEpoch,
    pub watermark: Option<Version>,
}

pub struct PendingRun {
    pub block: u64,
    pub stamp: Stamp,
    pub body: PendingBody,
}

pub enum PendingBody {
    Data {
        data: Bytes,
        crcs: Vec<u32>,
    },
    /// Written to these cells already, or on the way.
    Direct {
        cell: u64,
        crcs: Vec<u32>,
    },
    Zero {
        blocks: u32,
    },
    Absent {
        blocks: u32,
    },
    /// Zeros, where something is.
    Clear {
        blocks: u32,
    },
}

impl PendingRun {
    pub fn blocks(&self) -> u64 {
        match &self.body {
            PendingBody::Data { crcs, .. } | PendingBody::Direct { crcs, .. } => crcs.len() as u64,
            PendingBody::Zero { blocks }
            | PendingBody::Absent { blocks }
            | PendingBody::Clear { blocks } => u64::from(*blocks),
        }
    }
}

impl Assign {
    pub fn data_blocks(&self) -> u64 {
        let data = self.runs.iter().filter(|r| matches!(r.body, PendingBody::Data { .. }));
        data.map(PendingRun::blocks).sum()
    }

    /// Most chunks that get zeros.
    pub fn zero_chunks(&self) -> u64 {
        let zeros = self.runs.iter().filter(|r| matches!(r.body, PendingBody::Zero { .. }));
        zeros.map(|r| (r.block + r.blocks() - 1) / CHUNK - r.block / CHUNK + 1).sum()
    }

    fn touches(&self, layer: LayerId, block: u64, blocks: u64) -> bool {
        let meets = |r: &PendingRun| r.block < block + blocks && block < r.block + r.blocks();
        self.layer == layer && self.runs.iter().any(meets)
    }
}

impl Change {
    /// Upper bound of the bytes that its records take.
    pub fn record_bytes(&self) -> usize {
        let items = match self {
            Self::Assign(a) => a.runs.iter().map(|r| r.blocks() as usize).sum(),
            Self::Raise(r) => {
                r.volumes.len() + r.pgs.len() + 2 * (r.watermarks.len() + r.newest.len())
            }
            _ => 1,
        };
        OP_RECORD_BYTES + items * BLOCK_RECORD_BYTES
    }

    /// A read of these blocks must see this change.
    pub fn touches(&self, pg: PgId, layer: LayerId, block: u64, blocks: u64) -> bool {
        match self {
            Self::Assign(a) => a.touches(layer, block, blocks),
            Self::Raise(_) => false,
            Self::OpenLayer { layer: l, .. }
            | Self::DeleteLayer { layer: l }
            | Self::ForgetLayer { layer: l } => *l == layer,
            Self::DropPg { pg: p } => *p == pg,
        }
    }
}

/// Checks a mutating op. `None` if it is no mutation.
pub fn prepare(op: StoreOp) -> Option<Result<Change, StoreError>> {
    Some(match op {
        StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body } => {
            let raise =
                Some(WriteRaise { head_epoch: version.head_epoch, pg_epoch: stamp, watermark });
            let stamp = Stamp { version, epoch: stamp };
            write_run(layer, block, stamp, body).map(|run| {
                let (forced, still_at, runs) = (false, None, vec![run]);
                Change::Assign(Assign { volume, pg, layer, raise, forced, still_at, runs })
            })
        }
        StoreOp::Copy { volume, pg, layer, items } => copy_runs(layer, items).map(|runs| {
            let (raise, forced, still_at) = (None, true, None);
            Change::Assign(Assign { volume, pg, layer, raise, forced, still_at, runs })
        }),
        StoreOp::Raise(raise) => Ok(Change::Raise(raise)),
        StoreOp::OpenLayer { volume, layer } => Ok(Change::OpenLayer { volume, layer }),
        StoreOp::DeleteLayer { layer } => Ok(Change::DeleteLayer { layer }),
        StoreOp::ForgetLayer { layer } => Ok(Change::ForgetLayer { layer }),
        StoreOp::DropPg { pg } => Ok(Change::DropPg { pg }),
        StoreOp::Read { .. }
        | StoreOp::ReadVersioned { .. }
        | StoreOp::Repair { .. }
        | StoreOp::Unsettled { .. }
        | StoreOp::Changed { .. } => return None,
    })
}

fn write_run(
    layer: LayerId,
    block: u64,
    stamp: Stamp,
    body: Body,
) -> Result<PendingRun, StoreError> {
    let blocks = u64::from(body.blocks());
    check_range(block, blocks)?;
    check_version(stamp.version)?;
    let body = match body {
        Body::Zero { blocks } => PendingBody::Zero { blocks },
        Body::Clear { blocks } => PendingBody::Clear { blocks },
        Body::Data { data, crcs, encoding } => {
            if encoding != Encoding::PLAIN || data.len() != crcs.len() * BLOCK_BYTES {
                return Err(StoreError::Unsupported);
            }
            check_sums(layer, block, &data, &crcs)?;
            PendingBody::Data { data, crcs }
        }
    };
    Ok(PendingRun { block, stamp, body })
}

fn copy_runs(layer: LayerId, items: Vec<CopyItem>) -> Result<Vec<PendingRun>, StoreError> {
    if items.len() > COPY_ITEMS_MAX {
        return Err(StoreError::Unsupported);
    }
    items.into_iter().map(|item| copy_run(layer, item)).collect()
}

fn copy_run(layer: LayerId, item: CopyItem) -> Result<PendingRun, StoreError> {
    check_range(item.block, 1)?;
    check_version(item.version)?;
    let body = match item.state {
        BlockState::Absent => PendingBody::Absent { blocks: 1 },
        BlockState::Zero => PendingBody::Zero { blocks: 1 },
        BlockState::Data { data, crc } => {
            if data.len() != BLOCK_BYTES {
                return Err(StoreError::Unsupported);
            }
            check_sums(layer, item.block, &data, &[crc])?;
            PendingBody::Data { data, crcs: vec![crc] }
        }
    };
    let stamp = Stamp { version: item.version, epoch: item.stamp };
    Ok(PendingRun { block: item.block, stamp, body })
}

fn check_version(version: Version) -> Result<(), StoreError> {
    if version.seq > shoal_types::Seq::MAX { Err(StoreError::Unsupported) } else { Ok(()) }
}

pub fn check_range(block: u64, blocks: u64) -> Result<(), StoreError> {
    let end = block.checked_add(blocks).filter(|end| *end <= BLOCKS_MAX);
    let fits = blocks > 0 && blocks <= u64::from(RUN_BLOCKS_MAX) && end.is_some();
    if fits { Ok(()) } else { Err(StoreError::Unsupported) }
}

/// A WRONG SUM MUST NOT REACH THE LOG: it would make the whole batch look torn.
fn check_sums(layer: LayerId, block: u64, data: &Bytes, crcs: &[u32]) -> Result<(), StoreError> {
    let blocks = data.chunks_exact(BLOCK_BYTES).zip(crcs).zip(block..);
    for ((bytes, crc), block) in blocks {
        if block_crc(layer, block, bytes) != *crc {
            return Err(StoreError::BadBlock { block });
        }
    }
    Ok(())
}
