//! Which cells are free: one bit per cell, and a summary bit per slot with any free cell.
//! Derived from index, page tables and log at every start, never stored.

use crate::layout::{Region, SLOT_CELLS};

/// Slots looked at for a run of the wished length before a shorter one is taken.
const SEARCH_SLOTS: usize = 256;

pub struct FreeMap {
    first_slot: u64,
    /// Bit set = cell used.
    used: Vec<u32>,
    /// Bit set = the slot has a free cell.
    any_free: Vec<u64>,
    free: u64,
    cursor: usize,
}

impl FreeMap {
    /// All cells of the region free.
    pub fn new(cells: Region) -> Self {
        assert!(cells.first.is_multiple_of(SLOT_CELLS), "slots are aligned");
        let slots = cells.cells.div_ceil(SLOT_CELLS) as usize;
        let mut map = Self {
            first_slot: cells.first / SLOT_CELLS,
            used: vec![0; slots],
            any_free: vec![0; slots.div_ceil(64)],
            free: cells.cells,
            cursor: 0,
        };
        let tail = cells.cells % SLOT_CELLS;
        if tail != 0 {
            map.used[slots - 1] = u32::MAX << tail;
        }
        (0..slots).for_each(|slot| map.summarize(slot));
        map
    }

    pub fn free(&self) -> u64 {
        self.free
    }

    pub fn bytes(&self) -> u64 {
        (self.used.len() * 4 + self.any_free.len() * 8) as u64
    }

    pub fn contains(&self, cell: u64) -> bool {
        let slot = (cell / SLOT_CELLS).checked_sub(self.first_slot);
        slot.is_some_and(|s| s < self.used.len() as u64)
    }

    /// False if it is used already.
    pub fn take(&mut self, cell: u64) -> bool {
        let (slot, bit) = self.locate(cell);
        if self.used[slot] >> bit & 1 == 1 {
            return false;
        }
        self.used[slot] |= 1 << bit;
        self.free -= 1;
        self.summarize(slot);
        true
    }

    pub fn release(&mut self, cell: u64) {
        let (slot, bit) = self.locate(cell);
        assert!(self.used[slot] >> bit & 1 == 1, "cell {cell} is freed twice");
        self.used[slot] &= !(1 << bit);
        self.free += 1;
        self.summarize(slot);
    }

    /// A run of at most `want` cells, as long as a short search finds; `None` if none is free.
    pub fn allocate(&mut self, want: u64) -> Option<(u64, u64)> {
        let (slot, bit, len) = self.search(want)?;
        let first = (self.first_slot + slot as u64) * SLOT_CELLS + u64::from(bit);
        for cell in first..first + len {
            assert!(self.take(cell), "the search found free cells");
        }
        self.cursor = self.locate(first + len - 1).0;
        Some((first, len))
    }

    /// Best run found: slot, bit, length.
    fn search(&self, want: u64) -> Option<(usize, u32, u64)> {
        let mut best: Option<(usize, u32, u64)> = None;
        let mut seen = 0;
        let mut from = self.cursor;
        for _ in 0..2 {
            while let Some(slot) = self.next_with_free(from) {
                let (bit, len) = self.longest_run(slot, want);
                if best.is_none_or(|b| len > b.2) {
                    best = Some((slot, bit, len));
                }
                seen += 1;
                if len >= want || seen >= SEARCH_SLOTS {
                    return best;
                }
                from = slot + ((u64::from(bit) + len) / SLOT_CELLS).max(1) as usize;
            }
            from = 0;
        }
        best
    }

    fn next_with_free(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut mask = u64::MAX << (from % 64);
        while word < self.any_free.len() {
            let found = self.any_free[word] & mask;
            if found != 0 {
                return Some(word * 64 + found.trailing_zeros() as usize);
            }
            (word, mask) = (word + 1, u64::MAX);
        }
        None
    }

    /// Longest run that starts in the slot, up to `want`; only a run that reaches the slot's end
    /// goes on into the next ones.
    fn longest_run(&self, slot: usize, want: u64) -> (u32, u64) {
        let free = !self.used[slot];
        let (mut best, mut bit) = ((0, 0), 0);
        while bit < 32 {
            let gap = (free >> bit).trailing_zeros();
            if gap == 32 {
                break;
            }
            let start = bit + gap;
            let len = (free >> start).trailing_ones();
            let mut total = u64::from(len);
            let mut next = slot + 1;
            while start + len == 32 && total < want && next < self.used.len() {
                let more = (!self.used[next]).trailing_ones();
                total += u64::from(more);
                if more < 32 {
                    break;
                }
                next += 1;
            }
            if total > best.1 {
                best = (start, total.min(want));
            }
            bit = start + len;
        }
        best
    }

    fn summarize(&mut self, slot: usize) {
        let bit = 1 << (slot % 64);
        if self.used[slot] == u32::MAX {
            self.any_free[slot / 64] &= !bit;
        } else {
            self.any_free[slot / 64] |= bit;
        }
    }

    fn locate(&self, cell: u64) -> (usize, u32) {
        ((cell / SLOT_CELLS - self.first_slot) as usize, (cell % SLOT_CELLS) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_hands_a_cell_out_twice_and_finds_the_last() {
        let region = Region { first: 64, cells: 1000 };
        let mut map = FreeMap::new(region);
        let mut owned = vec![false; 1064];
        let mut left = 1000;
        for round in 0..10_000u64 {
            let want = round % 70 + 1;
            let Some((first, len)) = map.allocate(want) else { break };
            assert!(len >= 1 && len <= want && first >= 64 && first + len <= 1064);
            for cell in first..first + len {
                assert!(!std::mem::replace(&mut owned[cell as usize], true));
            }
            left -= len;
            if round % 3 == 0 {
                map.release(first);
                owned[first as usize] = false;
                left += 1;
            }
            assert_eq!(map.free(), left);
        }
        assert_eq!(map.free(), 0);
    }

    #[test]
    fn long_runs_span_slots() {
        let mut map = FreeMap::new(Region { first: 0, cells: 1024 });
        assert!(map.take(40));
        assert_eq!(map.allocate(256), Some((41, 256)));
        assert_eq!(map.allocate(256), Some((297, 256)));
    }
}
