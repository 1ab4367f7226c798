//! Checksums of data cells, found by physical address.
//!
//! On disk: pages of 1,024 checksums. In memory: an overlay of what is newer than the pages, and
//! a bounded cache of what was read back, in units of one slot (32 cells, 128 bytes).

use std::collections::{BTreeMap, HashMap};

use crate::layout::{CRC_PAGE_CELLS, SLOT_CELLS};

const SLOT: usize = SLOT_CELLS as usize;
/// What a checksum reads as that was never recorded or was lost with its page.
const UNKNOWN: u32 = 0;

#[derive(Clone, Default)]
struct OverlaySlot {
    mask: u32,
    crcs: [u32; SLOT],
}

pub struct CrcTable {
    overlay: BTreeMap<u64, Box<OverlaySlot>>,
    /// Page number → cell and checksum of its durable image.
    pages: BTreeMap<u64, (u64, u32)>,
    cache: Cache,
}

impl CrcTable {
    pub fn new(cache_bytes: u64) -> Self {
        Self { overlay: BTreeMap::new(), pages: BTreeMap::new(), cache: Cache::new(cache_bytes) }
    }

    pub fn page_number(cell: u64) -> u64 {
        cell / CRC_PAGE_CELLS
    }

    /// The checksum, if memory has it; otherwise the page has to be read.
    pub fn get(&mut self, cell: u64) -> Option<u32> {
        let (slot, bit) = (cell / SLOT_CELLS, (cell % SLOT_CELLS) as usize);
        if let Some(over) = self.overlay.get(&slot)
            && over.mask >> bit & 1 == 1
        {
            return Some(over.crcs[bit]);
        }
        if let Some(unit) = self.cache.get(slot) {
            return Some(unit[bit]);
        }
        // Never written: there is nothing to read.
        (!self.pages.contains_key(&Self::page_number(cell))).then_some(UNKNOWN)
    }

    pub fn set(&mut self, cell: u64, crc: u32) {
        let (slot, bit) = (cell / SLOT_CELLS, (cell % SLOT_CELLS) as usize);
        let over = self.overlay.entry(slot).or_default();
        over.mask |= 1 << bit;
        over.crcs[bit] = crc;
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
        let per_page = CRC_PAGE_CELLS / SLOT_CELLS;
        let mut numbers: Vec<u64> = self.overlay.keys().map(|slot| slot / per_page).collect();
        numbers.dedup();
        numbers
    }

    /// The page's new image: what is on disk, and the overlay over it.
    pub fn merged(&self, number: u64, base: Option<&[u8]>) -> Vec<u8> {
        let mut image = base.map_or_else(|| vec![0; CRC_PAGE_CELLS as usize * 4], <[u8]>::to_vec);
        let per_page = CRC_PAGE_CELLS / SLOT_CELLS;
        for (slot, over) in self.overlay.range(number * per_page..(number + 1) * per_page) {
            let at = ((slot - number * per_page) * SLOT_CELLS * 4) as usize;
            for bit in crate::index::entry::bits(over.mask) {
                image[at + bit * 4..at + bit * 4 + 4]
                    .copy_from_slice(&over.crcs[bit].to_le_bytes());
            }
        }
        image
    }

    /// The newest root names this image; the overlay over it is done. Returns the old image's cell.
    pub fn stored(&mut self, number: u64, cell: u64, crc: u32) -> Option<u64> {
        let per_page = CRC_PAGE_CELLS / SLOT_CELLS;
        let slots = number * per_page..(number + 1) * per_page;
        let done: Vec<u64> = self.overlay.range(slots).map(|(slot, _)| *slot).collect();
        for slot in done {
            let over = self.overlay.remove(&slot).expect("listed above");
            self.cache.merge(slot, over.mask, &over.crcs);
        }
        self.pages.insert(number, (cell, crc)).map(|p| p.0)
    }

    pub fn load(&mut self, number: u64, cell: u64, crc: u32) {
        self.pages.insert(number, (cell, crc));
    }

    pub fn overlay_bytes(&self) -> u64 {
        self.overlay.len() as u64 * (size_of::<OverlaySlot>() as u64 + 16)
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
        let units_max = (bytes / UNIT_BYTES / 2).max(16) as usize;
        Self { young: HashMap::new(), old: HashMap::new(), units_max }
    }

    fn get(&mut self, slot: u64) -> Option<&[u32; SLOT]> {
        if !self.young.contains_key(&slot) {
            let unit = self.old.remove(&slot)?;
            self.insert(slot, unit);
        }
        self.young.get(&slot).map(|u| &**u)
    }

    fn put(&mut self, slot: u64, crcs: [u32; SLOT]) {
        self.old.remove(&slot);
        self.insert(slot, Box::new(crcs));
    }

    /// Newer checksums for a unit that may be cached; a part of a unit is not worth keeping.
    fn merge(&mut self, slot: u64, mask: u32, crcs: &[u32; SLOT]) {
        if mask == u32::MAX {
            return self.put(slot, *crcs);
        }
        let unit = self.young.get_mut(&slot).or_else(|| self.old.get_mut(&slot));
        if let Some(unit) = unit {
            crate::index::entry::bits(mask).for_each(|bit| unit[bit] = crcs[bit]);
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
