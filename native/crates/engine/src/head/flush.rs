//! A flush waits for the writes that arrived before it, and for nothing else.

use std::collections::VecDeque;

use crate::common::Key;

/// Writes between two flushes.
#[derive(Clone, Debug, Default)]
struct Generation {
    open: u32,
    /// Flushes that arrived at its end.
    flushes: Vec<Key>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FlushOrder {
    generations: VecDeque<Generation>,
    first: u64,
}

impl FlushOrder {
    /// A write arrived; gives what `write_done` wants back.
    pub(super) fn write_arrived(&mut self) -> u64 {
        if self.generations.is_empty() {
            self.generations.push_back(Generation::default());
        }
        let last = self.generations.len() - 1;
        self.generations[last].open += 1;
        self.first + last as u64
    }

    /// A write ended; flushes that are done by it are appended to `done`.
    pub(super) fn write_done(&mut self, generation: u64, done: &mut Vec<Key>) {
        self.generations[(generation - self.first) as usize].open -= 1;
        while self.generations.front().is_some_and(|g| g.open == 0) {
            let ended = self.generations.pop_front().expect("just seen");
            self.first += 1;
            done.extend(ended.flushes);
        }
    }

    /// A flush arrived; true: nothing to wait for.
    pub(super) fn flush_arrived(&mut self, op: Key) -> bool {
        let Some(last) = self.generations.back_mut() else { return true };
        last.flushes.push(op);
        self.generations.push_back(Generation::default());
        false
    }

    pub(super) fn clear(&mut self) {
        *self = Self { generations: VecDeque::new(), first: self.first };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_earlier_writes_only() {
        let mut order = FlushOrder::default();
        let mut done = Vec::new();
        assert!(order.flush_arrived(Key(9)));
        let a = order.write_arrived();
        let b = order.write_arrived();
        assert!(!order.flush_arrived(Key(1)));
        let c = order.write_arrived();
        assert!(!order.flush_arrived(Key(2)));
        assert!(!order.flush_arrived(Key(3)));
        order.write_done(c, &mut done);
        order.write_done(b, &mut done);
        assert!(done.is_empty());
        order.write_done(a, &mut done);
        assert_eq!(done, [Key(1), Key(2), Key(3)]);
        assert!(order.flush_arrived(Key(4)));
    }
}
