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
