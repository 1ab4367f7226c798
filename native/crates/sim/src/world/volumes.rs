//! Volumes that grow, go, and are followed by others; all of it under I/O.

use std::collections::{BTreeMap, BTreeSet};

use shoal_engine::head::HeadEvent;
use shoal_engine::member::MemberEvent;
use shoal_types::{DiskId, HeadEpoch, LayerId, VolumeId};

use super::World;
use super::cluster::VolumeRecord;
use super::event::{Event, ToCluster, ToPeer};

/// Volumes that are gone; their numbers are never used again.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Until every disk said that it holds nothing of it: which did.
    going: BTreeMap<VolumeId, BTreeSet<DiskId>>,
    forgotten: Vec<VolumeId>,
}

/// Blocks that a volume grows by.
const GROWS_BY_MAX: u64 = 8;
/// A volume that has so many grows no more.
const USED_MAX: u64 = 48;

impl Deleted {
    /// As a peer hears of them with its lease: no head of them is the newest.
    pub fn heads(&self) -> impl Iterator<Item = (VolumeId, HeadEpoch)> {
        let all = self.going.keys().chain(&self.forgotten);
        all.map(|volume| (*volume, HeadEpoch(u32::MAX)))
    }

    pub fn has(&self, volume: VolumeId) -> bool {
        self.going.contains_key(&volume) || self.forgotten.contains(&volume)
    }

    pub fn begin(&mut self, volume: VolumeId) {
        self.going.insert(volume, BTreeSet::new());
    }

    /// Those that nobody waits for any more.
    pub fn forget_all_but(&mut self, deleting: &[VolumeId]) {
        let gone = self.going.keys().copied().filter(|v| !deleting.contains(v));
        for volume in gone.collect::<Vec<_>>() {
            self.going.remove(&volume);
            self.forgotten.push(volume);
        }
    }

    /// It may be filled with what others did not drop yet: it drops that once more.
    pub fn made_anew(&mut self, disk: DiskId) {
        self.going.values_mut().for_each(|gone| {
            gone.remove(&disk);
        });
    }

    pub fn all_forgotten(&self) -> bool {
        self.going.is_empty()
    }
}

impl World {
    pub fn start_clients(&mut self, volume: VolumeId) {
        for client in 0..self.plan.clients {
            let think = self.rng.below(self.plan.think_us);
            self.at(think, Event::Client { volume, client });
        }
    }

    pub fn volume_blocks(&self, volume: VolumeId) -> u64 {
        let used = self.cluster.volumes.get(&volume).map_or(self.plan.blocks, |r| r.used);
        self.plan.blocks_between(used)
    }

    pub fn fault_resize(&mut self) -> bool {
        if self.has_services() {
            let by = self.rng.range(1, GROWS_BY_MAX + 1);
            return self.fault_grow(by, USED_MAX);
        }
        let volumes: Vec<VolumeId> = self.cluster.volumes.keys().copied().collect();
        let Some(volume) = self.rng.pick(&volumes).copied() else { return false };
        let by = self.rng.range(1, GROWS_BY_MAX + 1);
        let record = self.cluster.volumes.get_mut(&volume).expect("listed");
        if record.used + by > USED_MAX {
            return false;
        }
        record.used += by;
        let used = record.used;
        for peer in 0..self.plan.peers {
            self.tell_peer(peer, ToPeer::Grown { volume, used });
        }
        true
    }

    pub fn head_grows(&mut self, peer: u64, volume: VolumeId, used: u64) {
        let size_bytes = self.plan.blocks_between(used) * 4096;
        for id in self.heads_on(peer) {
            let head = self.heads.get_mut(&id).expect("listed");
            if head.volume == volume && head.used < used {
                head.used = used;
                self.head_event(id, HeadEvent::Resize { size_bytes });
            }
        }
    }

    /// Its heads and clients hear of it in time, or by being refused.
    pub fn fault_delete(&mut self) -> bool {
        if self.has_services() {
            let wait = self.rng.range(10_000, 2_000_000);
            self.at(wait, Event::Create);
            return self.fault_unwanted();
        }
        let volumes: Vec<VolumeId> = self.cluster.volumes.keys().copied().collect();
        let Some(volume) = self.rng.pick(&volumes).copied() else { return false };
        self.cluster.volumes.remove(&volume);
        self.cluster.deleted.going.insert(volume, BTreeSet::new());
        self.retell_volumes();
        let wait = self.rng.range(10_000, 2_000_000);
        self.at(wait, Event::Create);
        true
    }

    pub fn create_volume(&mut self) {
        if self.clients.rest {
            return;
        }
        if self.has_services() {
            return self.propose_volume();
        }
        let known = self.cluster.volumes.keys().map(|v| v.0);
        let gone = self.cluster.deleted.heads().map(|(v, _)| v.0);
        let volume = VolumeId(known.chain(gone).max().unwrap_or(0) + 1);
        self.cluster.volumes.insert(volume, VolumeRecord::new(self.plan.blocks));
        self.start_clients(volume);
    }

    /// Some did not hear it the first time.
    pub fn retell_volumes(&mut self) {
        if self.plan.growth.weights.resize > 0 {
            let of = |(v, r): (&VolumeId, &VolumeRecord)| Some((*v, r.owner?.0, r.used));
            let owned: Vec<_> = self.cluster.volumes.iter().filter_map(of).collect();
            for (volume, peer, used) in owned {
                self.tell_peer(peer, ToPeer::Grown { volume, used });
            }
        }
        let deleted = &self.cluster.deleted;
        let volumes: Vec<VolumeId> = deleted.going.keys().copied().collect();
        let forgotten: Vec<VolumeId> = deleted.forgotten.iter().rev().take(4).copied().collect();
        if volumes.is_empty() && forgotten.is_empty() {
            return;
        }
        for peer in 0..self.plan.peers {
            if self.rng.percent(20) {
                let (volumes, forgotten) = (volumes.clone(), forgotten.clone());
                self.tell_peer(peer, ToPeer::Deleted { volumes, forgotten });
            }
        }
    }

    /// Its heads end; its disks drop what they hold of it.
    pub fn told_deleted(&mut self, peer: u64, volumes: &[VolumeId], forgotten: &[VolumeId]) {
        for id in self.heads_on(peer) {
            if volumes.contains(&self.heads[&id].volume) {
                self.head_event(id, HeadEvent::Revoked);
            }
        }
        for disk in self.plan.disks_of(peer) {
            for volume in volumes {
                let layer = self.plan.layer_of(*volume);
                self.member_event(disk, MemberEvent::DeleteLayer { layer });
            }
            for volume in forgotten {
                let layer = self.plan.layer_of(*volume);
                self.member_event(disk, MemberEvent::ForgetLayer { layer });
            }
        }
    }

    pub fn layer_deleted(&mut self, disk: DiskId, layer: LayerId) {
        let volume = self.plan.volume_of(layer);
        self.tell_cluster(self.plan.peer_of(disk), ToCluster::LayerGone { disk, volume });
    }

    /// Forgotten once every disk confirmed it and no head is left that could open it again.
    pub fn layer_gone(&mut self, disk: DiskId, volume: VolumeId) {
        let disks = self.plan.disks() as usize;
        let Some(gone) = self.cluster.deleted.going.get_mut(&volume) else { return };
        gone.insert(disk);
        let heads = self.heads.values().any(|h| h.volume == volume);
        if gone.len() == disks && !heads {
            self.cluster.deleted.going.remove(&volume);
            self.cluster.deleted.forgotten.push(volume);
        }
    }
}
