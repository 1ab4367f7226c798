//! Links that carry everything late, heads that are cut off behind one, and takes that collide.

use super::World;
use super::event::Event;

impl World {
    pub fn fault_clogged_link(&mut self) -> bool {
        let sides = self.plan.peers + 1;
        let (from, to) = (self.rng.below(sides), self.rng.below(sides));
        let until = self.now_us + self.rng.range(500_000, 4_000_000);
        let extra = self.rng.range(100_000, 2_000_000);
        self.net.clog(from, to, until, extra);
        from != to
    }

    /// What the voters say to a head's peer comes late; then the peer is cut off, but for that.
    pub fn fault_cut_off(&mut self) -> bool {
        let heads: Vec<u64> = self.heads.values().map(|h| h.peer).collect();
        let Some(peer) = self.rng.pick(&heads).copied() else { return false };
        let lease_us = self.plan.lease_ms * 1000;
        let late = lease_us + self.rng.range(lease_us / 2, lease_us * 3);
        let voters = self.net.voters;
        self.net.clog(voters, peer, self.now_us + late, late);
        let soon = self.rng.range(1_000, lease_us);
        self.at(soon, Event::CutOff { peer, for_us: late * 2 });
        true
    }

    pub fn cut_off(&mut self, peer: u64, for_us: u64) {
        if self.healing {
            return;
        }
        let voters = self.net.voters;
        for other in (0..=voters).filter(|p| *p != peer) {
            for (from, to) in [(peer, other), (other, peer)] {
                if from != voters {
                    self.net.block(from, to);
                    self.at(for_us, Event::Heal { from, to });
                }
            }
        }
        let hit = self.net.across(|_, _| true);
        for (asker, disk) in hit {
            let after = self.rng.range(50_000, 400_000);
            self.suspect_connection(asker, disk, after);
        }
    }

    /// Several peers take a volume at once. Where reads go by leases only its own peer may.
    pub fn fault_contest(&mut self) -> bool {
        if self.has_services() {
            let peers = self.rng.range(2, 5);
            return self.fault_attachment(peers);
        }
        let volumes: Vec<_> = self.cluster.volumes.keys().copied().collect();
        let Some(volume) = self.rng.pick(&volumes).copied() else { return false };
        let owner = self.cluster.volumes[&volume].owner.map(|(peer, _)| peer);
        for _ in 0..self.rng.range(2, 5) {
            let peer = match (self.plan.confirmed_reads, owner) {
                (true, _) => self.some_peer(),
                (false, Some(peer)) => peer,
                (false, None) => return false,
            };
            self.grant_head(volume, peer);
        }
        true
    }
}
