//! In-sync sets. The rules themselves are `shoal_engine::insync`; here they meet the groups.

use std::collections::BTreeSet;

use shoal_engine::insync::{InsyncError, PgRecord};
use shoal_types::{DiskId, PgEpoch, PgId};

use super::super::cluster::ClusterState;
use super::super::command::{InSyncItem, JoinItem, RemovalReason, Target};
use super::super::event::Severity;
use super::super::outcome::{Applied, Outcome, PgOutcome, PgRefused, PgResult};

impl ClusterState {
    pub(super) fn pg_remove(
        &mut self,
        target: Target,
        reason: RemovalReason,
        only: Option<&[(PgId, PgEpoch)]>,
    ) -> Outcome {
        let mut disks: BTreeSet<DiskId> = match target {
            Target::Disk(disk) => [self.disk(disk)?.id].into(),
            Target::Peer(peer) => {
                self.peer(peer)?;
                self.disks_of(peer).map(|disk| disk.id).collect()
            }
        };
        if reason != RemovalReason::Ordered {
            // It may be newer than those that came back: people alone give it up.
            disks.retain(|disk| !self.restored.missing.contains(disk));
        }
        let results = match only {
            None => self.remove_everywhere(&disks),
            Some(pgs) => self.remove_from(&disks, pgs),
        };
        self.touch_changed(&results);
        if results.iter().any(|r| matches!(r.outcome, PgOutcome::Changed { .. })) {
            self.note_removal(target, reason, &results);
        }
        Ok(Applied::Pgs { results })
    }

    fn remove_everywhere(&mut self, disks: &BTreeSet<DiskId>) -> Vec<PgResult> {
        let mut results = Vec::new();
        for record in self.tables.values_mut().flat_map(|table| table.records_mut()) {
            let takes_part = |disk: &DiskId| {
                record.is_in_sync(*disk) || record.joining.is_some_and(|j| j.disk == *disk)
            };
            let members: Vec<DiskId> =
                record.members.iter().map(|m| m.disk).filter(|d| disks.contains(d)).collect();
            let members: Vec<DiskId> = members.into_iter().filter(takes_part).collect();
            if !members.is_empty() {
                results.push(remove_all(record, &members));
            }
        }
        results
    }

    fn remove_from(&mut self, disks: &BTreeSet<DiskId>, pgs: &[(PgId, PgEpoch)]) -> Vec<PgResult> {
        let pgs: std::collections::BTreeMap<PgId, PgEpoch> = pgs.iter().copied().collect();
        let remove = |(pg, expected): (&PgId, &PgEpoch)| {
            let Some(record) = self.tables.get_mut(&pg.policy).and_then(|t| t.get_mut(pg.index))
            else {
                return refused(*pg, PgRefused::Unknown);
            };
            if record.epoch != *expected {
                return refused(*pg, PgRefused::Stale { current: record.epoch });
            }
            let members: Vec<DiskId> =
                record.members.iter().map(|m| m.disk).filter(|d| disks.contains(d)).collect();
            match members.is_empty() {
                true => refused(*pg, PgRefused::NotMember),
                false => remove_all(record, &members),
            }
        };
        pgs.iter().map(remove).collect()
    }

    /// See `PgRecord::promote`: what was written after the disk left is given up.
    pub(super) fn pg_promote(&mut self, pg: PgId, disk: DiskId, expected: PgEpoch) -> Outcome {
        let name = self.disk(disk)?.path.clone();
        let table = self.tables.get_mut(&pg.policy);
        let result = match table.and_then(|table| table.get_mut(pg.index)) {
            None => refused(pg, PgRefused::Unknown),
            Some(record) => match record.promote(disk, expected) {
                Ok(()) => PgResult { pg, outcome: PgOutcome::Changed { epoch: record.epoch } },
                Err(error) => refused(pg, error.into()),
            },
        };
        let results = vec![result];
        self.touch_changed(&results);
        if matches!(results[0].outcome, PgOutcome::Changed { .. }) {
            let message = format!("{pg} goes on from an older copy on disk {} ({name})", disk.0);
            self.note(Severity::Error, "copy_promoted", message, format!("disk {}", disk.0));
        }
        Ok(Applied::Pgs { results })
    }

    fn note_removal(&mut self, target: Target, reason: RemovalReason, results: &[PgResult]) {
        let changed = |r: &&PgResult| matches!(r.outcome, PgOutcome::Changed { .. });
        let count = results.iter().filter(changed).count();
        let why = match reason {
            RemovalReason::SessionLapsed => "its session lapsed",
            RemovalReason::StoreOut => "its store is out",
            RemovalReason::IndependentReports => "two peers cannot reach it",
            RemovalReason::LeaderProbe => "the leader cannot reach it",
            RemovalReason::Ordered => "as ordered",
        };
        let subject = match target {
            Target::Disk(disk) => format!("disk {}", disk.0),
            Target::Peer(peer) => format!("peer {}", peer.0),
        };
        let message = format!("left the in-sync sets of {count} placement groups: {why}");
        self.note(Severity::Warn, "member_removed", message, subject);
    }

    pub(super) fn pg_join(&mut self, items: &[JoinItem]) -> Outcome {
        self.each_pg(items.iter().map(|item| (item.pg, item)), |record, item| {
            record.join(item.disk, item.expected).map(|_| ())
        })
    }

    pub(super) fn pg_in_sync(&mut self, items: &[InSyncItem]) -> Outcome {
        self.each_pg(items.iter().map(|item| (item.pg, item)), |record, item| {
            record.mark_in_sync(item.disk, item.join_at, item.source)
        })
    }

    pub(super) fn pg_cancel_join(&mut self, pg: PgId, disk: DiskId, expected: PgEpoch) -> Outcome {
        self.each_pg(std::iter::once((pg, ())), |record, ()| {
            record.cancel_join(disk, Some(expected))
        })
    }

    /// One result per item, in the order given; items are independent of one another.
    fn each_pg<T>(
        &mut self,
        items: impl Iterator<Item = (PgId, T)>,
        mut change: impl FnMut(&mut PgRecord, T) -> Result<(), InsyncError>,
    ) -> Outcome {
        let mut one = |(pg, item): (PgId, T)| {
            let Some(record) = self.tables.get_mut(&pg.policy).and_then(|t| t.get_mut(pg.index))
            else {
                return refused(pg, PgRefused::Unknown);
            };
            match change(record, item) {
                Ok(()) => changed(record),
                Err(error) => refused(pg, error.into()),
            }
        };
        let results: Vec<PgResult> = items.map(&mut one).collect();
        self.touch_changed(&results);
        Ok(Applied::Pgs { results })
    }

    fn touch_changed(&mut self, results: &[PgResult]) {
        let changed = |r: &&PgResult| matches!(r.outcome, PgOutcome::Changed { .. });
        self.touch_pgs(results.iter().filter(changed).map(|r| r.pg));
    }
}

/// A peer may hold several members of one group (failure domain `disk`): all but the last in-sync
/// one leave. Refused only if nothing left.
fn remove_all(record: &mut PgRecord, members: &[DiskId]) -> PgResult {
    let before = record.epoch;
    let mut last_error = None;
    for disk in members {
        if let Err(error) = record.remove(*disk, None) {
            last_error = Some(error);
        }
    }
    match last_error {
        Some(error) if record.epoch == before => refused(record.pg, error.into()),
        _ => changed(record),
    }
}

fn changed(record: &PgRecord) -> PgResult {
    PgResult { pg: record.pg, outcome: PgOutcome::Changed { epoch: record.epoch } }
}

fn refused(pg: PgId, reason: PgRefused) -> PgResult {
    PgResult { pg, outcome: PgOutcome::Refused { reason } }
}
