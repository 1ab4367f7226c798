//! Records of the metadata log: absolute images of what changed in index and tables, and where
//! the data log's tail is.

use bytes::BufMut;
use shoal_types::{HeadEpoch, LayerId, PgEpoch, PgId, PolicyId, Version, VolumeId};

use crate::batch::LogPoint;
use crate::codec::{PutLe, Reader};
use crate::index::{ChunkKey, Entry};

// Decoded one at a time, never kept: a box would only cost.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaRecord {
    /// The chunk's whole entry, and the checksums of cells that were written for it.
    Set {
        pg: u32,
        entry: Entry,
        crcs: Vec<(u64, u32)>,
    },
    Delete {
        pg: u32,
        key: ChunkKey,
    },
    /// The PG's whole index is gone.
    DropIndex {
        pg: u32,
    },
    /// Everything of the data log before this point is in index and tables.
    Tail(LogPoint),
    Table(TableItem),
}

/// One row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableItem {
    Volume {
        volume: VolumeId,
        epoch: HeadEpoch,
    },
    Pg {
        local: u32,
        pg: PgId,
        epoch: PgEpoch,
    },
    /// The local number of a PG is not in use any more.
    PgGone {
        local: u32,
    },
    Layer {
        local: u32,
        layer: LayerId,
        volume: VolumeId,
        deleted: bool,
        forget: bool,
    },
    LayerGone {
        local: u32,
    },
    /// Its last layer is forgotten: no head epoch and no watermark of it is needed any more.
    VolumeGone {
        volume: VolumeId,
    },
    Watermark {
        volume: VolumeId,
        pg: u32,
        watermark: Version,
        newest: Version,
    },
    /// First local numbers never given out.
    Next {
        layer: u32,
        pg: u32,
    },
}

mod tag {
    pub const SET: u8 = 1;
    pub const DELETE: u8 = 2;
    pub const DROP_INDEX: u8 = 3;
    pub const TAIL: u8 = 4;
    pub const VOLUME: u8 = 5;
    pub const PG: u8 = 6;
    pub const PG_GONE: u8 = 7;
    pub const LAYER: u8 = 8;
    pub const LAYER_GONE: u8 = 9;
    pub const WATERMARK: u8 = 10;
    pub const NEXT: u8 = 11;
    pub const VOLUME_GONE: u8 = 12;
}

impl MetaRecord {
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set { pg, entry, crcs } => {
                out.put_u8(tag::SET);
                out.put_u32_le(*pg);
                entry.encode(out);
                out.put_u8(crcs.len() as u8);
                for (cell, crc) in crcs {
                    out.put_u40(*cell);
                    out.put_u32_le(*crc);
                }
            }
            Self::Delete { pg, key } => {
                out.put_u8(tag::DELETE);
                out.put_u32_le(*pg);
                out.put_u32_le(key.layer);
                out.put_u32_le(key.chunk);
            }
            Self::DropIndex { pg } => {
                out.put_u8(tag::DROP_INDEX);
                out.put_u32_le(*pg);
            }
            Self::Tail(point) => {
                out.put_u8(tag::TAIL);
                out.put_u64_le(point.lsn);
                out.put_u32_le(point.chain);
            }
            Self::Table(item) => item.encode(out),
        }
    }

    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        Some(match r.u8()? {
            tag::SET => {
                let (pg, entry) = (r.u32()?, Entry::decode(r)?);
                let crcs = r.u8()?;
                let crcs = (0..crcs).map(|_| Some((r.u40()?, r.u32()?))).collect::<Option<_>>()?;
                Self::Set { pg, entry, crcs }
            }
            tag::DELETE => {
                Self::Delete { pg: r.u32()?, key: ChunkKey { layer: r.u32()?, chunk: r.u32()? } }
            }
            tag::DROP_INDEX => Self::DropIndex { pg: r.u32()? },
            tag::TAIL => Self::Tail(LogPoint { lsn: r.u64()?, chain: r.u32()? }),
            other => Self::Table(TableItem::decode(other, r)?),
        })
    }
}

impl TableItem {
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Volume { volume, epoch } => {
                out.put_u8(tag::VOLUME);
                out.put_u64_le(volume.0);
                out.put_u32_le(epoch.0);
            }
            Self::Pg { local, pg, epoch } => {
                out.put_u8(tag::PG);
                out.put_u32_le(local);
                out.put_u32_le(pg.policy.0);
                out.put_u32_le(pg.index);
                out.put_u32_le(epoch.0);
            }
            Self::PgGone { local } => {
                out.put_u8(tag::PG_GONE);
                out.put_u32_le(local);
            }
            Self::Layer { local, layer, volume, deleted, forget } => {
                out.put_u8(tag::LAYER);
                out.put_u32_le(local);
                out.put_u64_le(layer.0);
                out.put_u64_le(volume.0);
                out.put_u8(u8::from(deleted) | u8::from(forget) << 1);
            }
            Self::LayerGone { local } => {
                out.put_u8(tag::LAYER_GONE);
                out.put_u32_le(local);
            }
            Self::VolumeGone { volume } => {
                out.put_u8(tag::VOLUME_GONE);
                out.put_u64_le(volume.0);
            }
            Self::Watermark { volume, pg, watermark, newest } => {
                out.put_u8(tag::WATERMARK);
                out.put_u64_le(volume.0);
                out.put_u32_le(pg);
                out.put_version(watermark);
                out.put_version(newest);
            }
            Self::Next { layer, pg } => {
                out.put_u8(tag::NEXT);
                out.put_u32_le(layer);
                out.put_u32_le(pg);
            }
        }
    }

    fn decode(kind: u8, r: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            tag::VOLUME => Self::Volume { volume: VolumeId(r.u64()?), epoch: HeadEpoch(r.u32()?) },
            tag::PG => Self::Pg {
                local: r.u32()?,
                pg: PgId { policy: PolicyId(r.u32()?), index: r.u32()? },
                epoch: r.pg_epoch()?,
            },
            tag::PG_GONE => Self::PgGone { local: r.u32()? },
            tag::LAYER => {
                let (local, layer, volume) = (r.u32()?, LayerId(r.u64()?), VolumeId(r.u64()?));
                let flags = r.u8()?;
                let (deleted, forget) = (flags & 1 != 0, flags & 2 != 0);
                Self::Layer { local, layer, volume, deleted, forget }
            }
            tag::LAYER_GONE => Self::LayerGone { local: r.u32()? },
            tag::VOLUME_GONE => Self::VolumeGone { volume: VolumeId(r.u64()?) },
            tag::WATERMARK => Self::Watermark {
                volume: VolumeId(r.u64()?),
                pg: r.u32()?,
                watermark: r.version()?,
                newest: r.version()?,
            },
            tag::NEXT => Self::Next { layer: r.u32()?, pg: r.u32()? },
            _ => return None,
        })
    }
}
