//! Linearizability of one register, by search (Wing and Gong, with Lowe's memory of dead ends).

use std::collections::HashSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Write(u64),
    Read(u64),
}

#[derive(Clone, Copy, Debug)]
struct Op {
    start: u64,
    /// `u64::MAX`: the outcome is unknown; it may take effect at any later time, or never.
    end: u64,
    action: Action,
}

/// The history of one register; its first value is 0.
#[derive(Clone, Debug, Default)]
pub struct Register {
    ops: Vec<Op>,
}

impl Register {
    pub fn add(&mut self, start: u64, end: Option<u64>, action: Action) {
        self.ops.push(Op { start, end: end.unwrap_or(u64::MAX), action });
    }

    /// For the message of a failure.
    pub fn lines(&self) -> Vec<String> {
        let end = |op: &Op| match op.end {
            u64::MAX => "?".to_owned(),
            end => end.to_string(),
        };
        self.ops.iter().map(|op| format!("{}..{} {:?}", op.start, end(op), op.action)).collect()
    }
}

/// Whether some order of the operations explains all reads.
pub fn is_linearizable(register: &Register) -> bool {
    let mut ops = register.ops.clone();
    let read = |value: u64| ops.iter().any(|o| o.action == Action::Read(value));
    // An unknown write whose value nobody saw may be left out.
    let seen: Vec<bool> = ops
        .iter()
        .map(|op| match op.action {
            Action::Write(value) => op.end != u64::MAX || read(value),
            Action::Read(_) => op.end != u64::MAX,
        })
        .collect();
    let mut keep = seen.iter();
    ops.retain(|_| *keep.next().expect("one each"));
    ops.sort_by_key(|op| op.start);
    Search { taken: vec![0; ops.len().div_ceil(64)], ops, dead: HashSet::new() }.run(0, 0)
}

struct Search {
    ops: Vec<Op>,
    taken: Vec<u64>,
    dead: HashSet<(Vec<u64>, u64)>,
}

impl Search {
    fn is_taken(&self, i: usize) -> bool {
        self.taken[i / 64] & (1 << (i % 64)) != 0
    }

    fn flip(&mut self, i: usize) {
        self.taken[i / 64] ^= 1 << (i % 64);
    }

    /// `from`: everything before it is taken.
    fn run(&mut self, from: usize, value: u64) -> bool {
        let mut from = from;
        while from < self.ops.len() && self.is_taken(from) {
            from += 1;
        }
        let left = (from..self.ops.len()).filter(|i| !self.is_taken(*i));
        let deadline = left.clone().map(|i| self.ops[i].end).min().unwrap_or(u64::MAX);
        if deadline == u64::MAX {
            return true;
        }
        if self.dead.contains(&(self.taken.clone(), value)) {
            return false;
        }
        let next: Vec<usize> = left.take_while(|i| self.ops[*i].start <= deadline).collect();
        // A read of the present value is never wrong to take at once.
        let now = next.iter().copied().find(|i| self.ops[*i].action == Action::Read(value));
        if let Some(i) = now {
            self.flip(i);
            let right = self.run(from, value);
            self.flip(i);
            return right;
        }
        for i in next {
            let Action::Write(written) = self.ops[i].action else { continue };
            self.flip(i);
            let right = self.run(from, written);
            self.flip(i);
            if right {
                return true;
            }
        }
        self.dead.insert((self.taken.clone(), value));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(ops: &[(u64, Option<u64>, Action)]) -> Register {
        let mut register = Register::default();
        ops.iter().for_each(|(start, end, action)| register.add(*start, *end, *action));
        register
    }

    #[test]
    fn sees_a_stale_read() {
        use Action::{Read, Write};
        let stale = [(1, Some(2), Write(7)), (3, Some(4), Read(7)), (5, Some(9), Read(0))];
        assert!(!is_linearizable(&register(&[(1, Some(2), Write(7)), (3, Some(4), Read(0))])));
        assert!(!is_linearizable(&register(&stale)));
        let beside = [(1, Some(5), Write(7)), (3, Some(4), Read(7)), (2, Some(9), Read(0))];
        assert!(is_linearizable(&register(&beside)));
    }

    #[test]
    fn an_unknown_write_stays_once_it_was_read() {
        use Action::{Read, Write};
        let lost = [(1, None, Write(7)), (2, Some(3), Read(7)), (4, Some(5), Read(0))];
        assert!(!is_linearizable(&register(&lost)));
        let late = [(1, None, Write(7)), (2, Some(3), Read(0)), (4, Some(5), Read(7))];
        assert!(is_linearizable(&register(&late)));
        let twice = [
            (1, Some(2), Write(7)),
            (3, Some(4), Write(8)),
            (5, Some(6), Read(8)),
            (7, Some(8), Read(7)),
        ];
        assert!(!is_linearizable(&register(&twice)));
    }

    #[test]
    fn zero_may_be_written_again() {
        use Action::{Read, Write};
        let ops = [(1, Some(2), Write(7)), (3, Some(4), Write(0)), (5, Some(6), Read(0))];
        assert!(is_linearizable(&register(&ops)));
        let ops = [(1, Some(2), Write(7)), (3, None, Write(0)), (5, Some(6), Read(0))];
        assert!(is_linearizable(&register(&ops)));
    }
}
