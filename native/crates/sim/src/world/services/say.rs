//! What heads and stores want of the cluster, said to the peer's own service.

use shoal_engine::head::ReportReason;
use shoal_engine::member::JoinFailure;
use shoal_meta::local;
use shoal_meta::state::{Command, InSyncItem};
use shoal_types::{DiskId, LayerId, PgEpoch, PgId, StoreError, VolumeId};

use super::station::{After, Look};
use super::{RecordEvent, id_of};
use crate::world::World;
use crate::world::event::ToCluster;

impl World {
    pub fn say(&mut self, peer: u64, message: ToCluster) {
        match message {
            ToCluster::Report { disk, reason: ReportReason::Full { pg }, .. } => {
                self.give_up_join(peer, disk, pg);
            }
            ToCluster::Report { disk, reason, .. } => self.report(peer, disk, reason),
            ToCluster::Refresh { head, pg, asked } => {
                self.look(peer, Look::View { head, pg, asked });
            }
            ToCluster::JoinDone { disk, pg, join_at, source, .. } => {
                let item = InSyncItem { pg, disk, join_at, source };
                let command = Command::PgInSync { items: vec![item] };
                self.propose(peer, command, After::Joined(item));
            }
            ToCluster::JoinFailed {
                disk,
                pg,
                reason: JoinFailure::Store(StoreError::NoSpace),
                ..
            } => self.give_up_join(peer, disk, pg),
            ToCluster::JoinFailed { disk, pg, join_at, .. } => {
                let now_ms = self.now_of(peer).boot_ms;
                if self.process(peer).rejoins.failed((disk, pg), join_at, now_ms) {
                    self.restart_join(peer, disk, pg, join_at);
                }
            }
            ToCluster::LayerGone { disk, volume } => self.purged(peer, disk, volume),
            ToCluster::Released { volume, head_epoch } => {
                let process = self.process(peer).nonce;
                let peer_id = id_of(peer);
                let command = Command::ReleaseHead { volume, peer: peer_id, process, head_epoch };
                self.propose(peer, command, After::Nothing);
            }
            ToCluster::DiskOut { disk, for_us } => self.put_out(peer, disk, for_us),
            ToCluster::Renew { .. } => unreachable!("services renew by themselves"),
        }
    }

    fn report(&mut self, peer: u64, disk: DiskId, reason: ReportReason) {
        let kind = local::report_kind(reason);
        self.drive(peer, |service, now| service.report(disk, kind, now));
    }

    fn give_up_join(&mut self, peer: u64, disk: DiskId, pg: PgId) {
        if let Some(Some(join_at)) = self.read(peer, |state| local::join_of(state, disk, pg)) {
            self.cancel_join(peer, disk, pg, join_at);
        }
    }

    pub(super) fn cancel_join(&mut self, peer: u64, disk: DiskId, pg: PgId, join_at: PgEpoch) {
        let cancel = self.read(peer, |state| local::cancel_join(state, disk, pg, join_at));
        if let Some(Some(command)) = cancel {
            self.propose(peer, command, After::Cancelled { disk, pg, join_at });
        }
    }

    pub(super) fn purged(&mut self, peer: u64, disk: DiskId, volume: VolumeId) {
        let layer = LayerId(volume.0);
        let owner = self.read(peer, |state| local::owner_of_layer(state, layer));
        if let Some(Some(volume)) = owner {
            let command = Command::PurgeDone { volume, disks: vec![disk] };
            self.propose(peer, command, After::Purged { disk, volume, layer });
        }
    }

    /// FIRST the report: writes wait until the disk is out. Then nothing joins on it.
    fn put_out(&mut self, peer: u64, disk: DiskId, for_us: u64) {
        if !self.peers[peer as usize].alive {
            return;
        }
        self.report(peer, disk, ReportReason::StoreFenced);
        self.set_down(peer, disk, true);
        if for_us > 0 && self.process(peer).held.insert(disk) {
            self.record_soon(peer, for_us, RecordEvent::Back { disk });
        }
    }

    pub(super) fn set_down(&mut self, peer: u64, disk: DiskId, is_down: bool) {
        let command = self.read(peer, |state| local::set_down(state, disk, is_down));
        let Some(Some(command)) = command else { return };
        if self.process(peer).standings_told.insert(disk) {
            self.propose(peer, command, After::Standing { disk });
        }
    }

    /// What was said before may be lost, or decided only after what is said now.
    pub(super) fn sync_standings(&mut self, peer: u64) {
        for disk in self.plan.disks_of(peer) {
            let is_out = self.disks[&disk].failed || self.process(peer).held.contains(&disk);
            if is_out || self.disks[&disk].member.is_some() {
                self.set_down(peer, disk, is_out);
            }
        }
    }

    /// One that stands still again is held back for longer.
    pub(super) fn take_back(&mut self, peer: u64, disk: DiskId) {
        let until = self.disks[&disk].stalled_until_us;
        if until > self.now_us {
            return self.record_soon(peer, until - self.now_us, RecordEvent::Back { disk });
        }
        self.process(peer).held.remove(&disk);
        self.set_down(peer, disk, false);
    }
}
