//! The newest cluster state that this disk's peer knew, kept for the day on which the directories
//! of all peers are lost and the disks are there. The store does not look into it.
//!
//! Two slots. THE SLOT THAT HOLDS THE NEWEST WHOLE ONE IS NEVER WRITTEN: a write that was torn, or
//! lost, leaves the one before. docs/formats/store.md draws the fields.

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Reader, Seal};
use crate::io::IoKind;
use crate::layout::{CELL_BYTES, Layout, Region};
use crate::store::{IoUse, Store};
use crate::task::Disk;

pub const MAGIC: [u8; 8] = *b"SHOAL\x01MP";
pub const MAP_VERSION: u16 = 1;
/// Written at once, in bytes: what is larger must not look like a slow disk, nor hold others up.
const PIECE_BYTES: usize = 1 << 20;
const CRC_AT: usize = 8;

/// Which of two maps is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapOrder {
    /// Of the cluster.
    pub incarnation: u64,
    /// Of the newest command that the state contains.
    pub index: u64,
}

/// Why the cluster state is not kept on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapRefused {
    /// The disk is too small, or its store was made by a version that kept none.
    NoRegion,
    TooLarge {
        bytes: u64,
        most_bytes: u64,
    },
}

/// The header cell of a slot, as far as it can be believed without the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapHeader {
    pub order: MapOrder,
    pub body_bytes: u64,
    body_sum: u32,
}

/// What the header cell of a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotHeader {
    /// Nothing of this store.
    Empty,
    /// Whole, of a version that this program does not know.
    Newer {
        version: u16,
    },
    Ours(MapHeader),
}

impl MapHeader {
    /// `room`: bytes behind the header.
    pub fn parse(cell: &[u8], store_uuid: &[u8; 16], room: u64) -> SlotHeader {
        parse(cell, Seal::new(store_uuid), room).unwrap_or(SlotHeader::Empty)
    }

    pub fn is_of(&self, body: &[u8], store_uuid: &[u8; 16]) -> bool {
        self.matches(body, Seal::new(store_uuid))
    }

    fn matches(&self, body: &[u8], seal: Seal) -> bool {
        body.len() as u64 == self.body_bytes && seal.sum(body) == self.body_sum
    }
}

fn parse(cell: &[u8], seal: Seal, room: u64) -> Option<SlotHeader> {
    let cell = cell.get(..CELL_BYTES as usize)?;
    let mut zeroed = cell.to_vec();
    zeroed[CRC_AT..CRC_AT + 4].fill(0);
    if cell[..8] != MAGIC || cell[CRC_AT..CRC_AT + 4] != seal.sum(&zeroed).to_le_bytes() {
        return None;
    }
    let mut r = Reader::new(&cell[CRC_AT + 4..]);
    let (version, _zero) = (r.u16()?, r.u16()?);
    if version != MAP_VERSION {
        return Some(SlotHeader::Newer { version });
    }
    let order = MapOrder { incarnation: r.u64()?, index: r.u64()? };
    let (body_bytes, body_sum) = (r.u64()?, r.u32()?);
    (body_bytes <= room).then_some(SlotHeader::Ours(MapHeader { order, body_bytes, body_sum }))
}

/// Whole cells: header, then body.
pub(crate) fn encode(order: MapOrder, body: &[u8], seal: Seal) -> Bytes {
    let cells = (body.len() as u64).next_multiple_of(CELL_BYTES) + CELL_BYTES;
    let mut out = BytesMut::with_capacity(cells as usize);
    out.put_slice(&MAGIC);
    out.put_u32_le(0);
    out.put_u16_le(MAP_VERSION);
    out.put_u16_le(0);
    out.put_u64_le(order.incarnation);
    out.put_u64_le(order.index);
    out.put_u64_le(body.len() as u64);
    out.put_u32_le(seal.sum(body));
    out.resize(CELL_BYTES as usize, 0);
    let sum = seal.sum(&out);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&sum.to_le_bytes());
    out.put_slice(body);
    out.resize(cells as usize, 0);
    out.freeze()
}

/// Where the newest map lies, and the one on its way.
#[derive(Default)]
pub(crate) struct KeptMap {
    newest: Option<(u64, MapOrder)>,
    /// To be written if there is no newest one: the other slot may hold an older one.
    damaged: u64,
    writing: Option<Writing>,
    /// Taken up when the one before is durable.
    next: Option<(MapOrder, Bytes)>,
}

struct Writing {
    slot: u64,
    order: MapOrder,
    at: u64,
    rest: Bytes,
}

impl KeptMap {
    /// What a start finds; a slot that cannot be read is as good as empty.
    pub async fn load(disk: &Disk, layout: &Layout, seal: Seal) -> Self {
        let mut kept = Self::default();
        if layout.map.cells == 0 {
            return kept;
        }
        for slot in 0..2 {
            if let Some(order) = load_slot(disk, layout.map_slot(slot), seal).await
                && kept.newest.is_none_or(|(_, newest)| newest < order)
            {
                kept.newest = Some((slot, order));
            }
        }
        kept
    }

    pub fn is_idle(&self) -> bool {
        self.writing.is_none() && self.next.is_none()
    }

    /// Kept, or as good as.
    fn newest_asked(&self) -> Option<MapOrder> {
        let next = self.next.as_ref().map(|(order, _)| *order);
        let writing = self.writing.as_ref().map(|writing| writing.order);
        next.or(writing).or(self.newest.map(|(_, order)| order))
    }
}

async fn load_slot(disk: &Disk, slot: Region, seal: Seal) -> Option<MapOrder> {
    let cell = disk.read(slot.offset(), CELL_BYTES).await.ok()?;
    let room = (slot.cells - 1) * CELL_BYTES;
    let Some(SlotHeader::Ours(header)) = parse(&cell, seal, room) else { return None };
    let length = header.body_bytes.next_multiple_of(CELL_BYTES);
    let body = match length {
        0 => Bytes::new(),
        _ => disk.read(slot.offset() + CELL_BYTES, length).await.ok()?,
    };
    let body = &body[..header.body_bytes as usize];
    header.matches(body, seal).then_some(header.order)
}

impl Store {
    /// Keeps the cluster state on this disk, unless it holds one as new. Off the I/O path: in
    /// pieces, one at a time. An error of such a write fences the store like every other one.
    pub fn keep_map(&mut self, order: MapOrder, body: &Bytes) -> Result<(), MapRefused> {
        let region = self.layout.map;
        if region.cells == 0 {
            return Err(MapRefused::NoRegion);
        }
        let (bytes, most_bytes) = (body.len() as u64, self.layout.map_bytes_max());
        if bytes > most_bytes {
            return Err(MapRefused::TooLarge { bytes, most_bytes });
        }
        if !self.is_fenced() && self.map.newest_asked().is_none_or(|newest| newest < order) {
            self.map.next = Some((order, body.clone()));
            self.write_next_map();
        }
        Ok(())
    }

    /// What this disk holds for certain.
    pub fn kept_map(&self) -> Option<MapOrder> {
        self.map.newest.map(|(_, order)| order)
    }

    fn write_next_map(&mut self) {
        if self.map.writing.is_some() {
            return;
        }
        let Some((order, body)) = self.map.next.take() else { return };
        let slot = self.map.newest.map_or(self.map.damaged, |(newest, _)| 1 - newest);
        let at = self.layout.map_slot(slot).offset();
        let rest = encode(order, &body, self.seal);
        self.map.writing = Some(Writing { slot, order, at, rest });
        self.write_map_piece();
    }

    fn write_map_piece(&mut self) {
        let writing = self.map.writing.as_mut().expect("a map is being written");
        let piece = writing.rest.split_to(writing.rest.len().min(PIECE_BYTES));
        let offset = writing.at;
        writing.at += piece.len() as u64;
        self.issue(IoUse::Map, IoKind::Write { offset, bufs: vec![piece], durable: true });
    }

    pub(crate) fn on_map_io(&mut self) {
        let writing = self.map.writing.as_ref().expect("a map is being written");
        if !writing.rest.is_empty() {
            return self.write_map_piece();
        }
        self.map.newest = Some((writing.slot, writing.order));
        self.map.writing = None;
        self.write_next_map();
    }

    /// Where the newest one lies, for a check.
    pub(crate) fn newest_map_slot(&self) -> Option<(u64, MapOrder)> {
        self.map.newest
    }

    pub(crate) fn map_is_whole(&self, order: MapOrder, image: &[u8]) -> bool {
        let (cell, body) = image.split_at(CELL_BYTES as usize);
        let Some(SlotHeader::Ours(header)) = parse(cell, self.seal, body.len() as u64) else {
            return false;
        };
        header.order == order && header.matches(&body[..header.body_bytes as usize], self.seal)
    }

    /// It is damaged: the next state that is offered goes there, be it as old.
    pub(crate) fn forget_map(&mut self) {
        if let Some((slot, _)) = self.map.newest.take() {
            self.map.damaged = slot;
        }
    }

    pub(crate) fn forget_map_writes(&mut self) {
        self.map.writing = None;
        self.map.next = None;
    }
}
