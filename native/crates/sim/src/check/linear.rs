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
    Search { taken: vec![0; ops.len().div_ceil(64)], ops, dead: HashSet::new() }.run()
}

struct Search {
    ops: Vec<Op>,
    taken: Vec<u64>,
    dead: HashSet<(usize, Vec<u64>, u64)>,
}

/// One point of the search; what led to it is undone when it turns out dead.
struct Frame {
    /// Everything before it is taken.
    from: usize,
    value: u64,
    /// The write that led here.
    by: Option<usize>,
    /// Reads of the value, taken at once: that is never wrong.
    reads: Vec<usize>,
    writes: Vec<usize>,
    next: usize,
}

impl Search {
    fn is_taken(&self, i: usize) -> bool {
        self.taken[i / 64] & (1 << (i % 64)) != 0
    }

    fn flip(&mut self, i: usize) {
        self.taken[i / 64] ^= 1 << (i % 64);
    }

    /// A STACK OF ITS OWN: a history that is wrong late is searched as deep as it is long.
    fn run(&mut self) -> bool {
        let Some(first) = self.enter(None, 0, 0) else { return true };
        let mut stack = vec![first];
        while let Some(top) = stack.last_mut() {
            let Some(write) = top.writes.get(top.next).copied() else {
                let frame = stack.pop().expect("just seen");
                self.dead.insert(self.key(&frame));
                self.undo(&frame);
                continue;
            };
            top.next += 1;
            let Action::Write(value) = self.ops[write].action else { unreachable!("a write") };
            let from = top.from;
            self.flip(write);
            let Some(frame) = self.enter(Some(write), from, value) else { return true };
            if self.dead.contains(&self.key(&frame)) {
                self.undo(&frame);
            } else {
                stack.push(frame);
            }
        }
        false
    }

    /// The point after `by`; `None` when nothing is left that must be explained.
    fn enter(&mut self, by: Option<usize>, from: usize, value: u64) -> Option<Frame> {
        let mut from = from;
        let mut reads = Vec::new();
        loop {
            while from < self.ops.len() && self.is_taken(from) {
                from += 1;
            }
            let next = self.candidates(from)?;
            let now = next.iter().copied().find(|i| self.ops[*i].action == Action::Read(value));
            let Some(read) = now else {
                let writes = self.writes_among(&next);
                return Some(Frame { from, value, by, reads, writes, next: 0 });
            };
            self.flip(read);
            reads.push(read);
        }
    }

    /// Of unknown writes of one value the first will do: whatever the others could be for later, they are
    /// there then as well. Many that wrote zeros would be tried in every order otherwise.
    fn writes_among(&self, next: &[usize]) -> Vec<usize> {
        let mut writes: Vec<usize> = Vec::new();
        for i in next.iter().copied() {
            let op = self.ops[i];
            let alike =
                |j: &usize| self.ops[*j].end == u64::MAX && self.ops[*j].action == op.action;
            let doubled = op.end == u64::MAX && writes.iter().any(alike);
            if matches!(op.action, Action::Write(_)) && !doubled {
                writes.push(i);
            }
        }
        writes
    }

    /// What may come next: begun before the first end among all that is left.
    fn candidates(&self, from: usize) -> Option<Vec<usize>> {
        let mut deadline = u64::MAX;
        let mut next = Vec::new();
        for i in (from..self.ops.len()).filter(|i| !self.is_taken(*i)) {
            if self.ops[i].start > deadline {
                break;
            }
            deadline = deadline.min(self.ops[i].end);
            next.push(i);
        }
        next.retain(|i| self.ops[*i].start <= deadline);
        (deadline != u64::MAX).then_some(next)
    }

    fn key(&self, frame: &Frame) -> (usize, Vec<u64>, u64) {
        (frame.from, self.taken[(frame.from / 64).min(self.taken.len())..].to_vec(), frame.value)
    }

    fn undo(&mut self, frame: &Frame) {
        for i in frame.reads.iter().chain(&frame.by) {
            self.flip(*i);
        }
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
    fn a_long_history_that_is_wrong_at_its_end() {
        let mut register = Register::default();
        for i in 1..30_000 {
            register.add(4 * i, Some(4 * i + 1), Action::Write(i));
            register.add(4 * i + 2, Some(4 * i + 3), Action::Read(i));
        }
        assert!(is_linearizable(&register));
        register.add(200_000, Some(200_001), Action::Read(5));
        assert!(!is_linearizable(&register));
    }

    /// Without end if the search told one unknown write of zeros from another.
    #[test]
    fn many_unknown_zeros_and_a_wrong_end() {
        let mut register = Register::default();
        for i in 1..80 {
            register.add(10 * i, None, Action::Write(0));
            register.add(10 * i + 1, None, Action::Write(0));
            register.add(10 * i + 2, Some(10 * i + 3), Action::Write(i));
            register.add(10 * i + 4, Some(10 * i + 5), Action::Read(0));
        }
        assert!(is_linearizable(&register));
        register.add(2_000, Some(2_001), Action::Read(5));
        assert!(!is_linearizable(&register));
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
