//! Blocks that the data log holds and the cells do not yet: newest state of each.

use std::collections::BTreeMap;

use bytes::Bytes;
use shoal_types::BLOCK_BYTES;

use crate::index::{ChunkKey, Stamp};

/// A chunk of one PG, by local numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirtyKey {
    pub pg: u32,
    pub chunk: ChunkKey,
}

/// Newest content of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Inline { data: Bytes, crc: u32 },
    Direct { cell: u64, crc: u32 },
    Zero,
    Absent,
}

impl Content {
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Inline { .. } | Self::Direct { .. })
    }
}

#[derive(Clone, Debug)]
pub struct DirtyBlock {
    /// Of the batch that holds the record.
    pub lsn: u64,
    pub stamp: Stamp,
    pub content: Content,
    /// The fold may need a new cell for it.
    pub reserves: bool,
    /// The fold gives back the cell that the index holds for it.
    pub frees: bool,
}

#[derive(Default)]
pub struct DirtyChunk {
    mask: u32,
    /// In the order of the mask's bits.
    blocks: Vec<DirtyBlock>,
}

impl DirtyChunk {
    pub fn get(&self, bit: usize) -> Option<&DirtyBlock> {
        (self.mask >> bit & 1 == 1).then(|| &self.blocks[self.rank(bit)])
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &DirtyBlock)> + '_ {
        crate::index::entry::bits(self.mask).zip(&self.blocks)
    }

    fn rank(&self, bit: usize) -> usize {
        (self.mask & ((1 << bit) - 1)).count_ones() as usize
    }

    fn insert(&mut self, bit: usize, block: DirtyBlock) -> Option<DirtyBlock> {
        let rank = self.rank(bit);
        if self.mask >> bit & 1 == 1 {
            return Some(std::mem::replace(&mut self.blocks[rank], block));
        }
        self.mask |= 1 << bit;
        self.blocks.insert(rank, block);
        None
    }

    fn remove(&mut self, bit: usize) -> Option<DirtyBlock> {
        if self.mask >> bit & 1 == 0 {
            return None;
        }
        let rank = self.rank(bit);
        self.mask &= !(1 << bit);
        Some(self.blocks.remove(rank))
    }
}

/// Memory of one dirty block beside its data.
const OVERHEAD_BYTES: u64 = size_of::<DirtyBlock>() as u64 + 16;

#[derive(Default)]
pub struct Dirty {
    chunks: BTreeMap<DirtyKey, DirtyChunk>,
    blocks: u64,
    bytes: u64,
    reserved: u64,
    /// Blocks whose fold may give a cell back.
    freeing: u64,
    coming_back: u64,
}

impl Dirty {
    /// Returns what it replaces; the caller releases its cell.
    pub fn insert(&mut self, key: DirtyKey, bit: usize, block: DirtyBlock) -> Option<DirtyBlock> {
        self.count(&block, true);
        let old = self.chunks.entry(key).or_default().insert(bit, block);
        if let Some(old) = &old {
            self.count(old, false);
        }
        old
    }

    pub fn remove(&mut self, key: DirtyKey, bit: usize) -> Option<DirtyBlock> {
        let chunk = self.chunks.get_mut(&key)?;
        let old = chunk.remove(bit)?;
        if chunk.mask == 0 {
            self.chunks.remove(&key);
        }
        self.count(&old, false);
        Some(old)
    }

    pub fn set_reserves(&mut self, key: DirtyKey, bit: usize, reserves: bool) {
        if let Some(mut block) = self.remove(key, bit) {
            block.reserves = reserves;
            self.insert(key, bit, block);
        }
    }

    pub fn get(&self, key: DirtyKey, bit: usize) -> Option<&DirtyBlock> {
        self.chunks.get(&key)?.get(bit)
    }

    pub fn chunk(&self, key: DirtyKey) -> Option<&DirtyChunk> {
        self.chunks.get(&key)
    }

    pub fn chunks(&self) -> impl Iterator<Item = (DirtyKey, &DirtyChunk)> + '_ {
        self.chunks.iter().map(|(k, c)| (*k, c))
    }

    pub fn chunks_of_pg(&self, pg: u32) -> impl Iterator<Item = (DirtyKey, &DirtyChunk)> + '_ {
        let from = DirtyKey { pg, chunk: ChunkKey { layer: 0, chunk: 0 } };
        self.chunks.range(from..).take_while(move |(k, _)| k.pg == pg).map(|(k, c)| (*k, c))
    }

    /// Takes out whole chunks, for blocks that were dropped.
    pub fn drain(&mut self, gone: impl Fn(DirtyKey) -> bool) -> Vec<(DirtyKey, usize, DirtyBlock)> {
        let keys: Vec<DirtyKey> = self.chunks.keys().copied().filter(|k| gone(*k)).collect();
        let mut out = Vec::new();
        for key in keys {
            let chunk = self.chunks.remove(&key).expect("listed above");
            let bits = crate::index::entry::bits(chunk.mask);
            out.extend(bits.zip(chunk.blocks).map(|(bit, block)| (key, bit, block)));
        }
        out.iter().for_each(|(_, _, block)| self.count(block, false));
        out
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    pub fn chunk_count(&self) -> u64 {
        self.chunks.len() as u64
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Cells that a fold of everything may need.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// A fold may give cells back.
    pub fn may_free(&self) -> bool {
        self.freeing > 0
    }

    /// Cells that a fold of everything gives back, as far as it is known.
    pub fn coming_back(&self) -> u64 {
        self.coming_back
    }

    fn count(&mut self, block: &DirtyBlock, add: bool) {
        let data = matches!(block.content, Content::Inline { .. });
        let bytes = OVERHEAD_BYTES + if data { BLOCK_BYTES as u64 } else { 0 };
        let sign = |total: u64, part: u64| if add { total + part } else { total - part };
        self.blocks = sign(self.blocks, 1);
        self.bytes = sign(self.bytes, bytes);
        self.reserved = sign(self.reserved, u64::from(block.reserves));
        self.freeing = sign(self.freeing, u64::from(!data));
        self.coming_back = sign(self.coming_back, u64::from(block.frees));
    }
}
