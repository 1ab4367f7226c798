//! Disks that answer, but far too slowly, as their owners say. One that is slow alone leaves the
//! in-sync sets; where many are slow at once it is the load, or the machine below, and putting them
//! out would only add to it.

use std::collections::BTreeMap;

use shoal_types::{DiskId, PeerId, PgEpoch, PgId};

use super::meta_service::MetaService;
use crate::log_store::LogStore;
use crate::raft::Fatal;
use crate::state::{ClusterState, Command, Proposal, RemovalReason, Standing, Target};

/// A report is worth something for so long; owners repeat it four times a second.
const FRESH_MS: u64 = 1_500;
/// Others that suffer alike have so long to say so.
const SETTLE_MS: u64 = 300;
/// Pause between two removals of one disk.
const AGAIN_MS: u64 = 1_000;
/// More than this part of all disks slow at once: nobody is put out. One alone always may be.
const SHARE_MAX: usize = 3;
/// Disks that are kept in mind.
const DISKS_MAX: usize = 4_096;

#[derive(Clone, Copy, Debug)]
struct Slow {
    since_ms: u64,
    last_ms: u64,
    removed_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub struct SlowDisks {
    seen: BTreeMap<DiskId, Slow>,
}

impl SlowDisks {
    pub fn note(&mut self, disk: DiskId, now_ms: u64) {
        if self.seen.len() >= DISKS_MAX && !self.seen.contains_key(&disk) {
            return;
        }
        let new = Slow { since_ms: now_ms, last_ms: now_ms, removed_ms: None };
        self.seen.entry(disk).or_insert(new).last_ms = now_ms;
    }

    /// Disks to put out now, of so many that are in use.
    fn due(&mut self, in_use: usize, now_ms: u64) -> Vec<DiskId> {
        self.seen.retain(|_, slow| now_ms.saturating_sub(slow.last_ms) <= FRESH_MS);
        if self.seen.len() > (in_use / SHARE_MAX).max(1) {
            return Vec::new();
        }
        let is_due = |slow: &Slow| {
            now_ms.saturating_sub(slow.since_ms) >= SETTLE_MS
                && slow.removed_ms.is_none_or(|at| now_ms.saturating_sub(at) >= AGAIN_MS)
        };
        let due = self.seen.iter_mut().filter(|(_, slow)| is_due(slow));
        due.map(|(disk, slow)| {
            slow.removed_ms = Some(now_ms);
            *disk
        })
        .collect()
    }
}

impl<S: LogStore> MetaService<S> {
    /// Only the owner knows the disk from the path to it.
    pub(super) fn note_slow(&mut self, reporter: PeerId, disk: DiskId) {
        let state = self.state();
        let owner = state.and_then(|state| state.disks().get(&disk)).map(|record| record.peer);
        if owner == Some(reporter) {
            self.slow_disks.note(disk, self.now.boot_ms);
        }
    }

    pub(super) fn drive_slow_disks(&mut self) -> Result<(), Fatal> {
        let Some(state) = self.state().filter(|_| self.is_leader()) else { return Ok(()) };
        let in_use = state.disks().values().filter(|disk| disk.state == Standing::In).count();
        let due = self.slow_disks.due(in_use, self.now.boot_ms);
        due.into_iter().try_for_each(|disk| self.put_out_slow(disk))
    }

    fn put_out_slow(&mut self, disk: DiskId) -> Result<(), Fatal> {
        let Some(only) = self.state().map(|state| dispensable(state, disk)) else { return Ok(()) };
        if only.is_empty() {
            return Ok(());
        }
        let (target, reason) = (Target::Disk(disk), RemovalReason::StoreOut);
        let command = Command::PgRemove { target, reason, only: Some(only) };
        let id = self.proposals.fresh_id();
        let (time_ms, own) = (self.now.wall_ms, self.config.peer);
        self.propose_as_leader(own, Proposal { id, time_ms, command })
    }
}

/// Groups that go on without this disk: a slow copy is better than too few.
fn dispensable(state: &ClusterState, disk: DiskId) -> Vec<(PgId, PgEpoch)> {
    let mut pgs = Vec::new();
    for (policy, table) in state.tables() {
        let needed = state.policies().get(policy).map_or(1, |p| usize::from(p.min_in_sync)).max(1);
        let without = table.records().filter(|record| {
            let enough = record.is_in_sync(disk) && record.in_sync.len() > needed;
            enough || record.joining.is_some_and(|joining| joining.disk == disk)
        });
        pgs.extend(without.map(|record| (record.pg, record.epoch)));
    }
    pgs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(disks: &[u64], now_ms: u64, slow: &mut SlowDisks) {
        disks.iter().for_each(|disk| slow.note(DiskId(*disk), now_ms));
    }

    #[test]
    fn one_alone_is_put_out_and_all_at_once_are_not() {
        let mut alone = SlowDisks::default();
        slow(&[1], 0, &mut alone);
        assert_eq!(alone.due(3, 100), [], "others may be about to say the same");
        slow(&[1], 300, &mut alone);
        assert_eq!(alone.due(3, 300), [DiskId(1)]);
        slow(&[1], 600, &mut alone);
        assert_eq!(alone.due(3, 600), [], "it was just asked for");
        slow(&[1], 1_300, &mut alone);
        assert_eq!(alone.due(3, 1_300), [DiskId(1)], "it is in again, and slow still");
        let mut all = SlowDisks::default();
        for now_ms in (0..5_000).step_by(250) {
            slow(&[1, 2], now_ms, &mut all);
            assert_eq!(all.due(3, now_ms), []);
            assert_eq!(all.due(5, now_ms), []);
        }
        assert_eq!(all.due(6, 5_000), [DiskId(1), DiskId(2)], "two of many");
    }

    #[test]
    fn a_report_is_soon_worth_nothing() {
        let mut seen = SlowDisks::default();
        slow(&[1], 0, &mut seen);
        assert_eq!(seen.due(3, FRESH_MS + 1), []);
        slow(&[1], 2_000, &mut seen);
        assert_eq!(seen.due(3, 2_100), [], "a new case");
        slow(&[2], 2_200, &mut seen);
        slow(&[1], 3_600, &mut seen);
        assert_eq!(seen.due(3, 3_600), [], "two within the time");
        slow(&[1], 3_800, &mut seen);
        assert_eq!(seen.due(3, 3_800), [DiskId(1)], "the other one recovered");
    }
}
