//! Placement's table, checked: whatever planned it, the rules hold or nothing changes.

use std::collections::BTreeSet;

use shoal_engine::insync::PgRecord;
use shoal_types::{DiskId, MapEpoch, PgId, PolicyId};

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::command::{PgMembers, TableDelta};
use super::super::disk::Disk;
use super::super::outcome::{Applied, Fault, Kind, Outcome, PgOutcome, PgResult, Rejection};
use super::super::peer::Standing;
use super::super::pg::PG_MEMBERS_MAX;
use super::super::policy::{FailureDomain, Policy};
use super::super::volume::VolumeState;

impl ClusterState {
    pub(super) fn set_pg_table(
        &mut self,
        id: PolicyId,
        expected: MapEpoch,
        algorithm_version: u32,
        changes: &TableDelta,
    ) -> Outcome {
        let policy = self.policy(id)?;
        let newest = self.topology_epoch.max(policy.table_epoch);
        if expected < newest || expected > self.map_epoch {
            let (expected, current) = (expected.0, newest.0);
            return Err(Rejection::Stale { what: Kind::Map, expected, current });
        }
        if algorithm_version < policy.algorithm_version {
            return Err(Rejection::Invalid { what: Kind::Policy, fault: Fault::Algorithm });
        }
        self.check_table(policy, changes)?;
        let results: Vec<PgResult> =
            changes.0.iter().filter_map(|row| self.set_members(id, row)).collect();
        self.await_purges_by_new_members(id);
        self.touch_pgs(results.iter().map(|r| r.pg));
        let epoch = self.map_epoch.next();
        let policy = self.policies.get_mut(&id).expect("found above");
        if policy.algorithm_version != algorithm_version {
            policy.algorithm_version = algorithm_version;
            self.derived.touched.insert(Touched::Policy(id));
        }
        if !self.derived.touched.is_empty() {
            policy.table_epoch = epoch;
        }
        Ok(Applied::Pgs { results })
    }

    /// All or nothing: every row is checked before the first one changes.
    fn check_table(&self, policy: &Policy, changes: &TableDelta) -> Result<(), Rejection> {
        let mut before = None;
        for row in &changes.0 {
            let pg = PgId { policy: policy.id, index: row.index };
            if before.is_some_and(|index| index >= row.index) || row.index >= policy.pg_count {
                return Err(Rejection::Placement { pg, fault: Fault::Order });
            }
            before = Some(row.index);
            self.check_row(policy, self.pg(pg), row)
                .map_err(|fault| Rejection::Placement { pg, fault })?;
        }
        Ok(())
    }

    fn check_row(
        &self,
        policy: &Policy,
        record: Option<&PgRecord>,
        row: &PgMembers,
    ) -> Result<(), Fault> {
        let width = policy.redundancy.width() as usize;
        let total = row.members.len() + row.leaving.len();
        if row.members.is_empty() || row.members.len() > width || total > PG_MEMBERS_MAX {
            return Err(Fault::Count);
        }
        self.check_members(policy, record, row)?;
        let all: Vec<DiskId> = row.members.iter().chain(&row.leaving).copied().collect();
        if all.iter().collect::<BTreeSet<_>>().len() != all.len() {
            return Err(Fault::Duplicate);
        }
        match record {
            // A group that was never written may begin with its own members only.
            None if row.leaving.is_empty() => Ok(()),
            None => Err(Fault::Count),
            Some(record) if row.leaving.iter().all(|d| record.member(*d).is_some()) => {
                check_in_sync_stays(record, row, &all)
            }
            Some(_) => Err(Fault::UnknownDisk),
        }
    }

    fn check_members(
        &self,
        policy: &Policy,
        record: Option<&PgRecord>,
        row: &PgMembers,
    ) -> Result<(), Fault> {
        let rules = self.rules(policy.id);
        let mut disks = Vec::with_capacity(row.members.len());
        for id in &row.members {
            let disk = self.disks.get(id).ok_or(Fault::UnknownDisk)?;
            let stays = record.is_some_and(|r| r.member(*id).is_some());
            if !stays && !self.takes_data(disk) {
                return Err(Fault::DiskOut);
            }
            if !stays && policy.class.is_some_and(|class| class != disk.class) {
                return Err(Fault::WrongClass);
            }
            if !stays && self.lacks_label(*id, &rules) {
                return Err(Fault::WrongLabel);
            }
            disks.push(disk);
        }
        if self.breaks_bound(policy, &rules, &disks) {
            return Err(Fault::SameDomain);
        }
        Ok(())
    }

    fn takes_data(&self, disk: &Disk) -> bool {
        let ready = |standing| matches!(standing, Standing::In | Standing::Down);
        ready(disk.state) && ready(self.peers[&disk.peer].state) && disk.weight > 0
    }

    /// The place that holds so many members at most. An unnamed rack or zone: the peer stands for itself.
    pub(super) fn domain(&self, disk: &Disk, domain: FailureDomain) -> (u64, &str, &str) {
        let peer = &self.peers[&disk.peer];
        let alone = (disk.peer.0, "", "");
        match domain {
            FailureDomain::Disk => (disk.id.0, "", ""),
            FailureDomain::Peer => alone,
            FailureDomain::Rack if peer.domains.rack.is_empty() => alone,
            FailureDomain::Rack => (0, &peer.domains.zone, &peer.domains.rack),
            FailureDomain::Zone if peer.domains.zone.is_empty() => alone,
            FailureDomain::Zone => (0, &peer.domains.zone, ""),
        }
    }

    fn set_members(&mut self, policy: PolicyId, row: &PgMembers) -> Option<PgResult> {
        let pg = PgId { policy, index: row.index };
        let table = self.tables.get_mut(&policy).expect("a policy has a table");
        let members: Vec<DiskId> = row.members.iter().chain(&row.leaving).copied().collect();
        match table.get_mut(row.index) {
            None => table.set(row.index, PgRecord::new(pg, &members)),
            Some(record) if record.members.iter().map(|m| m.disk).eq(members.iter().copied()) => {
                return None;
            }
            Some(record) => {
                let epoch = record.epoch;
                record.set_members(&members, epoch).expect("checked by check_row");
            }
        }
        let epoch = table.get(row.index).expect("just set").epoch;
        Some(PgResult { pg, outcome: PgOutcome::Changed { epoch } })
    }

    /// A disk that becomes a member may copy a deleted volume's blocks from one that has not purged
    /// them yet, so it is waited for too.
    fn await_purges_by_new_members(&mut self, policy: PolicyId) {
        let table = &self.tables[&policy];
        let deleting = |v: &super::super::Volume| v.policy == policy && !v.is_active();
        if !self.volumes.values().any(deleting) {
            return;
        }
        let members: BTreeSet<DiskId> =
            table.records().flat_map(|r| r.members.iter().map(|m| m.disk)).collect();
        for volume in self.volumes.values_mut().filter(|v| v.policy == policy) {
            if let VolumeState::Deleting { purge } = &mut volume.state {
                purge.extend(members.iter().copied());
            }
        }
    }
}

/// A member leaves only when as many as the group needs are in sync without it.
fn check_in_sync_stays(record: &PgRecord, row: &PgMembers, all: &[DiskId]) -> Result<(), Fault> {
    let whole = |disk: &&DiskId| record.member(**disk).is_some_and(|m| !m.full);
    let kept = record.in_sync.iter().filter(|d| all.contains(d)).count();
    let kept_whole = record.in_sync.iter().filter(|d| all.contains(d)).filter(whole).count();
    if kept_whole == 0 || kept < record.in_sync.len().min(row.members.len()) {
        return Err(Fault::LosesInSync);
    }
    Ok(())
}
