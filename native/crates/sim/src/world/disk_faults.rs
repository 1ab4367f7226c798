//! What goes wrong with disks and clocks. A disk lies only while another in-sync member of each of
//! its PGs tells the truth (`atlas`).

use shoal_types::DiskId;

use super::World;
use super::event::{Event, ToCluster};
use crate::disk_fault::DiskFault;

/// A disk that answers nothing for so long is said to be out by its own peer.
const STALL_SEEN_US: u64 = 1_500_000;
/// Starts of a store, one after the other, before the cluster hears of one.
const UNHEARD_STARTS_MAX: u64 = 100;
/// One that answers again is held back for so long.
const STALL_HELD_US: u64 = 3_000_000;

impl World {
    pub fn fault_of_disk(&mut self, fault: DiskFault) -> bool {
        let disk = self.some_disk();
        let lie = fault != DiskFault::WriteError;
        if self.disks[&disk].member.is_none() || (lie && !self.may_damage(disk)) {
            return false;
        }
        let store = &mut self.disks.get_mut(&disk).expect("every peer has its disk").store;
        store.arm(fault, &mut self.rng);
        true
    }

    pub fn fault_slow_disk(&mut self) -> bool {
        let until = self.now_us + self.rng.range(100_000, 10_000_000);
        let disk = self.some_disk();
        self.disk(disk).slow_until_us = until;
        true
    }

    pub fn fault_stalled_disk(&mut self) -> bool {
        let most = if self.rng.percent(30) { 30_000_000 } else { 3_000_000 };
        let until = self.now_us + self.rng.range(200_000, most);
        let id = self.some_disk();
        self.disk(id).stalled_until_us = until;
        let life = self.disk(id).life;
        self.at(STALL_SEEN_US, Event::StallSeen { disk: id, life });
        true
    }

    /// docs/protocol.md, "Disks that fail".
    pub fn stall_seen(&mut self, id: DiskId, life: u64) {
        let disk = self.disk(id);
        let until = disk.stalled_until_us;
        if disk.life != life || until <= self.now_us {
            return;
        }
        let for_us = until - self.now_us + STALL_HELD_US;
        self.tell_cluster(self.plan.peer_of(id), ToCluster::DiskOut { disk: id, for_us });
        self.at(STALL_SEEN_US, Event::StallSeen { disk: id, life });
    }

    pub fn fault_wipe(&mut self) -> bool {
        let Some((peer, id)) = self.disk_to_exchange() else { return false };
        self.crash_and_keep(peer, id);
        self.disk(id).store.wipe();
        true
    }

    /// A content of some time ago comes back; or one is put aside for that.
    pub fn fault_old_image(&mut self) -> bool {
        let Some((peer, id)) = self.disk_to_exchange() else { return false };
        let known = self.cluster.positions[&id];
        let unheard = if self.has_services() { UNHEARD_STARTS_MAX } else { 0 };
        let disk = self.disk(id);
        let Some((old, position)) = disk.old.take() else {
            disk.old = Some((disk.store.snapshot(), disk.store.position()));
            return false;
        };
        // One of this same run would not be noticed: only starts are announced. And each start makes the log
        // longer, also one that is not heard of while nobody leads.
        if position + unheard >= known {
            disk.old = Some((old, position));
            return false;
        }
        self.crash_and_keep(peer, id);
        self.disk(id).store.restore(old);
        true
    }

    fn disk_to_exchange(&mut self) -> Option<(u64, DiskId)> {
        let id = self.some_disk();
        let peer = self.plan.peer_of(id);
        let there = self.peers[peer as usize].alive && self.disks[&id].member.is_some();
        (there && self.may_lose(id)).then_some((peer, id))
    }

    /// Whoever is needed after all when the disk is opened gets its right content back.
    fn crash_and_keep(&mut self, peer: u64, id: DiskId) {
        self.crash_peer(peer);
        let disk = self.disk(id);
        disk.kept = Some(disk.store.snapshot());
        let down = self.rng.range(1_000, 500_000);
        self.at(down, Event::Restart { peer });
    }

    pub fn fault_swapped_disks(&mut self) -> bool {
        let (a, b) = (self.some_disk(), self.some_disk());
        let there = |d: DiskId| {
            self.peers[self.plan.peer_of(d) as usize].alive && self.disks[&d].member.is_some()
        };
        if a == b || !there(a) || !there(b) {
            return false;
        }
        for peer in self.peers_of(a, b) {
            self.crash_peer(peer);
            let down = self.rng.range(1_000, 300_000);
            self.at(down, Event::Restart { peer });
        }
        self.swap_stores(a, b);
        let lasts = self.rng.range(300_000, 3_000_000);
        self.at(lasts, Event::SwapBack { a, b });
        true
    }

    fn peers_of(&self, a: DiskId, b: DiskId) -> Vec<u64> {
        let mut peers = vec![self.plan.peer_of(a), self.plan.peer_of(b)];
        peers.dedup();
        peers
    }

    /// Each peer starts again with its own disk.
    pub fn swap_back(&mut self, a: DiskId, b: DiskId) {
        let peers = self.peers_of(a, b);
        for peer in &peers {
            if self.peers[*peer as usize].alive {
                self.crash_peer(*peer);
            }
        }
        self.swap_stores(a, b);
        for pg in self.pgs() {
            self.keep_a_good_copy(pg);
        }
        for peer in peers {
            self.at(1_000, Event::Restart { peer });
        }
    }

    fn swap_stores(&mut self, a: DiskId, b: DiskId) {
        let mut first = self.disks.remove(&a).expect("every peer has its disks");
        let second = self.disk(b);
        std::mem::swap(&mut first.store, &mut second.store);
        (first.swapped, second.swapped) = (!first.swapped, !second.swapped);
        self.disks.insert(a, first);
    }

    pub fn fault_clock_jump(&mut self) -> bool {
        let (now_us, by_us) = (self.now_us, self.rng.range(1_000, 5_000_000));
        let peer = self.some_peer();
        self.peers[peer as usize].clock.jump(now_us, by_us);
        true
    }

    pub fn fault_clock_stop(&mut self) -> bool {
        let (now_us, for_us) = (self.now_us, self.rng.range(50_000, 5_000_000));
        let peer = self.some_peer();
        self.peers[peer as usize].clock.stop(now_us, for_us);
        true
    }
}
