//! The superblock: 4 KiB, first and last cell of the disk. Written by format alone (and by
//! administration later): copy 0, sync, copy 1. docs/formats/store.md draws the fields.

use bytes::{BufMut, Bytes};
use shoal_types::{DiskId, checksum::crc32c};

use crate::codec::Reader;
use crate::layout::{CELL_BYTES, Layout, Region};
use crate::params::Identity;

pub const MAGIC: [u8; 8] = *b"SHOAL\x01SB";
/// Stands in copy 0 while a format is under way: nothing on the disk counts any more, or yet.
pub const FORMATTING: [u8; 8] = *b"SHOAL\x01FM";
pub const FORMAT_MAJOR: u16 = 1;
/// 1: the store keeps the cluster state.
pub const FORMAT_MINOR: u16 = 1;
/// Blocks of one chunk: what a u32 mask can name, and the only value this version holds.
pub const CHUNK_BLOCKS: u32 = shoal_types::geometry::CHUNK_BLOCKS_DEFAULT;
/// CRC-32C over the stored bytes, then layer and block.
const CHECKSUM_CRC32C: u16 = 1;
/// Incompatible features that this version knows.
const INCOMPAT_KNOWN: u64 = 0;
/// Features that forbid writing to who does not know them, and that this version knows.
const READ_ONLY_KNOWN: u64 = 0;
/// Compatible feature: a region for the cluster state. Who does not know it leaves it alone.
const COMPAT_MAP: u64 = 1;
const CRC_AT: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    pub identity: Identity,
    pub generation: u64,
    pub compat_features: u64,
    pub layout: Layout,
}

/// What 4 KiB hold that should be a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    Ours(Superblock),
    /// No magic of ours.
    None,
    /// Our magic, but the checksum or a field is wrong.
    Damaged,
    /// Ours and whole, but of a version or with features that this one does not know: incompatible
    /// ones, or ones that forbid writing.
    Newer {
        major: u16,
        incompat: u64,
    },
}

impl Superblock {
    pub fn new(identity: Identity, layout: Layout) -> Self {
        let compat_features = if layout.map.cells > 0 { COMPAT_MAP } else { 0 };
        Self { identity, generation: 1, compat_features, layout }
    }

    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(CELL_BYTES as usize);
        out.put_slice(&MAGIC);
        out.put_u32_le(0);
        out.put_u16_le(FORMAT_MAJOR);
        out.put_u16_le(FORMAT_MINOR);
        out.put_u64_le(INCOMPAT_KNOWN);
        out.put_u64_le(READ_ONLY_KNOWN);
        out.put_u64_le(self.compat_features);
        out.put_slice(&self.identity.cluster_id);
        out.put_slice(&self.identity.store_uuid);
        out.put_u64_le(self.identity.disk.0);
        out.put_u64_le(self.identity.incarnation);
        out.put_u64_le(self.generation);
        out.put_u64_le(self.layout.device_cells);
        out.put_u32_le(CELL_BYTES as u32);
        out.put_u32_le(CHUNK_BLOCKS);
        out.put_u16_le(CHECKSUM_CRC32C);
        out.put_u16_le(4);
        let Layout { roots, data_log, meta_log, cells, .. } = self.layout;
        for region in [roots, data_log, meta_log, cells] {
            out.put_u64_le(region.first);
            out.put_u64_le(region.cells);
        }
        // Log device: zero = this disk.
        out.put_bytes(0, 16);
        out.put_u64_le(self.layout.map.first);
        out.put_u64_le(self.layout.map.cells);
        out.resize(CELL_BYTES as usize, 0);
        let crc = crc32c(&out);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        Bytes::from(out)
    }

    pub fn parse(cell: &[u8]) -> Parsed {
        if cell.len() < CELL_BYTES as usize || cell[..8] != MAGIC {
            return Parsed::None;
        }
        let cell = &cell[..CELL_BYTES as usize];
        let mut zeroed = cell.to_vec();
        zeroed[CRC_AT..CRC_AT + 4].fill(0);
        if cell[CRC_AT..CRC_AT + 4] != crc32c(&zeroed).to_le_bytes() {
            return Parsed::Damaged;
        }
        parse_fields(&cell[CRC_AT + 4..]).unwrap_or(Parsed::Damaged)
    }
}

fn parse_fields(bytes: &[u8]) -> Option<Parsed> {
    let mut r = Reader::new(bytes);
    let (major, _minor) = (r.u16()?, r.u16()?);
    let incompat = r.u64()?;
    if major != FORMAT_MAJOR || incompat & !INCOMPAT_KNOWN != 0 {
        return Some(Parsed::Newer { major, incompat });
    }
    let (read_only, compat_features) = (r.u64()?, r.u64()?);
    if read_only & !READ_ONLY_KNOWN != 0 {
        // There is no way to open a store without writing to it.
        return Some(Parsed::Newer { major, incompat: read_only });
    }
    let (cluster_id, store_uuid) = (r.array16()?, r.array16()?);
    let (disk, incarnation, generation) = (DiskId(r.u64()?), r.u64()?, r.u64()?);
    let device_cells = r.u64()?;
    let known = r.u32()? == CELL_BYTES as u32
        && r.u32()? == CHUNK_BLOCKS
        && r.u16()? == CHECKSUM_CRC32C
        && r.u16()? == 4;
    let (roots, data_log) = (region(&mut r)?, region(&mut r)?);
    let (meta_log, cells) = (region(&mut r)?, region(&mut r)?);
    let log_device_is_this = r.array16()? == [0; 16];
    let map = match compat_features & COMPAT_MAP {
        0 => Region { first: 0, cells: 0 },
        _ => region(&mut r)?,
    };
    let layout = Layout { device_cells, roots, data_log, meta_log, map, cells };
    if !known || !log_device_is_this || !layout.is_sound() {
        return Some(Parsed::Damaged);
    }
    let identity = Identity { cluster_id, disk, store_uuid, incarnation };
    Some(Parsed::Ours(Superblock { identity, generation, compat_features, layout }))
}

fn region(r: &mut Reader<'_>) -> Option<Region> {
    Some(Region { first: r.u64()?, cells: r.u64()? })
}
