//! Which parts of the topology map changed in which epoch: what deltas are made of.
//!
//! Derived, not part of the snapshot: a peer that starts from one answers older epochs with the
//! whole map.

use std::collections::{BTreeSet, VecDeque};

use shoal_types::{DiskId, MapEpoch, PeerId, PgId, PolicyId};

use super::limits::CHANGES_MAX;

/// One changed (or removed) part of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    Cluster,
    Peer(PeerId),
    Disk(DiskId),
    Policy(PolicyId),
    Pg(PgId),
}

#[derive(Clone, Debug, Default)]
pub struct ChangeLog {
    /// Everything after this epoch is in `changes`.
    since: MapEpoch,
    changes: VecDeque<(MapEpoch, Touched)>,
}

impl ChangeLog {
    pub fn starting_at(epoch: MapEpoch) -> Self {
        Self { since: epoch, changes: VecDeque::new() }
    }

    pub fn record(&mut self, epoch: MapEpoch, touched: impl IntoIterator<Item = Touched>) {
        self.changes.extend(touched.into_iter().map(|t| (epoch, t)));
        while self.changes.len() > CHANGES_MAX {
            let oldest = self.changes[0].0;
            self.since = oldest;
            while self.changes.front().is_some_and(|(e, _)| *e == oldest) {
                self.changes.pop_front();
            }
        }
    }

    /// What changed after `epoch`; `None` if that is too long ago.
    pub fn after(&self, epoch: MapEpoch) -> Option<BTreeSet<Touched>> {
        if epoch < self.since {
            return None;
        }
        let first = self.changes.partition_point(|(e, _)| *e <= epoch);
        Some(self.changes.range(first..).map(|(_, touched)| *touched).collect())
    }
}
