//! What is due, by time; equal times in the order in which it was due first, then in order of making.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::event::Event;

/// Events lie still in `events`; the heap moves their places only.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<(u64, Rank, u64, u32)>>,
    events: Vec<Option<Event>>,
    free: Vec<u32>,
    order: u64,
    /// Of the newest that was taken out.
    rank: Rank,
}

/// When it was due first, and what it was among those made.
type Rank = (u64, u64);

impl Queue {
    pub fn push(&mut self, at_us: u64, event: Event) {
        self.order += 1;
        self.put(at_us, (at_us, self.order), event);
    }

    /// What was just taken out, or follows from it, and has to wait: it is not overtaken by what came
    /// later and waits for the same.
    pub fn put_off(&mut self, at_us: u64, event: Event) {
        self.order += 1;
        self.put(at_us, self.rank, event);
    }

    fn put(&mut self, at_us: u64, rank: Rank, event: Event) {
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place as usize] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                self.events.len() as u32 - 1
            }
        };
        self.heap.push(Reverse((at_us, rank, self.order, place)));
    }

    pub fn pop(&mut self) -> Option<(u64, Event)> {
        let Reverse((at_us, rank, _, place)) = self.heap.pop()?;
        self.rank = rank;
        self.free.push(place);
        let event = self.events[place as usize].take().expect("each place is named once");
        Some((at_us, event))
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }
}
