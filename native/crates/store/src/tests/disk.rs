//! A disk with a volatile cache: a write is stable when it was durable or a sync followed it.

use std::sync::Arc;

use bytes::Bytes;

use super::rng::Rng;
use crate::io::{DiskIo, IoId, IoKind};

const CELL: usize = 4096;
const SECTOR: usize = 512;
type Cell = Arc<[u8; CELL]>;

/// Cheap to copy: cells are shared until written.
#[derive(Clone)]
pub struct Image {
    cells: Vec<Cell>,
}

impl Image {
    pub fn blank(bytes: u64) -> Self {
        let zero: Cell = Arc::new([0; CELL]);
        Self { cells: vec![zero; bytes as usize / CELL] }
    }

    pub fn bytes(&self) -> u64 {
        (self.cells.len() * CELL) as u64
    }

    pub fn read(&self, offset: u64, len: u64) -> Bytes {
        let first = offset as usize / CELL;
        let cells = &self.cells[first..first + len as usize / CELL];
        let mut out = Vec::with_capacity(len as usize);
        cells.iter().for_each(|c| out.extend_from_slice(&c[..]));
        Bytes::from(out)
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (i, part) in data.chunks(CELL).enumerate() {
            let cell = &mut self.cells[offset as usize / CELL + i];
            if part.len() == CELL {
                *cell = Arc::new(part.try_into().expect("one cell"));
            }
        }
    }

    pub fn write_sector(&mut self, offset: u64, data: &[u8]) {
        let cell = Arc::make_mut(&mut self.cells[offset as usize / CELL]);
        let at = offset as usize % CELL;
        cell[at..at + data.len()].copy_from_slice(data);
    }
}

impl Image {
    pub fn flip(&mut self, offset: u64, bits: u8) {
        let cell = Arc::make_mut(&mut self.cells[offset as usize / CELL]);
        cell[offset as usize % CELL] ^= bits;
    }
}

struct Write {
    offset: u64,
    data: Vec<u8>,
}

/// A write that was answered and may still be lost.
struct Cached {
    write: Write,
    /// Counts answers: a sync covers what was answered before it was issued.
    at: u64,
}

enum Out {
    Write { write: Write, durable: bool },
    Sync { covers: u64 },
    Read { offset: u64, len: u64 },
    Nothing,
}

pub struct Disk {
    stable: Image,
    cached: Vec<Cached>,
    out: Vec<(IoId, Out)>,
    answered: u64,
    pub writes: u64,
    /// Reads of this cell fail so often.
    pub unreadable: (u64, u32),
    /// The oldest command is mostly answered last: everything else overtakes it.
    pub lags: bool,
}

impl Disk {
    pub fn new(image: Image) -> Self {
        let (cached, out) = (Vec::new(), Vec::new());
        let unreadable = (0, 0);
        Self { stable: image, cached, out, answered: 0, writes: 0, unreadable, lags: false }
    }

    pub fn issue(&mut self, io: DiskIo) {
        let out = match io.kind {
            IoKind::Read { offset, len } => Out::Read { offset, len },
            IoKind::Write { offset, bufs, durable } => {
                self.writes += 1;
                assert!(offset.is_multiple_of(CELL as u64), "aligned");
                assert!(bufs.iter().all(|b| b.len().is_multiple_of(CELL) && !b.is_empty()));
                let data = bufs.concat();
                assert!(offset + data.len() as u64 <= self.stable.bytes(), "inside the disk");
                Out::Write { write: Write { offset, data }, durable }
            }
            IoKind::Sync => Out::Sync { covers: self.answered },
            IoKind::Discard { .. } => Out::Nothing,
        };
        self.out.push((io.id, out));
    }

    /// Carries out one of the commands, whichever the dice say.
    pub fn answer_one(&mut self, rng: &mut Rng) -> Option<(IoId, Option<Bytes>)> {
        if self.out.is_empty() {
            return None;
        }
        let overtaken = u64::from(self.lags && self.out.len() > 1 && !rng.one_in(40));
        let chosen = overtaken + rng.below(self.out.len() as u64 - overtaken);
        let (id, out) = self.out.remove(chosen as usize);
        self.answered += 1;
        let bytes = match out {
            Out::Read { offset, .. } if self.is_unreadable(offset) => None,
            Out::Read { offset, len } => Some(self.read(offset, len)),
            Out::Write { write, durable } => {
                self.complete(write, durable);
                None
            }
            Out::Sync { covers } => {
                self.flush(covers);
                None
            }
            Out::Nothing => None,
        };
        Some((id, bytes))
    }

    fn is_unreadable(&mut self, offset: u64) -> bool {
        let (cell, left) = &mut self.unreadable;
        let fails = offset / CELL as u64 == *cell && *left > 0;
        *left -= u32::from(fails);
        fails
    }

    /// Commands that are out.
    pub fn out_count(&self) -> usize {
        self.out.len()
    }

    /// Bits flip where nobody looks, and in the cache alike.
    pub fn rot(&mut self, offset: u64, bits: u8) {
        self.flush(u64::MAX);
        self.stable.flip(offset, bits);
    }

    /// A cell gets another one's bytes: a write that went astray, or zeros: one that was lost.
    pub fn misplace(&mut self, cell: u64, from: Option<u64>) {
        self.flush(u64::MAX);
        let bytes = match from {
            Some(from) => self.stable.read(from * CELL as u64, CELL as u64),
            None => Bytes::from(vec![0; CELL]),
        };
        self.stable.write(cell * CELL as u64, &bytes);
    }

    fn complete(&mut self, write: Write, durable: bool) {
        if !durable {
            return self.cache(write);
        }
        // Older cached writes of the same cells are overwritten by it for good.
        let end = write.offset + write.data.len() as u64;
        self.cached.retain(|c| c.write.offset < write.offset || c.write.offset >= end);
        self.stable.write(write.offset, &write.data);
    }

    /// Cell by cell: each may reach the media without the others.
    fn cache(&mut self, write: Write) {
        for (i, data) in write.data.chunks(CELL).enumerate() {
            let write = Write { offset: write.offset + (i * CELL) as u64, data: data.to_vec() };
            self.cached.push(Cached { write, at: self.answered });
        }
    }

    fn flush(&mut self, covers: u64) {
        let (stable, cached): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.cached).into_iter().partition(|c| c.at <= covers);
        stable.iter().for_each(|c| self.stable.write(c.write.offset, &c.write.data));
        self.cached = cached;
    }

    fn read(&self, offset: u64, len: u64) -> Bytes {
        let end = offset + len;
        let hit = |c: &&Cached| {
            c.write.offset < end && offset < c.write.offset + c.write.data.len() as u64
        };
        if self.cached.iter().find(hit).is_none() {
            return self.stable.read(offset, len);
        }
        let mut image = self.stable.clone();
        self.cached.iter().for_each(|c| image.write(c.write.offset, &c.write.data));
        image.read(offset, len)
    }

    /// Power is lost: of what is not stable, each sector survives or not.
    pub fn power_cut(&self, rng: &mut Rng) -> Image {
        let mut image = self.stable.clone();
        let mood = rng.below(5);
        let flying = self.out.iter().filter_map(|(_, out)| match out {
            Out::Write { write, .. } => Some(write),
            _ => None,
        });
        for write in self.cached.iter().map(|c| &c.write).chain(flying) {
            survive(&mut image, write, mood, rng);
        }
        image
    }

    /// The process is killed: what it had issued still reaches the cache, in order.
    pub fn process_kill(mut self) -> Self {
        for (_, out) in std::mem::take(&mut self.out) {
            if let Out::Write { write, .. } = out {
                self.answered += 1;
                self.cache(write);
            }
        }
        self
    }

    /// Everything that was issued reaches the disk.
    pub fn settle(mut self) -> Image {
        self = self.process_kill();
        self.flush(u64::MAX);
        self.stable
    }
}

/// `mood`: how the disk treats writes in this crash.
fn survive(image: &mut Image, write: &Write, mood: u64, rng: &mut Rng) {
    let sectors = (write.data.len() / SECTOR) as u64;
    let whole = match mood {
        0 => Some(true),
        1 => Some(false),
        2 => Some(rng.one_in(2)),
        _ => match rng.below(3) {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        },
    };
    let cut = rng.below(sectors + 1);
    let shape = rng.below(3);
    for i in 0..sectors {
        let lives = whole.unwrap_or_else(|| match shape {
            0 => i < cut,
            1 => i >= cut,
            _ => rng.one_in(2),
        });
        if lives {
            let at = i as usize * SECTOR;
            let bytes = &write.data[at..at + SECTOR];
            image.write_sector(write.offset + at as u64, bytes);
        }
    }
}
