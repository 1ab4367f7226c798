//! Where things lie on a disk, chosen once at format and recorded in the superblock.
//!
//! [SB0][root A, A', B, B'][data log][meta log][map 0, 1][cells ...][SB1 = last cell]

use crate::error::FormatError;

/// Unit of disk space, in bytes; one block fits exactly.
pub const CELL_BYTES: u64 = 4096;
/// Cells of a slot; slots are aligned.
pub const SLOT_CELLS: u64 = 32;
/// Cells whose checksums one checksum page holds.
pub const CRC_PAGE_CELLS: u64 = 1024;
/// Smallest disk that can hold a store.
pub const DEVICE_BYTES_MIN: u64 = 8 << 20;
/// Largest: 16 TiB keeps index, summary and roots within what was sized and tested.
pub const DEVICE_BYTES_MAX: u64 = 16 << 40;
/// Longest batch of either log, in cells; also at most a quarter of its ring.
pub const BATCH_CELLS_MAX: u64 = 512;
/// Copies of the root: generation g goes to A, A' or to B, B'.
pub const ROOT_COPIES: u64 = 4;
/// Copies of the cluster state.
pub const MAP_SLOTS: u64 = 2;
/// Smaller disks than this, in bytes, keep no cluster state.
pub const MAP_DEVICE_BYTES_MIN: u64 = 64 << 20;
/// A slot's cells, header included: 64 KiB to 64 MiB.
const MAP_SLOT_CELLS_MIN: u64 = 16;
const MAP_SLOT_CELLS_MAX: u64 = 16 << 10;

/// A run of whole cells of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub first: u64,
    pub cells: u64,
}

impl Region {
    pub fn end(&self) -> u64 {
        self.first + self.cells
    }

    pub fn offset(&self) -> u64 {
        self.first * CELL_BYTES
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Cells of the whole disk.
    pub device_cells: u64,
    /// All four copies, of equal size.
    pub roots: Region,
    pub data_log: Region,
    pub meta_log: Region,
    /// Both slots of the cluster state; no cells in a store that was made without.
    pub map: Region,
    /// The one allocator's cells: data, index pages, checksum pages.
    pub cells: Region,
}

impl Layout {
    pub fn choose(device_bytes: u64) -> Result<Self, FormatError> {
        if device_bytes < DEVICE_BYTES_MIN {
            return Err(FormatError::TooSmall { least_bytes: DEVICE_BYTES_MIN });
        }
        if device_bytes > DEVICE_BYTES_MAX {
            return Err(FormatError::TooLarge { most_bytes: DEVICE_BYTES_MAX });
        }
        let device_cells = device_bytes / CELL_BYTES;
        let root_cells = root_cells(device_cells);
        let roots = Region { first: 1, cells: root_cells * ROOT_COPIES };
        let data_cells = (device_cells / 16).clamp(128, (1 << 30) / CELL_BYTES);
        let data_log = Region { first: roots.end(), cells: data_cells };
        let meta_cells = (device_cells / 64).clamp(64, (256 << 20) / CELL_BYTES);
        let meta_log = Region { first: data_log.end(), cells: meta_cells };
        let slot_cells = (device_cells / 4096).clamp(MAP_SLOT_CELLS_MIN, MAP_SLOT_CELLS_MAX);
        let map = match device_bytes < MAP_DEVICE_BYTES_MIN {
            true => Region { first: 0, cells: 0 },
            false => Region { first: meta_log.end(), cells: slot_cells * MAP_SLOTS },
        };
        let first = meta_log.end().max(map.end()).next_multiple_of(SLOT_CELLS);
        let cells = Region { first, cells: device_cells - 1 - first };
        Ok(Self { device_cells, roots, data_log, meta_log, map, cells })
    }

    /// Region of root copy `copy` of generation `gen`.
    pub fn root_copy(&self, generation: u64, copy: u64) -> Region {
        let cells = self.roots.cells / ROOT_COPIES;
        let which = (generation % 2) * 2 + copy;
        Region { first: self.roots.first + which * cells, cells }
    }

    /// Bytes that one root copy can hold, header included.
    pub fn root_bytes(&self) -> u64 {
        self.roots.cells / ROOT_COPIES * CELL_BYTES
    }

    pub fn map_slot(&self, slot: u64) -> Region {
        let cells = self.map.cells / MAP_SLOTS;
        Region { first: self.map.first + slot * cells, cells }
    }

    /// Longest cluster state that a slot holds, in bytes; 0 where there is none.
    pub fn map_bytes_max(&self) -> u64 {
        (self.map.cells / MAP_SLOTS).saturating_sub(1) * CELL_BYTES
    }

    pub fn last_superblock_offset(&self) -> u64 {
        (self.device_cells - 1) * CELL_BYTES
    }

    /// Checksum pages that cover the disk; pages are numbered by absolute cell.
    pub fn crc_pages(&self) -> u64 {
        self.device_cells.div_ceil(CRC_PAGE_CELLS)
    }

    /// Regions in order, none empty, all inside the disk: what a superblock must satisfy.
    pub fn is_sound(&self) -> bool {
        let limit = DEVICE_BYTES_MAX / CELL_BYTES;
        let regions = [self.roots, self.data_log, self.meta_log, self.cells];
        let small = regions.iter().all(|r| r.first < limit && r.cells < limit && r.cells > 0);
        small
            && self.device_cells <= limit
            && self.roots.first >= 1
            && self.roots.cells.is_multiple_of(ROOT_COPIES)
            && self.roots.cells >= 2 * ROOT_COPIES
            && self.data_log.first >= self.roots.end()
            && self.data_log.cells >= 128
            && self.meta_log.first >= self.data_log.end()
            && self.meta_log.cells >= 64
            && self.has_sound_map()
            && self.cells.first >= self.meta_log.end().max(self.map.end())
            && self.cells.first.is_multiple_of(SLOT_CELLS)
            && self.cells.end() < self.device_cells
    }

    fn has_sound_map(&self) -> bool {
        let Region { first, cells } = self.map;
        let slots = MAP_SLOTS * 2..=MAP_SLOTS * MAP_SLOT_CELLS_MAX;
        let none = first == 0 && cells == 0;
        let fits = slots.contains(&cells) && cells.is_multiple_of(MAP_SLOTS);
        none || (fits && first >= self.meta_log.end() && first < DEVICE_BYTES_MAX / CELL_BYTES)
    }
}

/// Cells of one root copy: a page of the index per 8,192 cells, and what the tables take, which does
/// not depend on the size: 8 MiB have room for 190,000 pairs of volume and PG.
fn root_cells(device_cells: u64) -> u64 {
    let for_tables = (device_cells / 512).min((8 << 20) / CELL_BYTES);
    (device_cells / 8192).max(for_tables).clamp(16, 32 << 10)
}

/// Longest batch that a ring of `cells` takes.
pub fn batch_cells_max(cells: u64) -> u64 {
    BATCH_CELLS_MAX.min(cells / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gives_a_sound_layout() {
        for shift in 23..45 {
            for extra in [0, 1, 4096, (1u64 << shift) / 3] {
                let bytes = ((1u64 << shift) + extra).min(DEVICE_BYTES_MAX);
                let layout = Layout::choose(bytes).unwrap();
                assert!(layout.is_sound(), "{bytes}: {layout:?}");
                assert!(layout.cells.cells * 2 > layout.device_cells, "{bytes}: mostly overhead");
            }
        }
        assert!(Layout::choose(DEVICE_BYTES_MIN - 1).is_err());
        assert!(Layout::choose(DEVICE_BYTES_MAX + 1).is_err());
    }
}
