//! Blocks in memory; what was never written, or was discarded, takes none.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use shoal_nbd::{Extent, ReadPart};

use super::Disk;

const BLOCK: u64 = 4096;

type Block = Option<Box<[u8; BLOCK as usize]>>;

pub struct RamDisk {
    blocks: Mutex<Vec<Block>>,
}

impl RamDisk {
    pub fn new(size: u64) -> Self {
        let mut blocks = Vec::new();
        blocks.resize_with(size.div_ceil(BLOCK) as usize, || None);
        Self { blocks: Mutex::new(blocks) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Block>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for RamDisk {
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut blocks = self.lock();
        let mut done = 0;
        for (index, from, to) in spans(offset, data.len() as u64) {
            let block = blocks[index].get_or_insert_with(|| Box::new([0; BLOCK as usize]));
            let count = to - from;
            block[from..to].copy_from_slice(&data[done..done + count]);
            done += count;
        }
        Ok(())
    }

    /// Whole blocks are given back, parts are overwritten.
    fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut blocks = self.lock();
        for (index, from, to) in spans(offset, length) {
            match &mut blocks[index] {
                block if to - from == BLOCK as usize => *block = None,
                Some(block) => block[from..to].fill(0),
                None => {}
            }
        }
        Ok(())
    }

    fn read(&self, offset: u64, length: u64) -> io::Result<Vec<ReadPart>> {
        let blocks = self.lock();
        let part = |(index, from, to): (usize, usize, usize)| match &blocks[index] {
            Some(block) => ReadPart::Data(Bytes::copy_from_slice(&block[from..to])),
            None => ReadPart::Hole((to - from) as u32),
        };
        Ok(spans(offset, length).map(part).collect())
    }

    fn extents(&self, offset: u64, length: u64) -> Vec<Extent> {
        let blocks = self.lock();
        let extent = |(index, from, to): (usize, usize, usize)| {
            let absent: bool = blocks[index].is_none();
            Extent { length: (to - from) as u64, hole: absent, zero: absent }
        };
        spans(offset, length).map(extent).collect()
    }
}

/// `(block, from, to)` of each block that a range touches.
fn spans(offset: u64, length: u64) -> impl Iterator<Item = (usize, usize, usize)> {
    let end = offset + length;
    (offset / BLOCK..end.div_ceil(BLOCK)).map(move |block| {
        let start = block * BLOCK;
        let from = offset.max(start) - start;
        let to = end.min(start + BLOCK) - start;
        (block as usize, from as usize, to as usize)
    })
}
