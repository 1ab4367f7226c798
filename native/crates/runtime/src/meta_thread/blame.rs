//! Which disks only this peer cannot reach: said once, and again when it was over meanwhile.

use std::collections::BTreeMap;

use shoal_types::DiskId;

/// Judgements come every second or so while it lasts. After so long without one it is over.
const OVER_MS: u64 = 30_000;

#[derive(Default)]
pub struct Blame {
    last_ms: BTreeMap<DiskId, u64>,
}

impl Blame {
    /// True: nobody was told yet.
    pub fn is_news(&mut self, disk: DiskId, now_ms: u64) -> bool {
        self.last_ms.retain(|_, last_ms| now_ms.saturating_sub(*last_ms) < OVER_MS);
        self.last_ms.insert(disk, now_ms).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_what_comes_back_is_said_again() {
        let mut blame = Blame::default();
        assert!(blame.is_news(DiskId(3), 1_000));
        for second in 1..200 {
            assert!(!blame.is_news(DiskId(3), 1_000 + second * 1_000), "second {second}");
        }
        assert!(blame.is_news(DiskId(4), 200_000), "another disk");
        assert!(blame.is_news(DiskId(3), 200_000 + OVER_MS), "it was over meanwhile");
    }
}
