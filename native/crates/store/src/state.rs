//! What the store knows in memory: newest state of every block, tables, space. No I/O here;
//! recovery builds it, commit and fold change it.

use std::collections::BTreeMap;

use shoal_types::VolumeId;

use crate::crc_table::CrcTable;
use crate::dirty::{Content, Dirty, DirtyBlock, DirtyKey};
use crate::index::{ChunkKey, Entry, Found, Index, Place, Stamp};
use crate::space::Space;
use crate::tables::Tables;
use crate::unsettled::Unsettled;

/// Blocks of a chunk.
pub const CHUNK: u64 = crate::index::entry::BLOCKS as u64;

pub struct State {
    pub tables: Tables,
    pub index: Index,
    pub crcs: CrcTable,
    pub space: Space,
    pub dirty: Dirty,
    pub unsettled: Unsettled,
    /// Data cells that the index holds, per layer number.
    pub layer_blocks: BTreeMap<u32, u64>,
    /// Cells of page images that the newest root names but nothing needs: free with the next root.
    pub retired: Vec<u64>,
}

/// Newest known state of a block.
pub enum Newest<'a> {
    Dirty(&'a DirtyBlock),
    Indexed(Found),
    Nothing,
}

/// A block, by local numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockAt {
    pub pg: u32,
    pub layer: u32,
    pub block: u64,
}

impl BlockAt {
    pub fn key(self) -> DirtyKey {
        let chunk = ChunkKey { layer: self.layer, chunk: (self.block / CHUNK) as u32 };
        DirtyKey { pg: self.pg, chunk }
    }

    pub fn bit(self) -> usize {
        (self.block % CHUNK) as usize
    }
}

impl State {
    pub fn holds_anything_of(&self, pg: u32) -> bool {
        self.index.pages_of(pg).next().is_some()
            || self.dirty.chunks_of_pg(pg).next().is_some()
            || self.tables.marks().any(|(_, of, _)| of == pg)
    }

    pub fn newest(&self, at: BlockAt) -> Newest<'_> {
        if let Some(block) = self.dirty.get(at.key(), at.bit()) {
            return Newest::Dirty(block);
        }
        self.index.find(at.pg, at.layer, at.block).map_or(Newest::Nothing, Newest::Indexed)
    }

    /// Newest exactly known stamp of a block; `None` = settled or never written. An absent block has
    /// none, folded or not: what a write meets must not depend on how far a fold has come.
    pub fn exact_stamp(&self, at: BlockAt) -> Option<Stamp> {
        match self.newest(at) {
            Newest::Dirty(block) => (block.content != Content::Absent).then_some(block.stamp),
            Newest::Indexed(found) => {
                (found.exact && found.place != Place::Absent).then_some(found.stamp)
            }
            Newest::Nothing => None,
        }
    }

    /// What the block holds gives way to a write of this stamp.
    pub fn is_older(&self, at: BlockAt, stamp: Stamp) -> bool {
        self.exact_stamp(at).is_none_or(|known| {
            stamp.version > known.version
                || (stamp.version == known.version && stamp.epoch > known.epoch)
        })
    }

    /// Neither data nor zeros.
    pub fn holds_nothing(&self, at: BlockAt) -> bool {
        match self.newest(at) {
            Newest::Dirty(block) => block.content == Content::Absent,
            Newest::Indexed(found) => found.place == Place::Absent,
            Newest::Nothing => true,
        }
    }

    /// The index gives the block a cell of its own, which a fold can overwrite in place.
    pub fn has_cell(&self, at: BlockAt) -> bool {
        let found = self.index.find(at.pg, at.layer, at.block);
        found.is_some_and(|f| matches!(f.place, Place::Cell(_)))
    }

    /// Makes this the block's newest state; returns what it replaces.
    pub fn put_dirty(
        &mut self,
        volume: VolumeId,
        at: BlockAt,
        block: DirtyBlock,
    ) -> Option<DirtyBlock> {
        let version = block.stamp.version;
        let listed =
            version > self.tables.mark(volume, at.pg).watermark && block.content != Content::Absent;
        let old = self.dirty.insert(at.key(), at.bit(), block);
        if let Some(old) = &old {
            self.unsettled.remove(volume, at.pg, old.stamp.version, at.layer, at.block);
        }
        if listed {
            self.unsettled.insert(volume, at.pg, version, at.layer, at.block);
        }
        self.tables.raise_newest(volume, at.pg, version);
        old
    }

    /// The index has it: no longer dirty.
    pub fn clean(&mut self, key: DirtyKey, bit: usize) {
        let Some(block) = self.dirty.remove(key, bit) else { return };
        let number = u64::from(key.chunk.chunk) * CHUNK + bit as u64;
        if let Some(row) = self.tables.layer(key.chunk.layer) {
            let version = block.stamp.version;
            self.unsettled.remove(row.volume, key.pg, version, key.chunk.layer, number);
        }
    }

    /// Replaces a chunk's entry and keeps count of its layer's blocks.
    pub fn set_entry(&mut self, pg: u32, entry: &Entry) {
        let before = self.index.entry(pg, entry.key).map_or(0, |e| e.cells().count() as u64);
        self.index.set(pg, entry);
        let count = self.layer_blocks.entry(entry.key.layer).or_default();
        *count = *count + entry.cells().count() as u64 - before;
    }

    pub fn remove_entry(&mut self, pg: u32, key: ChunkKey) {
        self.set_entry(pg, &Entry::new(key));
    }

    /// Drops dirty blocks of deleted layers and dropped PGs.
    pub fn drop_dead_dirty(&mut self) {
        let tables = &self.tables;
        let dead =
            |k: DirtyKey| !tables.is_live_layer(k.chunk.layer) || tables.live_pg(k.pg).is_none();
        for (key, bit, block) in self.dirty.drain(dead) {
            if let Content::Direct { cell, .. } = block.content {
                self.space.release(cell);
            }
            if let Some(row) = self.tables.layer(key.chunk.layer) {
                let number = u64::from(key.chunk.chunk) * CHUNK + bit as u64;
                let version = block.stamp.version;
                self.unsettled.remove(row.volume, key.pg, version, key.chunk.layer, number);
            }
        }
    }

    pub fn blocks_stored(&self) -> u64 {
        self.layer_blocks.values().sum()
    }
}
