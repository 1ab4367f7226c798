//! Disks of this peer that are not to be counted on: stalled, or fenced. The peer that owns the disk
//! knows best, so it says so itself: the leader takes the disk out of the in-sync sets at once, and
//! nothing joins on it until the peer says otherwise. One that stalls again and again is held back
//! for longer each time.

use serde_json::json;
use shoal_engine::head::ReportReason;
use shoal_meta::state::{Command, Severity, Standing};
use shoal_types::DiskId;

use super::Supervisor;
use super::stores::StoreState;
use crate::clock;

/// Held back after the first stall, doubled with each further one, at most; in milliseconds.
const HOLD_MS: u64 = 3_000;
const HOLD_MS_MAX: u64 = 300_000;
/// After so long without one, stalls are forgotten.
const FORGET_MS: u64 = 3_600_000;

impl Supervisor {
    pub(super) fn on_stalled(&mut self, disk: DiskId) {
        let now_ms = clock::now_ms();
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        let (count, at_ms) = entry.stalls;
        let count = if now_ms - at_ms > FORGET_MS { 1 } else { count + 1 };
        entry.stalls = (count, now_ms);
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
        let is_due = |state: &StoreState| matches!(state, StoreState::Stalled { back_at_ms: Some(at) } if *at <= now_ms);
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

    /// In the cluster state, where it is not so already. What a person put out stays out.
    pub(super) fn set_down(&self, disk: DiskId, is_down: bool) {
        let (from, to) = match is_down {
            true => (Standing::In, Standing::Down),
            false => (Standing::Down, Standing::In),
        };
        let now = self.context.meta.read(|state| state.disks().get(&disk).map(|d| d.state));
        if now != Some(Some(from)) {
            return;
        }
        let command = Command::SetDisk {
            disk,
            state: Some(to),
            weight: None,
            size_bytes: None,
            reserve_bytes: None,
            path: None,
            peer: None,
        };
        self.propose(command, |_, _| {});
    }
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
