//! Requests handed out and not yet answered.

use crate::request::Tag;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    pub cookie: u64,
    pub command: u16,
    pub flags: u16,
    pub offset: u64,
    pub length: u32,
    /// Bytes of a read already answered by chunks.
    pub covered: u64,
    /// An error chunk was sent: the reply has failed, whatever follows.
    pub failed: bool,
    /// What its payload is counted as, in bytes.
    pub cost: u64,
}

/// Slots are reused, tags are not: the upper half of a tag counts the uses of its slot.
#[derive(Default)]
pub struct Flights {
    slots: Vec<(u32, Option<Flight>)>,
    free: Vec<u32>,
    cost: u64,
}

impl Flights {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn cost(&self) -> u64 {
        self.cost
    }

    pub fn insert(&mut self, flight: Flight) -> Tag {
        self.cost += flight.cost;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let (uses, place) = &mut self.slots[slot as usize];
        *uses = uses.wrapping_add(1);
        *place = Some(flight);
        Tag(u64::from(*uses) << 32 | u64::from(slot))
    }

    /// Panics on a tag that was answered already: an answer given twice is a broken invariant.
    pub fn get_mut(&mut self, tag: Tag) -> &mut Flight {
        let (uses, place) = &mut self.slots[tag.0 as u32 as usize];
        assert!(u64::from(*uses) == tag.0 >> 32, "{tag:?} is answered");
        place.as_mut().unwrap_or_else(|| panic!("{tag:?} is answered"))
    }

    /// `cost` bytes of a flight, already taken off its own count, are pinned no more.
    pub fn refund(&mut self, cost: u64) {
        self.cost -= cost;
    }

    pub fn remove(&mut self, tag: Tag) -> Flight {
        let flight = *self.get_mut(tag);
        let slot = tag.0 as u32;
        self.slots[slot as usize].1 = None;
        self.free.push(slot);
        self.cost -= flight.cost;
        flight
    }
}
