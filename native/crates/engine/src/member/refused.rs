//! Data that this store refused for space, in one (volume, PG). A REFUSED VERSION IS NEVER TAKEN under that
//! stamp: its head may have told the client so, and a second copy of the request, doubled or late on
//! its way, would otherwise put it here alone. Under a newer stamp it is a new decision; older ones are
//! refused for their epoch.
//!
//! In memory only: a request goes to the process that its connection was made to, so none that this
//! one refused reaches the next.

use std::collections::BTreeSet;

use shoal_types::{PgEpoch, Version};

/// Versions that are remembered one by one.
const VERSIONS_MAX: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    stamp: PgEpoch,
    versions: BTreeSet<Version>,
    /// Up to here everything is refused: it is decided (at or below the watermark), or more was refused
    /// than is remembered. A head that hears that of a version that it sent to others, too, undoes it.
    floor: Version,
}

impl Refused {
    /// `watermark`: the newest that any write told, for WHAT TOLD IT MAY HAVE BEEN REFUSED ITSELF, and the
    /// store not know of it.
    pub(super) fn add(&mut self, version: Version, stamp: PgEpoch, watermark: Version) {
        if stamp < self.stamp {
            return;
        }
        if stamp > self.stamp {
            *self = Self { stamp, ..Self::default() };
        }
        self.floor = self.floor.max(watermark);
        self.versions.insert(version);
        self.versions.retain(|version| *version > self.floor);
        if self.versions.len() > VERSIONS_MAX {
            self.floor = self.versions.pop_first().expect("more than none").max(self.floor);
        }
    }

    pub(super) fn has(&self, version: Version, stamp: PgEpoch) -> bool {
        stamp == self.stamp && (version <= self.floor || self.versions.contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: PgEpoch = PgEpoch(5);

    fn version(seq: u64) -> Version {
        Version::new(3, seq)
    }

    #[test]
    fn what_was_refused_stays_so() {
        let mut refused = Refused::default();
        assert!(!refused.has(version(1), STAMP));
        refused.add(version(7), STAMP, Version::ZERO);
        refused.add(version(9), STAMP, Version::ZERO);
        assert!(refused.has(version(7), STAMP) && refused.has(version(9), STAMP));
        assert!(!refused.has(version(8), STAMP), "another write");
        assert!(!refused.has(version(7), PgEpoch(6)), "decided anew");
        refused.add(version(12), STAMP, version(8));
        assert_eq!(refused.versions.len(), 2, "what is settled takes no memory");
        assert!(refused.has(version(7), STAMP) && !refused.has(version(10), STAMP));
        refused.add(version(5), PgEpoch(4), Version::ZERO);
        assert!(!refused.has(version(5), PgEpoch(4)), "the epoch refuses that");
        refused.add(version(13), PgEpoch(6), Version::ZERO);
        assert!(!refused.has(version(4), PgEpoch(6)), "nothing of an older stamp remains");
    }

    #[test]
    fn memory_is_bounded_and_forgets_no_refusal() {
        let mut refused = Refused::default();
        for seq in 1..10_000 {
            refused.add(version(2 * seq), STAMP, Version::ZERO);
            assert!(refused.versions.len() <= VERSIONS_MAX);
        }
        assert!((1..10_000).all(|seq| refused.has(version(2 * seq), STAMP)));
        assert!(!refused.has(version(2 * 9_999 - 1), STAMP), "a newer one is not drawn in");
    }
}
