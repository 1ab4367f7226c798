//! Notices a disk that answers nothing any more, although it was asked.

/// So long without any answer, and the disk counts as stalled. Writes wait for it until it is out
/// of the in-sync sets, so this is most of what a stall costs its users.
const STALL_US: u64 = 1_500_000;

/// Between two looks while something is owed.
const LOOK_US: u64 = 250_000;

#[derive(Default)]
pub(super) struct Stall {
    out: u32,
    /// Silence that this thread was awake for. One that stood still itself (a stopped process, a
    /// suspended machine) has seen nothing of the disk meanwhile.
    silence_us: u64,
    looked_us: u64,
    told: bool,
}

impl Stall {
    pub fn issued(&mut self, now_us: u64) {
        if self.out == 0 {
            self.moved(now_us);
        }
        self.out += 1;
    }

    /// True if it had been stalled.
    pub fn answered(&mut self, now_us: u64) -> bool {
        self.out -= 1;
        self.moved(now_us);
        std::mem::take(&mut self.told)
    }

    fn moved(&mut self, now_us: u64) {
        (self.silence_us, self.looked_us) = (0, now_us);
    }

    /// True once when it stalls.
    pub fn look(&mut self, now_us: u64) -> bool {
        if self.out == 0 || self.told {
            return false;
        }
        self.silence_us += now_us.saturating_sub(self.looked_us).min(2 * LOOK_US);
        self.looked_us = now_us;
        self.told = self.silence_us >= STALL_US;
        self.told
    }

    /// When to look again.
    pub fn due_us(&self) -> Option<u64> {
        let left_us = STALL_US.saturating_sub(self.silence_us);
        (self.out > 0 && !self.told).then_some(self.looked_us + left_us.min(LOOK_US))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks whenever it is due; when it says that the disk stalled.
    fn watch(stall: &mut Stall, until_us: u64) -> Option<u64> {
        while let Some(due_us) = stall.due_us().filter(|due_us| *due_us <= until_us) {
            if stall.look(due_us) {
                return Some(due_us);
            }
        }
        None
    }

    #[test]
    fn silence_counts_only_while_something_is_owed() {
        let mut stall = Stall::default();
        assert!(!stall.look(STALL_US * 9) && stall.due_us().is_none());
        stall.issued(100);
        stall.issued(200);
        assert_eq!(watch(&mut stall, STALL_US), None);
        assert!(!stall.answered(STALL_US), "an answer to one of two");
        assert_eq!(watch(&mut stall, 9 * STALL_US), Some(2 * STALL_US));
        assert!(stall.due_us().is_none() && !stall.look(3 * STALL_US), "said once");
        assert!(stall.answered(3 * STALL_US), "it moves again");
        stall.issued(4 * STALL_US);
        assert_eq!(watch(&mut stall, 9 * STALL_US), Some(5 * STALL_US));
    }

    #[test]
    fn a_thread_that_stood_still_does_not_blame_the_disk() {
        let mut stall = Stall::default();
        stall.issued(0);
        assert!(!stall.look(60 * STALL_US), "the first look after a long pause");
        assert!(!stall.answered(60 * STALL_US + 5));
        stall.issued(61 * STALL_US);
        assert!(!stall.look(90 * STALL_US));
        assert!(watch(&mut stall, 99 * STALL_US).is_some(), "it is silent all the same");
    }
}
