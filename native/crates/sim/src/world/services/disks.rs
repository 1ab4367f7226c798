//! The disks of a peer whose record is kept by services: opened, announced, made anew
//! (docs/protocol.md rule 30, "Damaged stores").

use shoal_engine::member::{Member, MemberConfig};
use shoal_meta::local;
use shoal_meta::service::Unavailable;
use shoal_meta::state::{Command, Outcome, Rejection};
use shoal_types::DiskId;

use super::station::After;
use super::{RecordEvent, uuid_of};
use crate::disk_fault::OpenError;
use crate::world::World;

/// Pause before a store that could not be announced is opened again.
const AGAIN_US: u64 = 400_000;

impl World {
    /// BEFORE A STORE SERVES, the cluster hears how far its log has come.
    pub fn open_disk(&mut self, id: DiskId) {
        if self.disks[&id].member.is_some() {
            return;
        }
        self.reset_disk(id);
        let found = self.disk(id).store.open(id);
        match found {
            Ok(_) if self.disks[&id].store.may_have_lost() => self.open_right(id),
            Ok(recovered) => {
                self.disk(id).opened = Some(recovered);
                self.announce(id);
            }
            Err(OpenError::OtherDisk { found }) => {
                self.note(|| format!("{id} holds the store of {found}"));
            }
            Err(OpenError::Damaged(why)) => {
                self.note(|| format!("{id} is damaged: {why}"));
                self.disk(id).store.close();
                self.mark_unfit(id);
            }
        }
    }

    fn announce(&mut self, disk: DiskId) {
        let peer = self.plan.peer_of(disk);
        let (session, life) = (self.disks[&disk].store.position(), self.disks[&disk].life);
        let command = Command::AnnounceStore { disk, store: uuid_of(disk), session };
        self.propose(peer, command, After::Announced { disk, life });
    }

    pub(super) fn on_announced(
        &mut self,
        disk: DiskId,
        life: u64,
        result: Result<Outcome, Unavailable>,
    ) {
        if self.disks[&disk].life != life {
            return;
        }
        match result {
            Ok(Ok(_)) => self.serve(disk),
            Ok(Err(Rejection::Stale { .. } | Rejection::Invalid { .. })) => {
                self.note(|| format!("{disk} has an older image"));
                self.disk(disk).store.close();
                self.mark_unfit(disk);
            }
            _ => self.open_again(disk),
        }
    }

    fn open_again(&mut self, disk: DiskId) {
        self.disk(disk).store.close();
        self.record_soon(self.plan.peer_of(disk), AGAIN_US, RecordEvent::Open { disk });
    }

    /// What it held is on other members; if not, the fault did not happen. ONCE THE CLUSTER WAS TOLD it
    /// did: the command may be decided at any time, whatever the answer.
    fn mark_unfit(&mut self, disk: DiskId) {
        if !self.disks[&disk].given_up && !self.may_lose(disk) {
            return self.open_right(disk);
        }
        self.disk(disk).given_up = true;
        let (peer, life) = (self.plan.peer_of(disk), self.disks[&disk].life);
        self.propose(peer, Command::MarkStoreUnfit { disk }, After::Unfit { disk, life });
    }

    /// ORDER: out of all in-sync sets and marked, durably; only then it is formatted.
    pub(super) fn on_unfit(
        &mut self,
        disk: DiskId,
        life: u64,
        result: Result<Outcome, Unavailable>,
    ) {
        if self.disks[&disk].life != life {
            return;
        }
        match result {
            Ok(outcome) if local::is_out(&outcome) => self.format_anew(disk),
            Ok(Ok(_)) => self.too_much_is_lost(disk),
            Ok(Err(why)) => self.fail(format!("{disk} cannot be marked: {why:?}")),
            Err(_) => self.open_again(disk),
        }
    }

    /// The others left while the command was on its way: nothing is promised about a group whose last
    /// member lost what it held.
    fn too_much_is_lost(&mut self, disk: DiskId) {
        self.note(|| format!("{disk} was the last in sync of some group"));
        self.is_over = true;
    }

    fn format_anew(&mut self, disk: DiskId) {
        let peer = self.plan.peer_of(disk);
        let session = self.read(peer, |s| s.disks().get(&disk).map(|d| d.store_session));
        let Some(Some(session)) = session else { return self.open_again(disk) };
        self.note(|| format!("{disk} is made anew"));
        let state = self.disk(disk);
        (state.kept, state.old, state.given_up) = (None, None, false);
        state.store.format(disk, session);
        self.open_disk(disk);
    }

    /// The promise needs this copy.
    fn open_right(&mut self, disk: DiskId) {
        if let Some(recovered) = self.put_right(disk) {
            self.disk(disk).opened = Some(recovered);
            self.announce(disk);
        }
    }

    /// Fit where no group waits to be filled anew.
    fn serve(&mut self, disk: DiskId) {
        let peer = self.plan.peer_of(disk);
        let fit = self.read(peer, |state| local::is_filled(state, disk)) == Some(true);
        let state = self.disk(disk);
        let Some(recovered) = state.opened.take() else { return };
        state.kept = None;
        state.purged = recovered.deleted_layers.iter().map(|(_, layer)| *layer).collect();
        let config = MemberConfig { disk, fit, copy_window_bytes: 4096 };
        let mut member = Member::new(config, recovered);
        member.set_free_blocks(state.store.free_blocks());
        state.member = Some(member);
        self.process(peer).deleting.retain(|(of, _)| *of != disk);
        self.counts.recoveries += u64::from(self.record.services().is_some_and(|s| s.is_set_up));
        self.forget_purged(peer, disk);
        self.tell_all_views(peer, disk);
        self.sync_deletions(peer);
        self.set_down(peer, disk, false);
    }
}
