//! How long leases may run, and which heads answer reads by one.

use shoal_types::VolumeId;

use super::super::cluster::ClusterState;
use super::super::limits::LEASE_MS_MAX;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::policy::ReadMode;

impl ClusterState {
    /// The leader judged it: a longer one BEFORE it grants it, a shorter one once longer ones are over.
    pub(super) fn set_longest_lease(&mut self, lease_ms: u64, expected: u64) -> Outcome {
        let current = self.leases.longest_ms;
        if current != expected {
            return Err(Rejection::Stale { what: Kind::Cluster, expected, current });
        }
        if !(1..=LEASE_MS_MAX).contains(&lease_ms) {
            return Err(Rejection::Invalid { what: Kind::Cluster, fault: Fault::Lease });
        }
        self.leases.longest_ms = lease_ms;
        Ok(Applied::Done)
    }

    /// A head that is taken reads as its policy says at that moment, and to its end.
    pub(super) fn settle_reads(&mut self, id: VolumeId) {
        let policy = self.volumes[&id].policy;
        if self.policies[&policy].reads == ReadMode::Confirmed {
            self.leases.confirmed.insert(id);
        } else {
            self.leases.confirmed.remove(&id);
        }
    }

    pub(super) fn forget_reads(&mut self, id: VolumeId) {
        self.leases.confirmed.remove(&id);
    }

    /// Milliseconds; no lease that may still run is longer. 0: none was ever granted.
    pub fn longest_lease_ms(&self) -> u64 {
        self.leases.longest_ms
    }

    /// How the volume's head, if it is owned, knows its reads to be good.
    pub fn head_reads(&self, id: VolumeId) -> ReadMode {
        match self.leases.confirmed.contains(&id) {
            true => ReadMode::Confirmed,
            false => ReadMode::Lease,
        }
    }
}
