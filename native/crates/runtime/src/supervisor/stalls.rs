//! Disks of this peer that are not to be counted on: stalled, slow, or fenced. The peer that owns the disk
//! knows best, so it says so itself: the leader takes the disk out of the in-sync sets at once, and
//! nothing joins on it until the peer says otherwise. One that stalls again and again is held back
//! for longer each time.

use serde_json::json;
use shoal_engine::head::ReportReason;
use shoal_meta::local;
use shoal_meta::state::{ClusterState, Severity};
use shoal_types::DiskId;

use super::Supervisor;
use super::stores::{StoreEntry, StoreState};
use crate::clock;

/// Held back after the first stall, doubled with each further one, at most; in milliseconds.
const HOLD_MS: u64 = 3_000;
const HOLD_MS_MAX: u64 = 300_000;
/// After so long without one, stalls are forgotten.
const FORGET_MS: u64 = 3_600_000;
/// What a store's thread said of its speed holds for so long.
const SLOW_FRESH_MS: u64 = 2_000;

impl Supervisor {
    pub(super) fn on_stalled(&mut self, disk: DiskId) {
        let now_ms = clock::now_ms();
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        let count = entry.count_stall(now_ms);
        entry.state = StoreState::Stalled { back_at_ms: None };
        // FIRST the report: writes wait until the disk is out.
        self.context.meta.report(disk, ReportReason::StoreFenced);
        self.set_down(disk, true);
        let hold_s = hold_ms(count) / 1000;
        let message =
            format!("{disk} does not answer; once it does, it is held back for {hold_s} s more");
        self.note(Severity::Warn, "disk_stalled", message, format!("disk:{}", disk.0));
        self.broadcast("store.changed", json!({ "disk_id": disk.0, "state": "stalled" }));
    }

    /// Said four times a second. The leader puts it out where enough others are not slow; then, and
    /// only then, it is held back: by then nobody waits for it, and its thread measures nothing.
    pub(super) fn on_slow(&mut self, disk: DiskId, limit_ms: u64, is_very: bool) {
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        let out = || self.context.meta.read(|state| is_mostly_out(state, disk)) != Some(false);
        // What is out already is being filled, which is work; but writes wait for it then, too.
        let counts = is_very || entry.slow.is_some() || !out();
        if matches!(entry.state, StoreState::Open) && counts {
            entry.slow = Some((clock::now_ms(), limit_ms));
            self.context.meta.report_slow(disk);
        }
    }

    pub(super) fn hold_slow_disks(&mut self) {
        let now_ms = clock::now_ms();
        for entry in self.stores.values_mut() {
            let is_open = matches!(entry.state, StoreState::Open);
            entry.slow = entry.slow.filter(|(at, _)| is_open && now_ms - at <= SLOW_FRESH_MS);
        }
        let told: Vec<(DiskId, u64)> =
            self.stores.iter().filter_map(|(d, entry)| Some((*d, entry.slow?.1))).collect();
        for (disk, limit_ms) in told {
            if self.context.meta.read(|state| is_mostly_out(state, disk)) == Some(true) {
                self.hold_slow(disk, limit_ms);
            }
        }
    }

    fn hold_slow(&mut self, disk: DiskId, limit_ms: u64) {
        let now_ms = clock::now_ms();
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        let hold_ms = hold_ms(entry.count_stall(now_ms));
        entry.slow = None;
        entry.state = StoreState::Slow { back_at_ms: now_ms + hold_ms };
        self.set_down(disk, true);
        let hold_s = hold_ms / 1000;
        let message = format!(
            "{disk} takes more than {limit_ms} ms for most commands; it is held back for {hold_s} s"
        );
        self.note(Severity::Warn, "disk_slow", message, format!("disk:{}", disk.0));
        self.broadcast("store.changed", json!({ "disk_id": disk.0, "state": "slow" }));
    }

    pub(super) fn on_moving(&mut self, disk: DiskId) {
        let now_ms = clock::now_ms();
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        if matches!(entry.state, StoreState::Stalled { .. }) {
            let back_at_ms = Some(now_ms + hold_ms(entry.stalls.0));
            entry.state = StoreState::Stalled { back_at_ms };
        }
    }

    pub(super) fn take_back_stalled(&mut self) {
        let now_ms = clock::now_ms();
        let is_due = |state: &StoreState| match state {
            StoreState::Stalled { back_at_ms } => back_at_ms.is_some_and(|at| at <= now_ms),
            StoreState::Slow { back_at_ms } => *back_at_ms <= now_ms,
            _ => false,
        };
        let stores = self.stores.iter().filter(|(_, entry)| is_due(&entry.state));
        let due: Vec<DiskId> = stores.map(|(disk, _)| *disk).collect();
        for disk in due {
            if let Some(entry) = self.stores.get_mut(&disk) {
                entry.state = StoreState::Open;
            }
            self.set_down(disk, false);
            self.broadcast("store.changed", json!({ "disk_id": disk.0, "state": "open" }));
        }
    }

    /// In the cluster state, where it is not so already. What a person put out stays out. LOOKED AT WITH
    /// EACH STATE: what was said before may be lost, or decided only after what is said now.
    pub(super) fn sync_standings(&mut self) {
        let wanted = self.stores.iter().filter_map(|(disk, e)| Some((*disk, e.state.is_down()?)));
        for (disk, is_down) in wanted.collect::<Vec<_>>() {
            self.set_down(disk, is_down);
        }
    }

    pub(super) fn set_down(&mut self, disk: DiskId, is_down: bool) {
        let command = self.context.meta.read(|state| local::set_down(state, disk, is_down));
        let Some(Some(command)) = command else { return };
        if self.standings_told.insert(disk) {
            self.propose(command, move |supervisor, result| {
                supervisor.standings_told.remove(&disk);
                if result.is_err() {
                    supervisor.sync_standings();
                }
            });
        }
    }
}

impl StoreState {
    /// Whether it should be down in the cluster state, where that is certain.
    fn is_down(&self) -> Option<bool> {
        match self {
            Self::Opening | Self::Failed { .. } => None,
            Self::Open => Some(false),
            Self::Stalled { .. } | Self::Slow { .. } | Self::Fenced => Some(true),
        }
    }
}

impl StoreEntry {
    /// How many in short order, with this one.
    fn count_stall(&mut self, now_ms: u64) -> u32 {
        let (count, at_ms) = self.stalls;
        let count = if now_ms - at_ms > FORGET_MS { 1 } else { count + 1 };
        self.stalls = (count, now_ms);
        count
    }
}

/// The leader took it out of what goes on without it.
fn is_mostly_out(state: &ClusterState, disk: DiskId) -> bool {
    let records = state.tables().values().flat_map(|table| table.records());
    let (mut of, mut in_sync) = (0, 0);
    for record in records.filter(|record| record.member(disk).is_some()) {
        of += 1;
        in_sync += usize::from(record.is_in_sync(disk));
    }
    of > 0 && in_sync * 2 < of
}

fn hold_ms(stalls: u32) -> u64 {
    (HOLD_MS << stalls.saturating_sub(1).min(16)).min(HOLD_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stall_holds_a_disk_back_for_longer() {
        let holds: Vec<u64> = [1, 2, 3, 7, 8, 40].map(hold_ms).into();
        assert_eq!(holds, [3_000, 6_000, 12_000, 192_000, 300_000, 300_000]);
    }
}
