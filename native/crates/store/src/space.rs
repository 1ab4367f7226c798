//! Cells and when they may be used again.
//!
//! A CELL THAT A LIVE LOG RECORD NAMES IS NEVER REUSED, even if the record was superseded: after
//! a crash replay would hand its new content to the old owner. Such cells wait here until the
//! log's tail has passed the record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::free_map::FreeMap;
use crate::layout::Region;
use crate::planted::planted;

pub struct Space {
    map: FreeMap,
    /// Cell → lsn of the record that names it.
    named: BTreeMap<u64, u64>,
    /// The same in log order: (lsn, first cell, cells).
    order: VecDeque<(u64, u64, u64)>,
    /// Released, but still named.
    waiting: BTreeSet<u64>,
}

impl Space {
    pub fn new(cells: Region) -> Self {
        Self {
            map: FreeMap::new(cells),
            named: BTreeMap::new(),
            order: VecDeque::new(),
            waiting: BTreeSet::new(),
        }
    }

    pub fn free(&self) -> u64 {
        self.map.free()
    }

    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Cells that the log's tail pins, released or not.
    pub fn named(&self) -> u64 {
        self.named.len() as u64
    }

    pub fn bytes(&self) -> u64 {
        self.map.bytes() + (self.named.len() as u64) * 24 + (self.waiting.len() as u64) * 12
    }

    pub fn contains(&self, cell: u64) -> bool {
        self.map.contains(cell)
    }

    pub fn allocate(&mut self, want: u64) -> Option<(u64, u64)> {
        self.map.allocate(want)
    }

    /// At start: this cell has an owner. False if it had one before.
    pub fn own(&mut self, cell: u64) -> bool {
        self.map.take(cell)
    }

    /// A record at `lsn` names these cells.
    pub fn name(&mut self, lsn: u64, cell: u64, count: u64) {
        self.order.push_back((lsn, cell, count));
        for cell in cell..cell + count {
            self.named.insert(cell, lsn);
        }
    }

    /// At start, when all owners took theirs: named cells without an owner wait for the tail.
    pub fn quarantine_orphans(&mut self) {
        for cell in self.named.keys() {
            if self.map.take(*cell) {
                self.waiting.insert(*cell);
            }
        }
    }

    /// The owner does not need the cell any more.
    pub fn release(&mut self, cell: u64) {
        if self.named.contains_key(&cell) && !planted!(FreeNamed) {
            assert!(self.waiting.insert(cell), "cell {cell} is freed twice");
        } else {
            self.map.release(cell);
        }
    }

    /// Records below `tail` are gone from the log.
    pub fn tail_passed(&mut self, tail: u64) {
        while let Some(&(lsn, first, count)) = self.order.front() {
            if lsn >= tail {
                return;
            }
            self.order.pop_front();
            for cell in first..first + count {
                // A later record may name the cell again.
                if self.named.get(&cell) == Some(&lsn) {
                    self.named.remove(&cell);
                    if self.waiting.remove(&cell) {
                        self.map.release(cell);
                    }
                }
            }
        }
    }
}
