//! The bytes of a simulated disk, and beside them what they should be where a fault changed them.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::rng::Rng;

pub const CELL_BYTES: usize = 4096;
pub const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

#[derive(Clone, Default)]
pub struct Medium {
    cells: BTreeMap<u64, Rc<[u8; CELL_BYTES]>>,
    /// By sector number: what a sound disk would hold there.
    truth: BTreeMap<u64, Sector>,
}

impl Medium {
    /// As it should be.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (number, sector) in sectors(offset, data) {
            self.put(number, sector);
            self.truth.remove(&number);
        }
    }

    /// Answered, and nothing happened.
    pub fn lose(&mut self, offset: u64, data: &[u8]) {
        sectors(offset, data).for_each(|(number, sector)| self.miss(number, sector));
    }

    /// Some sectors happened.
    pub fn tear(&mut self, offset: u64, data: &[u8], rng: &mut Rng) {
        for (number, sector) in sectors(offset, data) {
            match rng.percent(50) {
                true => self.write(number * SECTOR_BYTES as u64, sector),
                false => self.miss(number, sector),
            }
        }
    }

    /// Went to another place, over what was there.
    pub fn misdirect(&mut self, offset: u64, data: &[u8], rng: &mut Rng) {
        self.lose(offset, data);
        let Some(cell) = self.some_cell(rng) else { return };
        let victim = cell * CELL_BYTES as u64;
        for (number, sector) in sectors(victim, &data[..CELL_BYTES]) {
            let held = self.get(number);
            self.truth.entry(number).or_insert(held);
            self.put(number, sector);
        }
    }

    /// A bit flips somewhere.
    pub fn rot(&mut self, rng: &mut Rng) {
        let Some(cell) = self.some_cell(rng) else { return };
        let sectors_in_cell = (CELL_BYTES / SECTOR_BYTES) as u64;
        let number = cell * sectors_in_cell + rng.below(sectors_in_cell);
        let mut sector = self.get(number);
        self.truth.entry(number).or_insert(sector);
        sector[rng.below(SECTOR_BYTES as u64) as usize] ^= 1 << rng.below(8);
        self.put(number, &sector);
    }

    /// Neither old nor new: a write that power failed under.
    pub fn scramble(&mut self, offset: u64, data: &[u8], rng: &mut Rng) {
        let noise = rng.word().to_le_bytes().repeat(data.len() / 8);
        self.write(offset, &noise);
    }

    pub fn is_damaged(&self) -> bool {
        !self.truth.is_empty()
    }

    /// As if no fault had happened.
    pub fn undo_damage(&mut self) {
        for (number, sector) in std::mem::take(&mut self.truth) {
            self.put(number, &sector);
        }
    }

    pub fn read(&self, offset: u64, len: u64) -> Bytes {
        let first = offset / CELL_BYTES as u64;
        let mut bytes = Vec::with_capacity(len as usize);
        for cell in first..first + len / CELL_BYTES as u64 {
            match self.cells.get(&cell) {
                Some(cell) => bytes.extend_from_slice(&cell[..]),
                None => bytes.resize(bytes.len() + CELL_BYTES, 0),
            }
        }
        Bytes::from(bytes)
    }

    fn some_cell(&self, rng: &mut Rng) -> Option<u64> {
        let count = self.cells.len() as u64;
        if count == 0 {
            return None;
        }
        self.cells.keys().nth(rng.below(count) as usize).copied()
    }

    fn miss(&mut self, number: u64, sector: &[u8]) {
        match self.get(number)[..] == *sector {
            true => self.truth.remove(&number),
            false => self.truth.insert(number, sector.try_into().expect("a sector")),
        };
    }

    fn get(&self, number: u64) -> Sector {
        let at = number as usize * SECTOR_BYTES;
        let cell = self.cells.get(&((at / CELL_BYTES) as u64));
        let bytes = cell.map(|c| &c[at % CELL_BYTES..][..SECTOR_BYTES]);
        bytes.map_or([0; SECTOR_BYTES], |b| b.try_into().expect("a sector"))
    }

    fn put(&mut self, number: u64, sector: &[u8]) {
        let at = number as usize * SECTOR_BYTES;
        let cell = self.cells.entry((at / CELL_BYTES) as u64);
        let cell = cell.or_insert_with(|| Rc::new([0; CELL_BYTES]));
        Rc::make_mut(cell)[at % CELL_BYTES..][..SECTOR_BYTES].copy_from_slice(sector);
    }
}

fn sectors(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let first = offset / SECTOR_BYTES as u64;
    data.chunks(SECTOR_BYTES).enumerate().map(move |(i, sector)| (first + i as u64, sector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_shows_and_can_be_undone() {
        let mut rng = Rng::new(5);
        let mut medium = Medium::default();
        let (old, new) = (vec![1; CELL_BYTES], vec![2; CELL_BYTES]);
        medium.write(0, &old);
        medium.write(CELL_BYTES as u64, &old);
        for fault in 0..4 {
            match fault {
                0 => medium.lose(0, &new),
                1 => medium.tear(0, &new, &mut rng),
                2 => medium.misdirect(0, &new, &mut rng),
                _ => medium.rot(&mut rng),
            }
            assert!(medium.is_damaged(), "fault {fault}");
            medium.undo_damage();
            assert!(!medium.is_damaged());
            assert_eq!(medium.read(0, CELL_BYTES as u64), new);
            assert_eq!(medium.read(CELL_BYTES as u64, CELL_BYTES as u64), old);
            medium.write(0, if fault < 2 { &old } else { &new });
        }
    }
}
