//! Records of the data log. Each is absolute: replaying the log in order, from any point at or
//! before the tail, ends in the same state.

use bytes::BufMut;
use shoal_types::{HeadEpoch, LayerId, PgEpoch, PgId, PolicyId, Version, VolumeId};

use crate::codec::{PutLe, Reader};
use crate::index::Stamp;

/// Most blocks of one run.
pub const RUN_BLOCKS_MAX: u16 = 256;

/// Consecutive blocks of one layer get this content, whatever was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id, not its local number: the checksums of the blocks can be checked by it alone.
    pub layer: LayerId,
    /// Local number.
    pub pg: u32,
    pub block: u64,
    pub count: u16,
    pub stamp: Stamp,
    pub body: RunBody,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunBody {
    /// The blocks follow in the batch's data cells.
    Inline { crcs: Vec<u32> },
    /// The blocks lie in these cells, durable before this record was written.
    Direct { cell: u64, crcs: Vec<u32> },
    /// Reads as zeros.
    Zero,
    /// Forgotten.
    Absent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataRecord {
    Run(Run),
    Volume {
        volume: VolumeId,
        epoch: HeadEpoch,
    },
    /// A PG under its local number; a new number for a known PG drops what the old one held.
    Pg {
        local: u32,
        pg: PgId,
        epoch: PgEpoch,
    },
    Watermark {
        volume: VolumeId,
        pg: u32,
        watermark: Version,
    },
    /// Newest version there, which no run may have.
    Newest {
        volume: VolumeId,
        pg: u32,
        newest: Version,
    },
    NewLayer {
        local: u32,
        layer: LayerId,
        volume: VolumeId,
    },
    DeleteLayer {
        local: u32,
    },
    ForgetLayer {
        local: u32,
    },
    /// A start: whatever was torn behind the log's end is overwritten.
    Open {
        start_id: u64,
    },
}

mod tag {
    pub const INLINE: u8 = 1;
    pub const DIRECT: u8 = 2;
    pub const ZERO: u8 = 3;
    pub const ABSENT: u8 = 4;
    pub const VOLUME: u8 = 5;
    pub const PG: u8 = 6;
    pub const WATERMARK: u8 = 7;
    pub const NEW_LAYER: u8 = 8;
    pub const DELETE_LAYER: u8 = 9;
    pub const FORGET_LAYER: u8 = 10;
    pub const OPEN: u8 = 11;
    pub const NEWEST: u8 = 12;
}

impl DataRecord {
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Run(run) => run.encode(out),
            Self::Volume { volume, epoch } => {
                out.put_u8(tag::VOLUME);
                out.put_u64_le(volume.0);
                out.put_u32_le(epoch.0);
            }
            Self::Pg { local, pg, epoch } => {
                out.put_u8(tag::PG);
                out.put_u32_le(*local);
                out.put_u32_le(pg.policy.0);
                out.put_u32_le(pg.index);
                out.put_u32_le(epoch.0);
            }
            Self::Watermark { volume, pg, watermark } => {
                out.put_u8(tag::WATERMARK);
                out.put_u64_le(volume.0);
                out.put_u32_le(*pg);
                out.put_version(*watermark);
            }
            Self::Newest { volume, pg, newest } => {
                out.put_u8(tag::NEWEST);
                out.put_u64_le(volume.0);
                out.put_u32_le(*pg);
                out.put_version(*newest);
            }
            Self::NewLayer { local, layer, volume } => {
                out.put_u8(tag::NEW_LAYER);
                out.put_u32_le(*local);
                out.put_u64_le(layer.0);
                out.put_u64_le(volume.0);
            }
            Self::DeleteLayer { local } => {
                out.put_u8(tag::DELETE_LAYER);
                out.put_u32_le(*local);
            }
            Self::ForgetLayer { local } => {
                out.put_u8(tag::FORGET_LAYER);
                out.put_u32_le(*local);
            }
            Self::Open { start_id } => {
                out.put_u8(tag::OPEN);
                out.put_u64_le(*start_id);
            }
        }
    }

    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        Some(match r.u8()? {
            kind @ tag::INLINE..=tag::ABSENT => Self::Run(Run::decode(kind, r)?),
            tag::VOLUME => Self::Volume { volume: VolumeId(r.u64()?), epoch: HeadEpoch(r.u32()?) },
            tag::PG => Self::Pg {
                local: r.u32()?,
                pg: PgId { policy: PolicyId(r.u32()?), index: r.u32()? },
                epoch: r.pg_epoch()?,
            },
            tag::WATERMARK => Self::Watermark {
                volume: VolumeId(r.u64()?),
                pg: r.u32()?,
                watermark: r.version()?,
            },
            tag::NEWEST => {
                Self::Newest { volume: VolumeId(r.u64()?), pg: r.u32()?, newest: r.version()? }
            }
            tag::NEW_LAYER => Self::NewLayer {
                local: r.u32()?,
                layer: LayerId(r.u64()?),
                volume: VolumeId(r.u64()?),
            },
            tag::DELETE_LAYER => Self::DeleteLayer { local: r.u32()? },
            tag::FORGET_LAYER => Self::ForgetLayer { local: r.u32()? },
            tag::OPEN => Self::Open { start_id: r.u64()? },
            _ => return None,
        })
    }
}

impl Run {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(match self.body {
            RunBody::Inline { .. } => tag::INLINE,
            RunBody::Direct { .. } => tag::DIRECT,
            RunBody::Zero => tag::ZERO,
            RunBody::Absent => tag::ABSENT,
        });
        out.put_u64_le(self.layer.0);
        out.put_u32_le(self.pg);
        out.put_u64_le(self.block);
        out.put_u16_le(self.count);
        out.put_version(self.stamp.version);
        out.put_u32_le(self.stamp.epoch.0);
        if let RunBody::Direct { cell, .. } = self.body {
            out.put_u40(cell);
        }
        if let RunBody::Inline { crcs } | RunBody::Direct { crcs, .. } = &self.body {
            assert_eq!(crcs.len(), usize::from(self.count), "one checksum per block");
            // codec u8, cipher u8, stored_len u16: plain, for the whole run.
            out.put_slice(&[0, 0, 0, 16]);
            crcs.iter().for_each(|crc| out.put_u32_le(*crc));
        }
    }

    fn decode(kind: u8, r: &mut Reader<'_>) -> Option<Self> {
        let (layer, pg, block) = (LayerId(r.u64()?), r.u32()?, r.u64()?);
        let count = r.u16()?;
        let stamp = Stamp { version: r.version()?, epoch: r.pg_epoch()? };
        let end = block.checked_add(u64::from(count))?;
        if count == 0 || count > RUN_BLOCKS_MAX || end > 1 << 37 {
            return None;
        }
        let body = match kind {
            tag::INLINE => RunBody::Inline { crcs: decode_crcs(r, count)? },
            tag::DIRECT => RunBody::Direct { cell: r.u40()?, crcs: decode_crcs(r, count)? },
            tag::ZERO => RunBody::Zero,
            _ => RunBody::Absent,
        };
        Some(Self { layer, pg, block, count, stamp, body })
    }
}

fn decode_crcs(r: &mut Reader<'_>, count: u16) -> Option<Vec<u32>> {
    if r.bytes(4)? != [0, 0, 0, 16] {
        return None;
    }
    (0..count).map(|_| r.u32()).collect()
}

/// Highest block number + 1 that fits (layer, chunk u32).
pub const BLOCKS_MAX: u64 = 1 << 37;
