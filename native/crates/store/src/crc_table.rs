//! Checksums of data cells, found by physical address.
//!
//! On disk: pages of 1,024 checksums. In memory: an overlay of what is newer than the pages, and
//! a bounded cache of what was read back, in units of one slot (32 cells, 128 bytes).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::layout::{CRC_PAGE_CELLS, SLOT_CELLS};

const SLOT: usize = SLOT_CELLS as usize;
/// What a checksum reads as that was never recorded or was lost with its page.
pub const UNKNOWN: u32 = 0;

/// Memory of one checksum in the overlay: key, value, the tree's slack.
const OVERLAY_BYTES: u64 = 18;

pub struct CrcTable {
    /// Cell → checksum.
    overlay: BTreeMap<u64, u32>,
    /// Pages whose new image is made and not yet durable.
    merged: BTreeSet<u64>,
    /// Cells of the overlay that such an image came too early for.
    late: BTreeSet<u64>,
    /// Page number → cell and checksum of its durable image.
    pages: BTreeMap<u64, (u64, u32)>,
    cache: Cache,
}

impl CrcTable {
    pub fn new(cache_bytes: u64) -> Self {
        Self {
            overlay: BTreeMap::new(),
            merged: BTreeSet::new(),
            late: BTreeSet::new(),
            pages: BTreeMap::new(),
            cache: Cache::new(cache_bytes),
        }
    }

    pub fn page_number(cell: u64) -> u64 {
        cell / CRC_PAGE_CELLS
    }

    /// The checksum, if memory has it; otherwise the page has to be read.
    pub fn get(&mut self, cell: u64) -> Option<u32> {
        if let Some(crc) = self.overlay.get(&cell) {
            return Some(*crc);
        }
        if let Some(unit) = self.cache.get(cell / SLOT_CELLS) {
            return Some(unit[(cell % SLOT_CELLS) as usize]);
        }
        // Never written: there is nothing to read.
        (!self.pages.contains_key(&Self::page_number(cell))).then_some(UNKNOWN)
    }

    pub fn set(&mut self, cell: u64, crc: u32) {
        self.overlay.insert(cell, crc);
        if self.merged.contains(&Self::page_number(cell)) {
            self.late.insert(cell);
        }
    }

    /// A page was read from disk and its checksum was right: keep the wanted slot.
    pub fn fill(&mut self, number: u64, image: &[u8], slot: u64) {
        let at = ((slot - number * (CRC_PAGE_CELLS / SLOT_CELLS)) * SLOT_CELLS * 4) as usize;
        let unit = &image[at..at + SLOT * 4];
        let crcs = unit.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(*c));
        let mut crcs = crcs.collect::<Vec<_>>();
        crcs.resize(SLOT, UNKNOWN);
        self.cache.put(slot, crcs.try_into().expect("resized to one slot"));
    }

    pub fn page(&self, number: u64) -> Option<(u64, u32)> {
        self.pages.get(&number).copied()
    }

    pub fn pages(&self) -> impl Iterator<Item = (u64, (u64, u32))> + '_ {
        self.pages.iter().map(|(n, p)| (*n, *p))
    }

    /// Pages that the overlay changes.
    pub fn dirty_pages(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            self.overlay.keys().map(|cell| Self::page_number(*cell)).collect();
        numbers.dedup();
        numbers
    }

    /// The page's new image: what is on disk, or what memory still has of it, and the overlay over it.
    pub fn merge(&mut self, number: u64, base: Option<&[u8]>) -> Vec<u8> {
        self.merged.insert(number);
        let mut image = base.map_or_else(|| self.cached(number), <[u8]>::to_vec);
        for (cell, crc) in self.overlay.range(Self::cells_of(number)) {
            let at = (cell % CRC_PAGE_CELLS) as usize * 4;
            image[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        }
        image
    }

    /// No root will name the image that was merged.
    pub fn forget_merge(&mut self, number: u64) {
        self.merged.remove(&number);
        self.late.retain(|cell| Self::page_number(*cell) != number);
    }

    /// A page's image as far as it is cached.
    fn cached(&self, number: u64) -> Vec<u8> {
        let slots = Self::cells_of(number).step_by(SLOT).map(|cell| cell / SLOT_CELLS);
        let unit = |slot| self.cache.peek(slot).copied().unwrap_or([UNKNOWN; SLOT]);
        slots.flat_map(unit).flat_map(u32::to_le_bytes).collect()
    }

    /// The newest root names the image that was merged; the overlay in it is done. Returns the old
    /// image's cell.
    pub fn stored(&mut self, number: u64, cell: u64, crc: u32) -> Option<u64> {
        self.merged.remove(&number);
        let done = self.overlay.range(Self::cells_of(number));
        let done: Vec<(u64, u32)> = done.map(|(cell, crc)| (*cell, *crc)).collect();
        for (cell, crc) in done {
            if !self.late.remove(&cell) {
                self.overlay.remove(&cell);
                self.cache.update(cell, crc);
            }
        }
        self.pages.insert(number, (cell, crc)).map(|p| p.0)
    }

    fn cells_of(number: u64) -> std::ops::Range<u64> {
        number * CRC_PAGE_CELLS..(number + 1) * CRC_PAGE_CELLS
    }

    pub fn load(&mut self, number: u64, cell: u64, crc: u32) {
        self.pages.insert(number, (cell, crc));
    }

    pub fn overlay_bytes(&self) -> u64 {
        self.overlay.len() as u64 * OVERLAY_BYTES
    }

    pub fn set_cache_bytes(&mut self, bytes: u64) {
        self.cache.resize(bytes);
    }

    pub fn cache_bytes(&self) -> u64 {
        self.cache.bytes()
    }
}

/// Two generations: what was used since the older one was dropped stays. No order is kept, so a
/// hit costs one look-up.
struct Cache {
    young: HashMap<u64, Box<[u32; SLOT]>>,
    old: HashMap<u64, Box<[u32; SLOT]>>,
    units_max: usize,
}

/// Memory of one cached unit: the checksums, the key, the table's slack.
const UNIT_BYTES: u64 = SLOT_CELLS * 4 + 40;

impl Cache {
    fn new(bytes: u64) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), units_max: units_max(bytes) }
    }

    /// A generation that has no room any more is dropped whole: a cache fills again.
    fn resize(&mut self, bytes: u64) {
        self.units_max = units_max(bytes);
        for generation in [&mut self.young, &mut self.old] {
            if generation.len() > self.units_max {
                *generation = HashMap::new();
            }
        }
    }

    fn get(&mut self, slot: u64) -> Option<&[u32; SLOT]> {
        if !self.young.contains_key(&slot) {
            let unit = self.old.remove(&slot)?;
            self.insert(slot, unit);
        }
        self.young.get(&slot).map(|u| &**u)
    }

    fn peek(&self, slot: u64) -> Option<&[u32; SLOT]> {
        self.young.get(&slot).or_else(|| self.old.get(&slot)).map(|u| &**u)
    }

    fn put(&mut self, slot: u64, crcs: [u32; SLOT]) {
        self.old.remove(&slot);
        self.insert(slot, Box::new(crcs));
    }

    /// A newer checksum for a unit that may be cached.
    fn update(&mut self, cell: u64, crc: u32) {
        let slot = cell / SLOT_CELLS;
        let unit = self.young.get_mut(&slot).or_else(|| self.old.get_mut(&slot));
        if let Some(unit) = unit {
            unit[(cell % SLOT_CELLS) as usize] = crc;
        }
    }

    fn insert(&mut self, slot: u64, unit: Box<[u32; SLOT]>) {
        if self.young.len() >= self.units_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(slot, unit);
    }

    fn bytes(&self) -> u64 {
        (self.young.len() + self.old.len()) as u64 * UNIT_BYTES
    }
}

/// Of one generation.
fn units_max(bytes: u64) -> usize {
    (bytes / UNIT_BYTES / 2).max(16) as usize
}
