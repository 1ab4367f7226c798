//! What follows at a peer from a new cluster state: views, heads, deletions. Idempotent, and in the
//! order of the data process.

use std::collections::BTreeSet;

use shoal_engine::head::HeadEvent;
use shoal_engine::member::MemberEvent;
use shoal_engine::planted::{Bug, is_planted};
use shoal_meta::local;
use shoal_meta::state::ClusterState;
use shoal_types::{DiskId, HeadEpoch, LayerId, PgView, VolumeId};

use super::heads::EntryState;
use super::id_of;
use super::station::{After, Look};
use crate::world::World;

/// How long a head that is not wanted any more may finish its I/O.
const CLOSE_US: u64 = 500_000;

impl World {
    pub(super) fn sync_state(&mut self, peer: u64) {
        if !self.is_current(peer) {
            return;
        }
        // BEFORE anything is told: what is told may move the state on at once, where one peer decides.
        let told = self.read(peer, ClusterState::map_epoch);
        self.sync_views(peer);
        self.sync_heads(peer);
        self.sync_deletions(peer);
        self.sync_standings(peer);
        self.process(peer).told = told;
    }

    /// NOTHING IS MADE TO AGREE WITH AN OLD STATE: the cluster is asked first.
    fn is_current(&mut self, peer: u64) -> bool {
        let process = self.process(peer);
        if !process.is_current && !process.is_asking {
            process.is_asking = true;
            self.look(peer, Look::First);
        }
        self.process(peer).is_current
    }

    pub(super) fn end_first_look(&mut self, peer: u64, is_newest: bool) {
        self.process(peer).is_asking = false;
        self.process(peer).is_current |= is_newest;
        self.sync_state(peer);
        if is_newest {
            self.plan.disks_of(peer).into_iter().for_each(|disk| self.forget_purged(peer, disk));
        }
    }

    fn sync_views(&mut self, peer: u64) {
        let told = self.process(peer).told;
        let views = self.read(peer, |state| local::changed_views(state, told));
        for view in views.unwrap_or_default() {
            for disk in self.plan.disks_of(peer) {
                self.tell_disk(disk, &view);
            }
            self.each_head(peer, HeadEvent::View(view));
        }
    }

    /// If it is a member, or was one when it was last told.
    fn tell_disk(&mut self, disk: DiskId, view: &PgView) {
        if view.members.contains(&disk) && self.disks[&disk].member.is_some() {
            self.member_view(disk, view);
        }
    }

    pub(super) fn tell_all_views(&mut self, peer: u64, disk: DiskId) {
        if self.process(peer).is_current {
            let views = self.read(peer, local::all_views).unwrap_or_default();
            views.iter().for_each(|view| self.tell_disk(disk, view));
        }
    }

    fn sync_heads(&mut self, peer: u64) {
        let attached = self.read(peer, |s| local::attached_to(s, id_of(peer))).unwrap_or_default();
        for (volume, generation) in &attached {
            self.want_head(peer, *volume, *generation);
            self.sync_head(peer, *volume, *generation);
        }
        let heads = self.process(peer).heads.keys().copied();
        let unwanted = heads.filter(|v| attached.iter().all(|(other, _)| other != v));
        for volume in unwanted.collect::<Vec<_>>() {
            self.give_up(peer, volume);
        }
        self.give_back_orphans(peer);
        self.take_free_heads(peer);
    }

    /// Heads that the cluster counts as its, and nobody there has. Repeated until it knows.
    pub(super) fn give_back_orphans(&mut self, peer: u64) {
        let (nonce, asked) = (self.process(peer).nonce, self.process(peer).giving_back);
        if asked > 0 || is_planted(Bug::OrphansKept) {
            return;
        }
        let services = self.record.services().expect("asked for in worlds that have them");
        let entries = &services.stations[peer as usize].process.heads;
        let has = |volume: VolumeId, head_epoch: HeadEpoch| {
            let entry = entries.get(&volume);
            let of = |id: u64| self.heads.get(&id).map(|head| head.head_epoch);
            let has = entry.is_some_and(|entry| {
                let is_asked_for = entry.state == EntryState::Taking;
                is_asked_for || entry.head.and_then(of) == Some(head_epoch)
            });
            has || is_planted(Bug::FencedNotGivenBack)
        };
        let orphans = self.read(peer, |s| local::orphaned_heads(s, id_of(peer), nonce, has));
        for command in orphans.unwrap_or_default() {
            self.process(peer).giving_back += 1;
            self.propose(peer, command, After::Orphan);
        }
    }

    fn sync_head(&mut self, peer: u64, volume: VolumeId, generation: u64) {
        let Some(entry) = self.process(peer).heads.get(&volume).cloned() else { return };
        if entry.generation != generation {
            let is_asked = entry.asked_as == generation;
            match is_planted(Bug::FencedTakenBack) && (is_asked || entry.head.is_none()) {
                true if is_asked => {}
                true => self.take(peer, volume),
                false => self.on_fenced(peer, volume),
            }
        }
        let size = self.read(peer, |s| s.volumes().get(&volume).map(|v| v.size_bytes));
        if let Some(Some(size)) = size {
            let used = self.used_of(size);
            self.head_grows(peer, volume, used);
        }
    }

    fn give_up(&mut self, peer: u64, volume: VolumeId) {
        let generation = self.process(peer).heads[&volume].generation;
        let me = Self::me(peer);
        let lost = self.read(peer, |state| {
            let volume = state.volumes().get(&volume)?;
            let over = local::is_taken_over(volume, me, generation);
            Some((over, local::is_remembered_as_fenced(volume, me, generation)))
        });
        match lost.flatten() {
            Some((true, true)) => self.on_fenced(peer, volume),
            Some((true, false)) => self.close_head(peer, volume, 0),
            _ => self.close_head(peer, volume, CLOSE_US),
        }
    }

    /// Heads that waited for their old owner: it gave them back.
    fn take_free_heads(&mut self, peer: u64) {
        let heads = self.process(peer).heads.iter();
        let waiting = heads.filter(|(_, entry)| entry.state == EntryState::Refused);
        for volume in waiting.map(|(volume, _)| *volume).collect::<Vec<_>>() {
            let free = |s: &ClusterState| Some(s.volumes().get(&volume)?.head.owner.is_none());
            if self.read(peer, free).flatten() == Some(true) {
                self.take(peer, volume);
            }
        }
    }

    pub(super) fn sync_deletions(&mut self, peer: u64) {
        for (disks, layers) in self.read(peer, local::doomed_layers).unwrap_or_default() {
            for disk in self.plan.disks_of(peer) {
                if !disks.contains(&disk) || self.disks[&disk].member.is_none() {
                    continue;
                }
                for layer in &layers {
                    if self.process(peer).deleting.insert((disk, *layer)) {
                        self.member_event(disk, MemberEvent::DeleteLayer { layer: *layer });
                    }
                }
            }
        }
        self.forget_deleted(peer);
    }

    /// All disks have dropped them, and the cluster has forgotten their volumes.
    fn forget_deleted(&mut self, peer: u64) {
        let layers: BTreeSet<LayerId> =
            self.process(peer).deleting.iter().map(|(_, layer)| *layer).collect();
        for layer in layers {
            if self.read(peer, |state| local::owner_of_layer(state, layer)) == Some(None) {
                self.forget_layer(peer, layer);
            }
        }
    }

    pub(super) fn forget_layer(&mut self, peer: u64, layer: LayerId) {
        for disk in self.plan.disks_of(peer) {
            self.member_event(disk, MemberEvent::ForgetLayer { layer });
            self.process(peer).deleting.remove(&(disk, layer));
        }
    }

    /// Layers that were deleted, and whose volume the cluster has forgotten meanwhile.
    pub(super) fn forget_purged(&mut self, peer: u64, disk: DiskId) {
        if !self.process(peer).is_current {
            return;
        }
        for layer in std::mem::take(&mut self.disk(disk).purged) {
            let owner = self.read(peer, |state| local::owner_of_layer(state, layer));
            match owner {
                Some(None) => self.member_event(disk, MemberEvent::ForgetLayer { layer }),
                _ => self.disk(disk).purged.push(layer),
            }
        }
    }
}
