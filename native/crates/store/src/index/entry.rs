//! What the index knows of one chunk, decoded.
//!
//! On disk the places are pieces: runs of present blocks, in block order, whose cells follow one
//! another. The pieces are always the maximal runs, so every cell that no piece covers is free:
//! nothing is ever shadowed inside an entry.

use bytes::BufMut;
use shoal_types::{PgEpoch, Version};

use crate::codec::{PutLe, Reader};

/// Blocks of a chunk.
pub const BLOCKS: usize = crate::superblock::CHUNK_BLOCKS as usize;
/// Bytes of an encoded entry without pieces and groups.
pub const HEAD_BYTES: usize = 25;
/// Bytes of a piece: mask u32, cell u40, encoding u8.
pub const PIECE_BYTES: usize = 10;
/// Bytes of a group: mask u32, version 10, stamp u32.
pub const GROUP_BYTES: usize = 18;
/// Piece encodings: plain cells, or no cells and read as zeros. Others are refused.
const ENC_PLAIN: u8 = 0;
const ENC_ZERO: u8 = 255;
const FLAG_EXACT: u8 = 1;

/// A chunk of a layer, by the layer's local number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkKey {
    pub layer: u32,
    pub chunk: u32,
}

/// Version of a block's last write, and the PG epoch it was written under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Stamp {
    pub version: Version,
    pub epoch: PgEpoch,
}

impl Stamp {
    /// Greater of both, each by itself: for blocks that share one stamp.
    pub fn join(self, other: Self) -> Self {
        Self { version: self.version.max(other.version), epoch: self.epoch.max(other.epoch) }
    }
}

/// Where the index says a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Place {
    #[default]
    Absent,
    Zero,
    Cell(u64),
}

/// Blocks folded above the watermark keep exactly their own version and stamp; settled ones of the
/// chunk's newest epoch share a stamp of that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub mask: u32,
    pub stamp: Stamp,
}

/// What the index knows of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub place: Place,
    pub stamp: Stamp,
    /// `stamp` is exactly this block's; otherwise it is the newest of the chunk's settled blocks.
    pub exact: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: ChunkKey,
    /// Of every present block outside of `groups`.
    pub base: Stamp,
    pub exact: bool,
    pub places: [Place; BLOCKS],
    pub groups: Vec<Group>,
}

impl Entry {
    pub fn new(key: ChunkKey) -> Self {
        let places = [Place::Absent; BLOCKS];
        Self { key, base: Stamp::default(), exact: false, places, groups: Vec::new() }
    }

    pub fn found(&self, bit: usize) -> Found {
        let group = self.groups.iter().find(|g| g.mask >> bit & 1 == 1);
        let (stamp, exact) = group.map_or((self.base, self.exact), |g| (g.stamp, true));
        Found { place: self.places[bit], stamp, exact }
    }

    pub fn has_cell(&self, bit: usize) -> bool {
        matches!(self.places[bit], Place::Cell(_))
    }

    pub fn is_empty(&self) -> bool {
        self.places.iter().all(|p| *p == Place::Absent)
    }

    pub fn present_mask(&self) -> u32 {
        mask_of(&self.places, |p| p != Place::Absent)
    }

    pub fn cells(&self) -> impl Iterator<Item = u64> + '_ {
        self.places.iter().filter_map(|p| match p {
            Place::Cell(cell) => Some(*cell),
            _ => None,
        })
    }

    /// Newest stamp epoch in it.
    pub fn epoch_max(&self) -> PgEpoch {
        self.groups.iter().map(|g| g.stamp.epoch).fold(self.base.epoch, PgEpoch::max)
    }

    /// layer u32 | chunk u32 | version 10 | stamp u32 | flags u8 | pieces u8 | groups u8 |
    /// pieces | groups
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32_le(self.key.layer);
        out.put_u32_le(self.key.chunk);
        out.put_version(self.base.version);
        out.put_u32_le(self.base.epoch.0);
        out.put_u8(if self.exact { FLAG_EXACT } else { 0 });
        let count_at = out.len();
        out.put_u8(0);
        out.put_u8(self.groups.len() as u8);
        let pieces = encode_pieces(&self.places, out);
        out[count_at] = pieces;
        for group in &self.groups {
            out.put_u32_le(group.mask);
            out.put_version(group.stamp.version);
            out.put_u32_le(group.stamp.epoch.0);
        }
    }

    /// `None` if the bytes are no entry of this version.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let mut entry = Self::new(ChunkKey { layer: r.u32()?, chunk: r.u32()? });
        entry.base = Stamp { version: r.version()?, epoch: r.pg_epoch()? };
        let flags = r.u8()?;
        entry.exact = flags == FLAG_EXACT;
        let (pieces, groups) = (r.u8()?, r.u8()?);
        if flags > FLAG_EXACT || usize::from(pieces) > BLOCKS + 1 || usize::from(groups) > BLOCKS {
            return None;
        }
        for _ in 0..pieces {
            entry.add_piece(r.u32()?, r.u40()?, r.u8()?)?;
        }
        let mut grouped = 0;
        for _ in 0..groups {
            let mask = r.u32()?;
            let stamp = Stamp { version: r.version()?, epoch: r.pg_epoch()? };
            if mask == 0 || mask & grouped != 0 || mask & !entry.present_mask() != 0 {
                return None;
            }
            grouped |= mask;
            entry.groups.push(Group { mask, stamp });
        }
        Some(entry)
    }

    fn add_piece(&mut self, mask: u32, cell: u64, enc: u8) -> Option<()> {
        if mask == 0 || mask & self.present_mask() != 0 {
            return None;
        }
        for (rank, bit) in bits(mask).enumerate() {
            self.places[bit] = match enc {
                ENC_PLAIN => Place::Cell(cell + rank as u64),
                ENC_ZERO if cell == 0 => Place::Zero,
                _ => return None,
            };
        }
        Some(())
    }
}

/// Writes the zero mask, then the maximal runs; returns how many pieces.
fn encode_pieces(places: &[Place; BLOCKS], out: &mut Vec<u8>) -> u8 {
    let mut pieces = 0;
    let zeros = mask_of(places, |p| p == Place::Zero);
    if zeros != 0 {
        put_piece(out, zeros, 0, ENC_ZERO);
        pieces += 1;
    }
    let mut run: Option<(u32, u64, u64)> = None;
    for (bit, place) in places.iter().enumerate() {
        let Place::Cell(cell) = *place else { continue };
        run = match run {
            Some((mask, first, next)) if next == cell => Some((mask | 1 << bit, first, next + 1)),
            before => {
                if let Some((mask, first, _)) = before {
                    put_piece(out, mask, first, ENC_PLAIN);
                    pieces += 1;
                }
                Some((1 << bit, cell, cell + 1))
            }
        };
    }
    if let Some((mask, first, _)) = run {
        put_piece(out, mask, first, ENC_PLAIN);
        pieces += 1;
    }
    pieces
}

fn put_piece(out: &mut Vec<u8>, mask: u32, cell: u64, enc: u8) {
    out.put_u32_le(mask);
    out.put_u40(cell);
    out.put_u8(enc);
}

fn mask_of(places: &[Place; BLOCKS], test: impl Fn(Place) -> bool) -> u32 {
    places.iter().enumerate().fold(0, |m, (i, p)| if test(*p) { m | 1 << i } else { m })
}

/// Positions of the bits set in `mask`, ascending.
pub fn bits(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let bit = rest.trailing_zeros();
        rest &= rest.wrapping_sub(1);
        (bit < 32).then_some(bit as usize)
    })
}

/// Looks one block up in an encoded entry without decoding the others. The bytes were checked
/// when they were loaded.
pub fn find_encoded(entry: &[u8], bit: usize) -> Found {
    let (pieces, groups) = (usize::from(entry[23]), usize::from(entry[24]));
    let mut stamp_at = 8;
    let mut exact = entry[22] & FLAG_EXACT != 0;
    let pieces_end = HEAD_BYTES + pieces * PIECE_BYTES;
    for g in 0..groups {
        let at = pieces_end + g * GROUP_BYTES;
        if le(entry, at, 4) >> bit & 1 == 1 {
            (stamp_at, exact) = (at + 4, true);
        }
    }
    let version = Version::new(le(entry, stamp_at, 4) as u32, le(entry, stamp_at + 4, 6));
    let epoch = PgEpoch(le(entry, stamp_at + 10, 4) as u32);
    let place = find_place(&entry[HEAD_BYTES..pieces_end], bit);
    Found { place, stamp: Stamp { version, epoch }, exact }
}

fn find_place(pieces: &[u8], bit: usize) -> Place {
    for piece in pieces.chunks_exact(PIECE_BYTES) {
        let mask = le(piece, 0, 4) as u32;
        if mask >> bit & 1 == 1 {
            let rank = (mask & ((1 << bit) - 1)).count_ones();
            let zero = piece[9] == ENC_ZERO;
            return if zero { Place::Zero } else { Place::Cell(le(piece, 4, 5) + u64::from(rank)) };
        }
    }
    Place::Absent
}

#[inline(always)]
pub(super) fn le(bytes: &[u8], at: usize, len: usize) -> u64 {
    let mut wide = [0u8; 8];
    wide[..len].copy_from_slice(&bytes[at..at + len]);
    u64::from_le_bytes(wide)
}
