//! People: they attach volumes here and there, take them over, detach what was fenced, grow,
//! delete and create. They look at the newest state anybody has, and may be overtaken by others.

use shoal_meta::state::{Attachment, ClusterState, Command, Fenced, Via, Volume};
use shoal_types::{PeerId, PolicyId, VolumeId};

use super::station::After;
use super::{id_of, number_of};
use crate::world::World;

/// What a person sees of a volume.
pub(super) struct Seen {
    pub attachment: Option<Attachment>,
    fenced: Vec<Fenced>,
    size_bytes: u64,
}

impl World {
    pub(super) fn users_turn(&mut self) {
        self.press_contest();
        for volume in self.cluster.volumes.keys().copied().collect::<Vec<_>>() {
            let Some(seen) = self.see(volume) else { continue };
            if self.services().unwanted.contains(&volume) {
                self.be_rid_of(volume, &seen);
            } else {
                self.look_after(volume, &seen);
            }
        }
    }

    pub(super) fn see(&self, volume: VolumeId) -> Option<Seen> {
        let of = |v: &Volume| Seen {
            attachment: v.attachment,
            fenced: v.fenced.clone(),
            size_bytes: v.size_bytes,
        };
        self.newest(|state| state.volumes().get(&volume).map(of)).flatten()
    }

    /// Somewhere, and served there.
    fn look_after(&mut self, volume: VolumeId, seen: &Seen) {
        for fenced in &seen.fenced {
            // Where it is attached again nothing serves before the old device is gone.
            let stays = self.plan.growth.fenced_stay
                && seen.attachment.is_none_or(|held| held.peer != fenced.peer);
            if !(self.healing && stays) && (self.healing || self.rng.percent(5)) {
                self.detach(volume, fenced.peer, fenced.generation);
            }
        }
        match seen.attachment {
            None if self.healing || self.rng.percent(30) => {
                let peer = self.some_peer();
                self.attach(volume, peer, None);
            }
            // Its own device of an earlier attachment is still there.
            Some(held)
                if self.is_fenced_at(number_of(held.peer), volume)
                    && (self.healing || self.rng.percent(5)) =>
            {
                self.detach(volume, held.peer, held.generation);
            }
            Some(held) if self.is_fenced_at(number_of(held.peer), volume) => {}
            // Refused while the lease is good; where it is over, that attachment is fenced.
            Some(_) if !self.healing && self.rng.percent(1) => {
                let peer = self.some_peer();
                self.attach(volume, peer, None);
            }
            _ => {}
        }
    }

    /// Attached nowhere first.
    fn be_rid_of(&mut self, volume: VolumeId, seen: &Seen) {
        match seen.attachment {
            Some(held) => self.detach(volume, held.peer, held.generation),
            // What is under way would go into a layer that nobody remembers.
            None if self.heads.values().any(|head| head.volume == volume) => {}
            None => {
                let peer = self.some_peer();
                self.propose(peer, Command::DeleteVolume { volume }, After::Nothing);
            }
        }
    }

    /// Said to any peer: the record decides.
    pub(super) fn attach(&mut self, volume: VolumeId, peer: u64, takeover: Option<u64>) {
        let via = if self.rng.percent(70) { Via::Ublk } else { Via::Export };
        let (read_only, queues, to) = (false, 1, id_of(peer));
        let command = Command::Attach { volume, peer: to, via, read_only, queues, takeover };
        let by = if self.rng.percent(80) { peer } else { self.some_peer() };
        self.propose(by, command, After::Nothing);
    }

    fn detach(&mut self, volume: VolumeId, peer: PeerId, generation: u64) {
        let by = if self.rng.percent(60) { number_of(peer) } else { self.some_peer() };
        self.propose(by, Command::Detach { volume, peer, generation }, After::Nothing);
    }

    pub(super) fn some_volume(&mut self) -> Option<VolumeId> {
        let volumes: Vec<VolumeId> = self.cluster.volumes.keys().copied().collect();
        self.rng.pick(&volumes).copied()
    }

    /// By force from one peer, or from several at once; or it is detached in order.
    pub fn fault_attachment(&mut self, peers: u64) -> bool {
        let Some(volume) = self.some_volume() else { return false };
        let Some(held) = self.see(volume).and_then(|seen| seen.attachment) else { return false };
        if peers == 1 && self.rng.percent(25) {
            self.detach(volume, held.peer, held.generation);
            return true;
        }
        for _ in 0..peers {
            let peer = self.some_peer();
            self.attach(volume, peer, Some(held.generation));
        }
        true
    }

    pub fn fault_grow(&mut self, by_blocks: u64, used_max: u64) -> bool {
        let Some(volume) = self.some_volume() else { return false };
        let Some(expected) = self.see(volume).map(|seen| seen.size_bytes) else { return false };
        let used = self.used_of(expected) + by_blocks;
        if used > used_max {
            return false;
        }
        let size_bytes = self.plan.blocks_between(used) * 4096;
        let peer = self.some_peer();
        let command = Command::ResizeVolume { volume, size_bytes, expected };
        self.propose(peer, command, After::Nothing);
        true
    }

    pub fn fault_unwanted(&mut self) -> bool {
        let Some(volume) = self.some_volume() else { return false };
        self.services().unwanted.insert(volume)
    }

    /// Another one, under a name that nobody had.
    pub fn propose_volume(&mut self) {
        self.services().names += 1;
        let name = format!("v{}", self.services().names);
        let size_bytes = self.plan.blocks_between(self.plan.blocks) * 4096;
        let (block_size, policy) = (512, PolicyId(1));
        let command = Command::CreateVolume { name, size_bytes, block_size, policy };
        let peer = self.some_peer();
        self.propose(peer, command, After::Nothing);
    }

    /// A person has a disk put out of one group.
    pub fn fault_ordered_removal(&mut self) -> bool {
        use shoal_meta::state::{RemovalReason, Target};
        let pgs = self.pgs();
        let Some(pg) = self.rng.pick(&pgs).copied() else { return false };
        let record = &self.cluster.records[&pg];
        let (in_sync, epoch) = (record.in_sync.clone(), record.epoch);
        let Some(disk) = self.rng.pick(&in_sync).copied() else { return false };
        let (target, reason) = (Target::Disk(disk), RemovalReason::Ordered);
        let command = Command::PgRemove { target, reason, only: Some(vec![(pg, epoch)]) };
        let peer = self.some_peer();
        self.propose(peer, command, After::Nothing);
        in_sync.len() > 1
    }

    pub(super) fn leader(&self) -> Option<u64> {
        let stations = &self.record.services()?.stations;
        (0..).zip(stations).find(|(_, station)| station.is_leader()).map(|(peer, _)| peer)
    }

    pub(super) fn voters(&self) -> Vec<u64> {
        let of =
            |state: &ClusterState| state.voters().voters.iter().copied().map(number_of).collect();
        self.newest(of).unwrap_or_default()
    }
}
