//! Disks come back to a cluster that was restored from what its disks keep.

use std::collections::BTreeSet;

use shoal_types::{DiskId, PeerId, PgEpoch, PgId};

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::event::Severity;
use super::super::name::check_text;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::peer::Standing;
use crate::hex::StoreUuid;

impl ClusterState {
    pub(super) fn return_disk(
        &mut self,
        id: DiskId,
        store: StoreUuid,
        peer: PeerId,
        path: &str,
        epochs: &[(PgId, PgEpoch)],
    ) -> Outcome {
        let disk = self.disk(id)?;
        let is_back = disk.peer == peer && !self.restored.missing.contains(&id);
        if disk.store != store {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::State });
        }
        if is_back {
            return Ok(Applied::Done);
        }
        if !self.restored.missing.contains(&id) || self.restored.lost.contains(&peer) {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::State });
        }
        if self.peer(peer)?.witness {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::Witness });
        }
        check_text(Kind::Disk, path)?;
        let mut changed = self.note_installed(id, epochs);
        self.restored.missing.remove(&id);
        self.move_disk(id, peer, path);
        changed.extend(self.take_out_stale());
        self.touch_pgs(changed.into_iter());
        for gone in self.forget_lost_peers() {
            self.touch(Touched::Peer(gone));
        }
        if self.restored.missing.is_empty() {
            self.end_restore();
        }
        Ok(Applied::Done)
    }

    fn end_restore(&mut self) {
        let in_doubt = self.groups_in_doubt();
        self.restored = Default::default();
        let message = "all disks are back".to_owned();
        self.note(Severity::Info, "disks_returned", message, "cluster".into());
        if in_doubt > 0 {
            let message = format!(
                "{in_doubt} placement groups had moved on after the state that was found: \
                 their last writes may be missing"
            );
            self.note(Severity::Error, "copies_in_doubt", message, "cluster".into());
        }
    }

    fn move_disk(&mut self, id: DiskId, peer: PeerId, path: &str) {
        let disk = self.disks.get_mut(&id).expect("looked up by the same command");
        disk.peer = peer;
        path.clone_into(&mut disk.path);
        if disk.state == Standing::Down {
            disk.state = Standing::In;
        }
        self.upkeep.disks_down.remove(&id);
        self.touch(Touched::Disk(id));
        let message = format!("disk {} ({path}) is back", id.0);
        self.note(Severity::Info, "disk_returned", message, format!("disk {}", id.0));
    }

    /// Epochs beyond the state are remembered. WHERE IT LEFT THE SET ONLY AFTER THE RESTORE, nobody
    /// knows how long it had lacked writes by then: it is filled anew.
    fn note_installed(&mut self, id: DiskId, epochs: &[(PgId, PgEpoch)]) -> BTreeSet<PgId> {
        for (pg, epoch) in epochs {
            if self.restored.at.get(pg).is_some_and(|at| epoch > at) {
                self.restored.beyond.entry(*pg).or_default().insert(id, *epoch);
            }
        }
        let mut changed = BTreeSet::new();
        for record in self.tables.values_mut().flat_map(|table| table.records_mut()) {
            let at = self.restored.at.get(&record.pg).copied();
            let is_in_sync = record.is_in_sync(id);
            // `PgRecord::jump`: who was in sync at the restore leaves as of its epoch.
            let left_since = |out: PgEpoch| at.is_some_and(|at| out >= at);
            let Some(member) = record.member(id) else { continue };
            if !is_in_sync && !member.full && left_since(member.out_at) {
                record.mark_full(id).expect("it is a member");
                changed.insert(record.pg);
            }
        }
        changed
    }
}
