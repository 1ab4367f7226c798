//! Received bytes that are not used up yet, in memory of a fixed size.

/// Two of the largest records that TLS allows, so that room is never short of a whole one.
const BYTES_MIN: usize = 40 << 10;

pub struct Incoming {
    memory: Box<[u8]>,
    start: usize,
    /// Up to here the TLS library has looked.
    seen: usize,
    end: usize,
}

impl Incoming {
    pub fn new(bytes: usize) -> Self {
        Self { memory: vec![0; bytes.max(BYTES_MIN)].into(), start: 0, seen: 0, end: 0 }
    }

    /// Room behind what is filled. What is left of earlier bytes (less than a record) moves to the
    /// front when the room behind it gets short; NO OTHER PLACE moves bytes: a receive into this
    /// room may be in flight.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.seen, self.end) = (0, 0, 0);
        } else if self.memory.len() - self.end < self.memory.len() / 2 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.seen -= self.start;
            self.start = 0;
        }
        &mut self.memory[self.end..]
    }

    pub fn received(&mut self, count: usize) {
        assert!(count <= self.memory.len() - self.end, "more received than there was room for");
        self.end += count;
    }

    /// All bytes that were received.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.seen = self.end;
        &mut self.memory[self.start..self.end]
    }

    /// Without those that `filled_mut` has not given out yet.
    pub fn seen_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.seen]
    }

    pub fn discard(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.seen, "more discarded than was seen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    #[test]
    fn bytes_keep_their_order_and_what_was_seen_stays_seen() {
        let mut rng = Rng::new(1);
        let mut incoming = Incoming::new(0);
        let (mut sent, mut used) = (0u64, 0u64);
        let byte = |position: u64| (position * 31 % 251) as u8;
        for _ in 0..5000 {
            let space = incoming.space();
            assert!(space.len() >= BYTES_MIN / 2 - 1, "room for the rest of a record");
            let count = rng.below(space.len() as u64 + 1) as usize;
            (0..count).for_each(|i| space[i] = byte(sent + i as u64));
            incoming.received(count);
            sent += count as u64;
            assert!(incoming.seen_mut().len() as u64 <= sent - used - count as u64);

            let filled = incoming.filled_mut();
            assert_eq!(filled.len() as u64, sent - used);
            assert!((0u64..).zip(filled.iter()).all(|(i, found)| *found == byte(used + i)));
            let keep = rng.below(500).min(sent - used);
            let discard = sent - used - keep;
            incoming.discard(discard as usize);
            used += discard;
            let before = incoming.seen_mut().to_vec();
            assert_eq!(before.len() as u64, keep);
            let _moves = incoming.space();
            assert_eq!(incoming.seen_mut(), before);
        }
    }
}
