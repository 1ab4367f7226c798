//! One log ring: where it is, what of it is live, and where a batch goes.

use bytes::Bytes;

use crate::batch::LogPoint;
use crate::layout::{CELL_BYTES, Region, batch_cells_max};

#[derive(Clone, Debug)]
pub struct Ring {
    region: Region,
    /// Everything from here on is needed.
    pub tail: LogPoint,
    /// Durable end; the next batch goes here.
    pub head: LogPoint,
}

impl Ring {
    pub fn new(region: Region, tail: LogPoint, head: LogPoint) -> Self {
        Self { region, tail, head }
    }

    /// Where a fresh log begins: no valid batch has lsn 0, none is at or below `beyond`.
    pub fn first_point(region: Region, beyond: u64) -> LogPoint {
        let lsn = (beyond + 1).next_multiple_of(region.cells);
        LogPoint { lsn, chain: 0 }
    }

    pub fn cells(&self) -> u64 {
        self.region.cells
    }

    pub fn used(&self) -> u64 {
        self.head.lsn - self.tail.lsn
    }

    pub fn room(&self) -> u64 {
        self.region.cells - self.used()
    }

    pub fn batch_cells_max(&self) -> u64 {
        batch_cells_max(self.region.cells)
    }

    /// Byte offset of an lsn, and how many cells follow before the ring wraps.
    pub fn place(region: Region, lsn: u64) -> (u64, u64) {
        let at = lsn % region.cells;
        ((region.first + at) * CELL_BYTES, region.cells - at)
    }

    /// The disk writes of a batch: one, or two if it wraps.
    pub fn split(&self, lsn: u64, bufs: Vec<Bytes>) -> Vec<(u64, Vec<Bytes>)> {
        let (offset, cells) = Self::place(self.region, lsn);
        let before_wrap = (cells * CELL_BYTES) as usize;
        let total: usize = bufs.iter().map(Bytes::len).sum();
        if total <= before_wrap {
            return vec![(offset, bufs)];
        }
        let (mut first, mut second, mut left) = (Vec::new(), Vec::new(), before_wrap);
        for mut buf in bufs {
            let front = buf.split_to(left.min(buf.len()));
            left -= front.len();
            first.extend((!front.is_empty()).then_some(front));
            second.extend((!buf.is_empty()).then_some(buf));
        }
        vec![(offset, first), (self.region.offset(), second)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_wraps_is_two_writes() {
        let region = Region { first: 10, cells: 128 };
        let point = LogPoint { lsn: 128 * 3 + 126, chain: 0 };
        let ring = Ring::new(region, point, point);
        let bufs: Vec<Bytes> = [1u8, 2].iter().map(|b| Bytes::from(vec![*b; 2 * 4096])).collect();
        let writes = ring.split(point.lsn, bufs.clone());
        assert_eq!(writes.len(), 2);
        assert_eq!(writes[0].0, (10 + 126) * 4096);
        assert_eq!(writes[1].0, 10 * 4096);
        let joined: Vec<u8> = writes.iter().flat_map(|w| w.1.concat()).collect();
        assert_eq!(joined, bufs.concat());
        assert_eq!(ring.split(128, bufs).len(), 1);
    }
}
