//! One index page: 4 KiB, the same bytes in memory and on disk.
//!
//! header 64 | fingerprints, 1 byte per entry | ... free ... | records, from the end downwards
//!
//! The slot table lies behind the fingerprints: u16 offset and u16 length per entry. A look-up
//! touches the fingerprints, one slot and one record.

use shoal_types::PgEpoch;

use super::entry::{ChunkKey, Entry, Found, GROUP_BYTES, HEAD_BYTES, find_encoded, le};
use crate::codec::{Reader, Seal};

pub const PAGE_BYTES: usize = 4096;
pub const MAGIC: [u8; 4] = *b"SHIX";
/// Most entries of a page.
pub const ENTRIES_MAX: usize = 112;
const HEADER: usize = 64;
const SLOTS: usize = HEADER + ENTRIES_MAX;
const SLOT: usize = 4;
const CRC_AT: usize = 4;

/// Fields of the header, by offset.
mod at {
    pub const PG: usize = 8;
    pub const DEPTH: usize = 12;
    pub const COUNT: usize = 14;
    pub const START: usize = 16;
    pub const HEAP: usize = 24;
    pub const LIVE: usize = 26;
    pub const EPOCH_MAX: usize = 28;
    pub const UNSETTLED: usize = 32;
}

/// The page cannot take the entry: split it.
#[derive(Debug, PartialEq, Eq)]
pub struct PageFull;

pub struct Page {
    bytes: Box<[u8; PAGE_BYTES]>,
}

impl Page {
    /// Empty page for hashes whose first `depth` bits are those of `start`.
    pub fn new(pg: u32, start: u64, depth: u8) -> Self {
        let mut page = Self { bytes: Box::new([0; PAGE_BYTES]) };
        page.bytes[..4].copy_from_slice(&MAGIC);
        page.put(at::PG, 4, u64::from(pg));
        page.put(at::DEPTH, 2, u64::from(depth));
        page.put(at::START, 8, start);
        page.put(at::HEAP, 2, PAGE_BYTES as u64);
        page
    }

    pub fn pg(&self) -> u32 {
        self.get(at::PG, 4) as u32
    }

    pub fn depth(&self) -> u8 {
        self.get(at::DEPTH, 2) as u8
    }

    pub fn start(&self) -> u64 {
        self.get(at::START, 8)
    }

    pub fn len(&self) -> usize {
        self.get(at::COUNT, 2) as usize
    }

    /// Newest stamp that any entry of this page ever had.
    pub fn epoch_max(&self) -> PgEpoch {
        PgEpoch(self.get(at::EPOCH_MAX, 4) as u32)
    }

    /// Some entry of this page was folded above its watermark.
    pub fn maybe_unsettled(&self) -> bool {
        self.get(at::UNSETTLED, 1) != 0
    }

    pub fn find(&self, key: ChunkKey, fingerprint: u8, bit: usize) -> Option<Found> {
        self.position(key, fingerprint).map(|i| find_encoded(self.record(i), bit))
    }

    pub fn entry(&self, key: ChunkKey, fingerprint: u8) -> Option<Entry> {
        self.position(key, fingerprint).map(|i| self.entry_at(i))
    }

    pub fn entry_at(&self, i: usize) -> Entry {
        Entry::decode(&mut Reader::new(self.record(i))).expect("a page holds checked entries")
    }

    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.len()).map(|i| self.entry_at(i))
    }

    pub fn keys(&self) -> impl Iterator<Item = ChunkKey> + '_ {
        (0..self.len()).map(|i| ChunkKey {
            layer: le(self.record(i), 0, 4) as u32,
            chunk: le(self.record(i), 4, 4) as u32,
        })
    }

    /// Puts an encoded entry in the place of the one with its key, or beside the others.
    pub fn set(
        &mut self,
        key: ChunkKey,
        fingerprint: u8,
        record: &[u8],
        marks: Marks,
    ) -> Result<(), PageFull> {
        let old = self.position(key, fingerprint);
        let old_len = old.map_or(0, |i| self.slot(i).1);
        let count = self.len() + usize::from(old.is_none());
        let used = SLOTS + count * SLOT + self.get(at::LIVE, 2) as usize - old_len;
        if count > ENTRIES_MAX || used + record.len() > PAGE_BYTES {
            return Err(PageFull);
        }
        if old.is_some() && old_len == record.len() {
            let start = self.slot(old.unwrap_or_default()).0;
            self.bytes[start..start + record.len()].copy_from_slice(record);
        } else {
            self.place_record(old, fingerprint, record);
        }
        self.put(at::EPOCH_MAX, 4, u64::from(self.epoch_max().max(marks.epoch_max).0));
        if marks.unsettled {
            self.put(at::UNSETTLED, 1, 1);
        }
        Ok(())
    }

    pub fn remove(&mut self, key: ChunkKey, fingerprint: u8) -> bool {
        let Some(i) = self.position(key, fingerprint) else { return false };
        let (_, len) = self.slot(i);
        let last = self.len() - 1;
        self.bytes[HEADER + i] = self.bytes[HEADER + last];
        let slot = self.slot(last);
        self.put_slot(i, slot);
        self.bytes[HEADER + last] = 0;
        self.put_slot(last, (0, 0));
        self.put(at::COUNT, 2, last as u64);
        self.put(at::LIVE, 2, self.get(at::LIVE, 2) - len as u64);
        true
    }

    /// The page as it goes to disk.
    pub fn image(&self, seal: Seal) -> (Vec<u8>, u32) {
        let mut image = self.bytes.to_vec();
        let crc = seal.sum(&image);
        image[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        (image, crc)
    }

    /// Takes a page from disk if checksum, bounds and every entry are right.
    pub fn load(image: &[u8], seal: Seal) -> Option<Self> {
        let mut bytes: Box<[u8; PAGE_BYTES]> = Box::new(image.try_into().ok()?);
        let carried = le(&bytes[..], CRC_AT, 4) as u32;
        bytes[CRC_AT..CRC_AT + 4].fill(0);
        let page = Self { bytes };
        (page.bytes[..4] == MAGIC && seal.sum(&page.bytes[..]) == carried && page.is_sound())
            .then_some(page)
    }

    fn is_sound(&self) -> bool {
        let (count, heap) = (self.len(), self.get(at::HEAP, 2) as usize);
        if count > ENTRIES_MAX || heap > PAGE_BYTES || heap < SLOTS + count * SLOT {
            return false;
        }
        let mut live = 0;
        for i in 0..count {
            let (start, len) = self.slot(i);
            if start < heap || start + len > PAGE_BYTES || len < HEAD_BYTES {
                return false;
            }
            let mut r = Reader::new(self.record(i));
            if Entry::decode(&mut r).is_none() || !r.is_empty() {
                return false;
            }
            live += len;
        }
        live == self.get(at::LIVE, 2) as usize
    }

    fn place_record(&mut self, old: Option<usize>, fingerprint: u8, record: &[u8]) {
        if let Some(i) = old {
            let live = self.get(at::LIVE, 2) - self.slot(i).1 as u64;
            self.put(at::LIVE, 2, live);
            self.put_slot(i, (PAGE_BYTES, 0));
        }
        let i = old.unwrap_or(self.len());
        let count = self.len().max(i + 1);
        // BEFORE the slot table grows: it grows towards the records.
        let floor = SLOTS + count * SLOT;
        if (self.get(at::HEAP, 2) as usize) < floor + record.len() {
            self.compact();
        }
        let start = self.get(at::HEAP, 2) as usize - record.len();
        self.bytes[start..start + record.len()].copy_from_slice(record);
        self.bytes[HEADER + i] = fingerprint;
        self.put(at::COUNT, 2, count as u64);
        self.put_slot(i, (start, record.len()));
        self.put(at::HEAP, 2, start as u64);
        self.put(at::LIVE, 2, self.get(at::LIVE, 2) + record.len() as u64);
    }

    /// Closes the holes between records.
    fn compact(&mut self) {
        let old = self.bytes.clone();
        let mut heap = PAGE_BYTES;
        for i in 0..self.len() {
            let (start, len) = self.slot(i);
            heap -= len;
            self.bytes[heap..heap + len].copy_from_slice(&old[start..start + len]);
            self.put_slot(i, (heap, len));
        }
        let slots_end = SLOTS + self.len() * SLOT;
        self.bytes[slots_end..heap].fill(0);
        self.put(at::HEAP, 2, heap as u64);
    }

    fn position(&self, key: ChunkKey, fingerprint: u8) -> Option<usize> {
        let prints = &self.bytes[HEADER..HEADER + self.len()];
        let mut from = 0;
        while let Some(hit) = prints[from..].iter().position(|f| *f == fingerprint) {
            let i = from + hit;
            let start = self.slot(i).0;
            if le(&self.bytes[..], start, 4) as u32 == key.layer
                && le(&self.bytes[..], start + 4, 4) as u32 == key.chunk
            {
                return Some(i);
            }
            from = i + 1;
        }
        None
    }

    fn record(&self, i: usize) -> &[u8] {
        let (start, len) = self.slot(i);
        &self.bytes[start..start + len]
    }

    fn slot(&self, i: usize) -> (usize, usize) {
        let at = SLOTS + i * SLOT;
        (self.get(at, 2) as usize, self.get(at + 2, 2) as usize)
    }

    fn put_slot(&mut self, i: usize, slot: (usize, usize)) {
        let at = SLOTS + i * SLOT;
        self.put(at, 2, slot.0 as u64);
        self.put(at + 2, 2, slot.1 as u64);
    }

    fn get(&self, at: usize, len: usize) -> u64 {
        le(&self.bytes[..], at, len)
    }

    fn put(&mut self, at: usize, len: usize, value: u64) {
        self.bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }
}

/// What an entry adds to its page's header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    pub epoch_max: PgEpoch,
    pub unsettled: bool,
}

impl Marks {
    pub fn of(entry: &Entry) -> Self {
        let unsettled = entry.exact || !entry.groups.is_empty();
        Self { epoch_max: entry.epoch_max(), unsettled }
    }
}

/// Longest encoded entry; four neighbours of one hash must fit into an empty page.
pub const RECORD_BYTES_MAX: usize = HEAD_BYTES + 33 * super::entry::PIECE_BYTES + 32 * GROUP_BYTES;
const _: () = assert!(4 * (RECORD_BYTES_MAX + SLOT) + SLOTS <= PAGE_BYTES);
