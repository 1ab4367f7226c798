//! Notices a disk that answers nothing any more, although it was asked.

/// So long without any answer, and the disk counts as stalled. Writes wait for it until it is out
/// of the in-sync sets, so this is most of what a stall costs its users.
const STALL_US: u64 = 1_500_000;

#[derive(Default)]
pub(super) struct Stall {
    out: u32,
    /// Last answer, or first question after a rest.
    moved_us: u64,
    told: bool,
}

impl Stall {
    pub fn issued(&mut self, now_us: u64) {
        if self.out == 0 {
            self.moved_us = now_us;
        }
        self.out += 1;
    }

    /// True if it had been stalled.
    pub fn answered(&mut self, now_us: u64) -> bool {
        self.out -= 1;
        self.moved_us = now_us;
        std::mem::take(&mut self.told)
    }

    /// True once when it stalls.
    pub fn look(&mut self, now_us: u64) -> bool {
        let stalled = self.due_us().is_some_and(|due| now_us >= due);
        stalled && !std::mem::replace(&mut self.told, true)
    }

    /// When to look again.
    pub fn due_us(&self) -> Option<u64> {
        (self.out > 0 && !self.told).then_some(self.moved_us + STALL_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_while_something_is_owed() {
        let mut stall = Stall::default();
        assert!(!stall.look(STALL_US * 9) && stall.due_us().is_none());
        stall.issued(100);
        stall.issued(200);
        assert_eq!(stall.due_us(), Some(100 + STALL_US));
        assert!(!stall.answered(STALL_US), "an answer to one of two");
        assert!(!stall.look(STALL_US + 200));
        assert!(stall.look(2 * STALL_US) && !stall.look(2 * STALL_US + 1), "said once");
        assert!(stall.due_us().is_none());
        assert!(stall.answered(3 * STALL_US), "it moves again");
        stall.issued(4 * STALL_US);
        assert_eq!(stall.due_us(), Some(5 * STALL_US));
    }
}
