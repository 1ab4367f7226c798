//! Resyncs that begin anew, again and again: each time later. A source that refuses does so at once, and
//! every new beginning is a decision of the whole cluster.

use std::collections::BTreeMap;

use shoal_types::{DiskId, PgEpoch, PgId};

/// Pause before the second beginning in a row; doubles up to the longest.
const FIRST_MS: u64 = 250;
const LONGEST_MS: u64 = 8_000;
/// After so long without a failure the next one is the first.
const FORGET_MS: u64 = 60_000;

#[derive(Debug, Default)]
pub struct Rejoins {
    failures: BTreeMap<(DiskId, PgId), Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    last_ms: u64,
    /// The session that failed, and when the next one is asked for.
    due: Option<(PgEpoch, u64)>,
}

impl Rejoins {
    /// Whether the next session is to be asked for at once; else it comes out of `take_due`.
    pub fn failed(&mut self, key: (DiskId, PgId), join_at: PgEpoch, now_ms: u64) -> bool {
        let failures = self.failures.entry(key).or_default();
        let is_old = now_ms.saturating_sub(failures.last_ms) > FORGET_MS;
        failures.in_a_row = if is_old { 1 } else { failures.in_a_row + 1 };
        failures.last_ms = now_ms;
        let doublings = failures.in_a_row.saturating_sub(2).min(16);
        let pause_ms = (FIRST_MS << doublings).min(LONGEST_MS);
        failures.due = (failures.in_a_row > 1).then_some((join_at, now_ms + pause_ms));
        failures.due.is_none()
    }

    /// Sessions that ended, and are to be followed by others now.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<(DiskId, PgId, PgEpoch)> {
        self.failures.retain(|_, f| f.due.is_some() || now_ms - f.last_ms <= FORGET_MS);
        let mut due = Vec::new();
        for ((disk, pg), failures) in &mut self.failures {
            if let Some((join_at, _)) = failures.due.take_if(|(_, at_ms)| *at_ms <= now_ms) {
                due.push((*disk, *pg, join_at));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_a_row_waits_longer_and_a_late_one_does_not() {
        let mut rejoins = Rejoins::default();
        let key = (DiskId(1), PgId::new(1, 2));
        let mut now_ms = 1_000_000;
        assert!(rejoins.failed(key, PgEpoch(5), now_ms), "the first one at once");
        let mut pauses = Vec::new();
        for epoch in 6..14 {
            assert!(!rejoins.failed(key, PgEpoch(epoch), now_ms));
            let begun_ms = now_ms;
            let due = loop {
                now_ms += 50;
                let due = rejoins.take_due(now_ms);
                if !due.is_empty() {
                    break due;
                }
            };
            assert_eq!(due, [(key.0, key.1, PgEpoch(epoch))]);
            pauses.push(now_ms - begun_ms);
        }
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert!(rejoins.failed((DiskId(1), PgId::new(1, 3)), PgEpoch(1), now_ms), "each by itself");
        assert!(rejoins.failed(key, PgEpoch(99), now_ms + FORGET_MS + 1));
        assert!(rejoins.take_due(now_ms + 10 * FORGET_MS).is_empty());
        assert!(rejoins.failures.is_empty());
    }
}
