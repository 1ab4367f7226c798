//! Per PG, the pages that tile the hash range; and all pages, by number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::entry::{ChunkKey, Entry, Found};
use super::page::{Marks, Page};

/// One page in memory, and where its last durable image lies.
pub struct PageRef {
    pub page: Page,
    /// Cell and checksum of the image that the newest root names.
    pub stored: Option<(u64, u32)>,
    pub dirty: bool,
}

/// Keyed by a hash that no client can steer (the key comes from the store's uuid).
pub struct Index {
    key: u64,
    pgs: BTreeMap<u32, BTreeMap<u64, u32>>,
    pages: Vec<Option<PageRef>>,
    vacant: Vec<u32>,
    dirty: BTreeSet<u32>,
    scratch: Vec<u8>,
}

/// Neighbouring chunks that share a hash, so that they share a page: 2^2. More would not fit into
/// one page at their longest.
const NEIGHBOUR_BITS: u32 = 2;

impl Index {
    pub fn new(store_uuid: &[u8; 16]) -> Self {
        let key = u64::from_le_bytes(std::array::from_fn(|i| store_uuid[i] ^ store_uuid[i + 8]));
        Self {
            key,
            pgs: BTreeMap::new(),
            pages: Vec::new(),
            vacant: Vec::new(),
            dirty: BTreeSet::new(),
            scratch: Vec::new(),
        }
    }

    pub fn find(&self, pg: u32, layer: u32, block: u64) -> Option<Found> {
        let key = ChunkKey { layer, chunk: (block / 32) as u32 };
        let hash = self.hash(key);
        let page = self.page_of(pg, hash)?;
        page.find(key, fingerprint(hash, key), (block % 32) as usize)
    }

    pub fn entry(&self, pg: u32, key: ChunkKey) -> Option<Entry> {
        let hash = self.hash(key);
        self.page_of(pg, hash)?.entry(key, fingerprint(hash, key))
    }

    /// Sets the chunk's entry; an empty one is removed.
    pub fn set(&mut self, pg: u32, entry: &Entry) {
        if entry.is_empty() {
            self.remove(pg, entry.key);
            return;
        }
        let mut record = std::mem::take(&mut self.scratch);
        record.clear();
        entry.encode(&mut record);
        let hash = self.hash(entry.key);
        let print = fingerprint(hash, entry.key);
        loop {
            let id = self.page_id_or_first(pg, hash);
            self.mark_dirty(id);
            let page = self.page_mut(id);
            if page.set(entry.key, print, &record, Marks::of(entry)).is_ok() {
                break;
            }
            self.split(id);
        }
        self.scratch = record;
    }

    pub fn remove(&mut self, pg: u32, key: ChunkKey) {
        let hash = self.hash(key);
        let Some(id) = self.page_id(pg, hash) else { return };
        if self.page_mut(id).remove(key, fingerprint(hash, key)) {
            self.mark_dirty(id);
        }
    }

    /// Forgets a whole PG; returns the cells of its pages' images.
    pub fn drop_pg(&mut self, pg: u32) -> Vec<u64> {
        let ids = self.pgs.remove(&pg).unwrap_or_default();
        let mut cells = Vec::new();
        for id in ids.into_values() {
            let page = self.pages[id as usize].take().expect("the directory names live pages");
            cells.extend(page.stored.map(|s| s.0));
            self.dirty.remove(&id);
            self.vacant.push(id);
        }
        cells
    }

    pub fn pgs(&self) -> impl Iterator<Item = u32> + '_ {
        self.pgs.keys().copied()
    }

    /// Pages of one PG, in hash order.
    pub fn pages_of(&self, pg: u32) -> impl Iterator<Item = &Page> + '_ {
        let ids = self.pgs.get(&pg);
        ids.into_iter().flatten().map(|(_, id)| &self.page_ref(*id).page)
    }

    /// The first page of a live PG behind `after` = (PG, start of its range), in that order.
    pub fn page_behind(&self, after: Option<(u32, u64)>) -> Option<&Page> {
        let same = after.and_then(|(pg, start)| {
            let behind = (Bound::Excluded(start), Bound::Unbounded);
            self.pgs.get(&pg)?.range(behind).next().map(|(_, id)| id)
        });
        let id = same.or_else(|| {
            let behind = after.map_or(Bound::Unbounded, |(pg, _)| Bound::Excluded(pg));
            let mut later = self.pgs.range((behind, Bound::Unbounded));
            later.find_map(|(_, pages)| pages.values().next())
        });
        id.map(|id| &self.page_ref(*id).page)
    }

    /// The stored image of this page is worth nothing: the next checkpoint writes another one.
    pub fn write_anew(&mut self, id: u32) {
        self.mark_dirty(id);
    }

    /// Every page with its number, in number order.
    pub fn all(&self) -> impl Iterator<Item = (u32, &PageRef)> + '_ {
        self.pages.iter().enumerate().filter_map(|(i, p)| Some((i as u32, p.as_ref()?)))
    }

    pub fn page_ref(&self, id: u32) -> &PageRef {
        self.pages[id as usize].as_ref().expect("the directory names live pages")
    }

    pub fn page_count(&self) -> u64 {
        (self.pages.len() - self.vacant.len()) as u64
    }

    pub fn dirty_pages(&self) -> Vec<u32> {
        self.dirty.iter().copied().collect()
    }

    /// The newest root names this image now; returns the cell of the one before.
    pub fn stored(&mut self, id: u32, cell: u64, crc: u32) -> Option<u64> {
        self.dirty.remove(&id);
        let page = self.pages[id as usize].as_mut().expect("pages live through a checkpoint");
        page.dirty = false;
        page.stored.replace((cell, crc)).map(|s| s.0)
    }

    /// Adds a page that was read from disk.
    pub fn load(&mut self, page: Page, cell: u64, crc: u32) {
        let (pg, start) = (page.pg(), page.start());
        let id = self.add(PageRef { page, stored: Some((cell, crc)), dirty: false });
        self.pgs.entry(pg).or_default().insert(start, id);
    }

    /// A PG whose pages leave a gap or overlap, if there is one.
    pub fn untiled_pg(&self) -> Option<u32> {
        self.pgs.iter().find(|(_, pages)| !self.tiles(pages)).map(|(pg, _)| *pg)
    }

    fn tiles(&self, pages: &BTreeMap<u64, u32>) -> bool {
        let mut next = 0u128;
        for (start, id) in pages {
            let page = &self.page_ref(*id).page;
            if u128::from(*start) != next || page.depth() > 64 {
                return false;
            }
            next += 1u128 << (64 - page.depth());
            let here = |key| u128::from(self.hash(key));
            if page.entries().any(|e| here(e.key) < u128::from(*start) || here(e.key) >= next) {
                return false;
            }
        }
        next == 1 << 64
    }

    fn hash(&self, key: ChunkKey) -> u64 {
        let group = u64::from(key.layer) << 32 | u64::from(key.chunk >> NEIGHBOUR_BITS);
        let mut h = group ^ self.key;
        for _ in 0..2 {
            h = (h ^ (h >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (self.key | 1));
            h ^= h >> 29;
        }
        (h ^ (h >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }

    fn page_id(&self, pg: u32, hash: u64) -> Option<u32> {
        self.pgs.get(&pg)?.range(..=hash).next_back().map(|(_, id)| *id)
    }

    fn page_of(&self, pg: u32, hash: u64) -> Option<&Page> {
        self.page_id(pg, hash).map(|id| &self.page_ref(id).page)
    }

    fn page_id_or_first(&mut self, pg: u32, hash: u64) -> u32 {
        self.page_id(pg, hash).unwrap_or_else(|| {
            let page = Page::new(pg, 0, 0);
            let id = self.add(PageRef { page, stored: None, dirty: true });
            self.pgs.entry(pg).or_default().insert(0, id);
            id
        })
    }

    fn page_mut(&mut self, id: u32) -> &mut Page {
        &mut self.pages[id as usize].as_mut().expect("the directory names live pages").page
    }

    fn add(&mut self, page: PageRef) -> u32 {
        if let Some(id) = self.vacant.pop() {
            self.pages[id as usize] = Some(page);
            return id;
        }
        self.pages.push(Some(page));
        (self.pages.len() - 1) as u32
    }

    fn mark_dirty(&mut self, id: u32) {
        let page = self.pages[id as usize].as_mut().expect("the directory names live pages");
        if !std::mem::replace(&mut page.dirty, true) || page.stored.is_none() {
            self.dirty.insert(id);
        }
    }

    /// Halves a page's range. The lower half keeps the number.
    fn split(&mut self, id: u32) {
        let old = &self.page_ref(id).page;
        let (pg, start, depth) = (old.pg(), old.start(), old.depth() + 1);
        assert!(depth <= 64, "neighbours fit into one page");
        let middle = start | 1 << (64 - depth);
        let mut halves = [Page::new(pg, start, depth), Page::new(pg, middle, depth)];
        let mut record = Vec::new();
        for entry in old.entries() {
            let hash = self.hash(entry.key);
            record.clear();
            entry.encode(&mut record);
            let half = &mut halves[usize::from(hash >= middle)];
            let print = fingerprint(hash, entry.key);
            half.set(entry.key, print, &record, Marks::of(&entry)).expect("half of a page fits");
        }
        let [low, high] = halves;
        *self.page_mut(id) = low;
        let new = self.add(PageRef { page: high, stored: None, dirty: true });
        self.mark_dirty(new);
        self.pgs.get_mut(&pg).expect("the page's PG").insert(middle, new);
    }
}

fn fingerprint(hash: u64, key: ChunkKey) -> u8 {
    (hash as u8).rotate_left(2) ^ key.chunk as u8
}
