//! More placement groups, and how fast data moves between them.

use shoal_types::{PolicyId, VolumeId};

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::growth::MoveRates;
use super::super::limits::{PG_COUNT_MAX, PGS_TOTAL_MAX, RATE_MAX};
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::pg::PgTable;

impl ClusterState {
    /// Not part of the map: nothing lies elsewhere because of it.
    pub(super) fn set_move_rates(&mut self, disk: Option<u64>, peer: Option<u64>) -> Outcome {
        let now = self.growth.rates;
        let rates = MoveRates {
            disk_rate: disk.unwrap_or(now.disk_rate),
            peer_rate: peer.unwrap_or(now.peer_rate),
        };
        if rates.disk_rate.max(rates.peer_rate) > RATE_MAX {
            return Err(Rejection::Invalid { what: Kind::Cluster, fault: Fault::Count });
        }
        self.growth.rates = rates;
        Ok(Applied::Done)
    }

    /// The new groups are empty: placement gives them members, and no byte moves. VOLUMES THAT ARE
    /// THERE KEEP THE COUNT THEY WERE WRITTEN UNDER; those that come use the new one.
    pub(super) fn grow_policy(&mut self, id: PolicyId, expected: u32, pg_count: u32) -> Outcome {
        let current = self.policy(id)?.pg_count;
        if expected != current {
            let (expected, current) = (u64::from(expected), u64::from(current));
            return Err(Rejection::Stale { what: Kind::Policy, expected, current });
        }
        if !pg_count.is_power_of_two() || pg_count > PG_COUNT_MAX || pg_count < current {
            return Err(Rejection::Invalid { what: Kind::Policy, fault: Fault::PgCount });
        }
        let pgs: usize = self.tables.values().map(PgTable::len).sum();
        if pgs + (pg_count - current) as usize > PGS_TOTAL_MAX {
            return Err(Rejection::Limit { what: Kind::Pg, max: PGS_TOTAL_MAX as u64 });
        }
        if pg_count == current {
            return Ok(Applied::Done);
        }
        for volume in self.volumes.values().filter(|v| v.policy == id && v.is_active()) {
            self.growth.grains.entry(volume.id).or_insert(current);
        }
        self.tables.get_mut(&id).expect("a policy has a table").grow(pg_count);
        self.policies.get_mut(&id).expect("found above").pg_count = pg_count;
        self.touch(Touched::Policy(id));
        Ok(Applied::Done)
    }

    /// Whether the count of groups follows the disks. What it has now stays.
    pub(super) fn set_policy_growth(&mut self, id: PolicyId, follows_disks: bool) -> Outcome {
        self.policy(id)?;
        if follows_disks {
            self.following.0.insert(id);
        } else {
            self.following.0.remove(&id);
        }
        Ok(Applied::Done)
    }

    pub fn follows_disks(&self, id: PolicyId) -> bool {
        self.following.0.contains(&id)
    }

    pub fn move_rates(&self) -> MoveRates {
        self.growth.rates
    }

    /// Groups over which the extents of a volume are spread.
    pub fn volume_pg_count(&self, id: VolumeId) -> Option<u32> {
        let volume = self.volumes.get(&id)?;
        let newest = self.policies.get(&volume.policy)?.pg_count;
        Some(self.growth.grains.get(&id).copied().unwrap_or(newest))
    }
}
