//! Groups that moved away from a store: what it holds of them is space lost to the disk.

use std::collections::{HashMap, HashSet};

use shoal_types::{PgEpoch, PgId, PgView};

use super::Supervisor;
use crate::clock;
use crate::store_thread::StoreMessage;

/// A view has to be so old before anything is dropped by it: stores keep the cluster state every two
/// seconds, and one that is rebuilt from their disks must not name a member that dropped its copy.
const KEPT_MS: u64 = 60_000;

/// Of one store.
#[derive(Default)]
pub struct LeftGroups {
    /// Found on the disk, and no view seen yet.
    unseen: HashSet<PgId>,
    /// By the view of this epoch, seen at this time.
    left: HashMap<PgId, (PgEpoch, u64)>,
}

impl LeftGroups {
    pub fn known_at_start(pgs: Vec<PgId>) -> Self {
        Self { unseen: pgs.into_iter().collect(), left: HashMap::new() }
    }

    /// True if the store may hold something of a group that it is no member of.
    pub fn note(&mut self, view: &PgView, is_member: bool, was_member: bool, now_ms: u64) -> bool {
        let held = self.unseen.remove(&view.pg) | was_member | self.left.remove(&view.pg).is_some();
        let has_left = held && !is_member;
        if has_left {
            self.left.insert(view.pg, (view.epoch, now_ms));
        }
        has_left
    }

    /// Each once.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<(PgId, PgEpoch)> {
        let is_due = |_: &PgId, (_, seen_ms): &mut (PgEpoch, u64)| now_ms >= *seen_ms + KEPT_MS;
        self.left.extract_if(is_due).map(|(pg, (epoch, _))| (pg, epoch)).collect()
    }
}

impl Supervisor {
    pub(super) fn drop_left_groups(&mut self) {
        let now_ms = clock::now_ms();
        for entry in self.stores.values_mut() {
            let Some(sender) = &entry.sender else { continue };
            for (pg, epoch) in entry.left.take_due(now_ms) {
                sender.send(StoreMessage::Left { pg, epoch });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: PgId = PgId::new(1, 0);

    fn view(epoch: u32) -> PgView {
        PgView {
            pg: PG,
            epoch: PgEpoch(epoch),
            in_sync: Vec::new(),
            joining: None,
            members: Vec::new(),
        }
    }

    #[test]
    fn a_group_is_dropped_a_while_after_its_newest_view_without_the_disk() {
        let mut left = LeftGroups::default();
        assert!(!left.note(&view(1), false, false, 0), "never here");
        assert!(!left.note(&view(2), true, false, 0));
        assert!(left.note(&view(3), false, true, 0));
        assert!(left.note(&view(4), false, false, 1_000));
        assert_eq!(left.take_due(KEPT_MS), []);
        assert_eq!(left.take_due(KEPT_MS + 1_000), [(PG, PgEpoch(4))]);
        assert_eq!(left.take_due(u64::MAX), []);
    }

    #[test]
    fn one_that_came_back_is_kept_and_one_found_on_the_disk_is_not() {
        let mut left = LeftGroups::known_at_start(vec![PG]);
        assert!(left.note(&view(1), false, false, 0));
        assert!(!left.note(&view(2), true, false, 0));
        assert_eq!(left.take_due(KEPT_MS), []);
        let mut left = LeftGroups::known_at_start(vec![PG]);
        assert!(left.note(&view(1), false, false, 0));
        assert_eq!(left.take_due(KEPT_MS), [(PG, PgEpoch(1))]);
    }
}
