//! What can only go wrong where the record is kept by peers.

use crate::world::World;
use crate::world::event::Event;

/// A wall clock is set by up to a day.
const WALL_JUMP_MS: u64 = 86_400_000;
/// Consensus logs that one run loses.
const LOST_LOGS_MAX: u64 = 2;

impl World {
    pub fn fault_leader_crash(&mut self) -> bool {
        let Some(leader) = self.leader() else { return false };
        self.crash_for(leader, 4_000_000);
        true
    }

    fn crash_for(&mut self, peer: u64, most_us: u64) {
        self.crash_peer(peer);
        let down = self.rng.range(1_000, most_us);
        self.at(down, Event::Restart { peer });
    }

    /// The leader, and perhaps one more, on the smaller side.
    pub fn fault_leader_alone(&mut self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let other = self.some_peer();
        let with = if self.rng.percent(30) { other } else { leader };
        let one_way = self.rng.percent(30);
        let lasts = self.rng.range(200_000, 3 * self.plan.lease_ms * 1000);
        for p in (0..self.plan.peers).filter(|p| *p != leader && *p != with) {
            for side in [leader, with] {
                self.cut(side, p, lasts);
                if !one_way {
                    self.cut(p, side, lasts);
                }
            }
        }
        true
    }

    pub(super) fn cut(&mut self, from: u64, to: u64, lasts: u64) {
        self.net.block(from, to);
        self.at(lasts, Event::Heal { from, to });
    }

    /// More voters than can be spared end at once.
    pub fn fault_voters_crash(&mut self) -> bool {
        let mut voters = self.voters();
        if voters.is_empty() {
            return false;
        }
        let count = voters.len() / 2 + 1;
        for _ in 0..count {
            let at = self.rng.below(voters.len() as u64) as usize;
            let peer = voters.swap_remove(at);
            if self.peers[peer as usize].alive {
                self.crash_for(peer, 5_000_000);
            }
        }
        true
    }

    /// Consensus comes to a halt everywhere, and nothing else does.
    pub fn fault_silent_record(&mut self) -> bool {
        let lasts = self.rng.range(500_000, 6 * self.plan.lease_ms * 1000);
        let until = self.now_us + lasts;
        let services = self.services();
        services.silent_until_us = services.silent_until_us.max(until);
        true
    }

    /// A voter loses its log while the others are whole: it must never vote again.
    pub fn fault_lost_log(&mut self) -> bool {
        let voters = self.voters();
        let whole = voters.iter().all(|p| self.peers[*p as usize].alive);
        let Some(peer) = self.rng.pick(&voters).copied() else { return false };
        if !whole || !self.may_lose_a_log() {
            return false;
        }
        self.lose_log(peer, 1_000_000);
        true
    }

    /// Beyond what a majority bears nothing is promised: one at a time, and only of all three or five.
    pub(super) fn may_lose_a_log(&mut self) -> bool {
        let voters = self.voters();
        let full = voters.len() as u64 == super::setup::wanted_voters(self.plan.peers);
        let sound = |s: &shoal_meta::state::ClusterState| {
            s.voters().voters.iter().all(|p| !s.upkeep().never_vote.contains(p))
        };
        let known = self.newest(|s| s.upkeep().never_vote.len() as u64).unwrap_or(0);
        let may = voters.len() >= 3 && full && self.newest(sound) == Some(true);
        let services = self.services();
        may && services.lost_logs < LOST_LOGS_MAX && services.lost_logs == known
    }

    pub(super) fn lose_log(&mut self, peer: u64, down_us_max: u64) {
        self.services().lost_logs += 1;
        self.crash_for(peer, down_us_max);
        let station = self.station(peer);
        station.dir = shoal_meta::log_store::MemDir::new();
        if self.rng.percent(50) {
            self.station(peer).known = None;
        }
    }

    pub fn fault_wall_clock(&mut self) -> bool {
        let peer = self.some_peer();
        let by = self.rng.below(2 * WALL_JUMP_MS) as i64 - WALL_JUMP_MS as i64;
        self.station(peer).wall_offset_ms = by;
        true
    }

    /// The control process of whoever leads.
    pub fn fault_control_gone(&mut self) -> bool {
        let lasts = self.rng.range(500_000, 8_000_000);
        let until = self.now_us + lasts;
        self.services().control_gone_until_us = until;
        true
    }

    pub fn heal_record(&mut self) {
        if let Some(services) = self.record.services_mut() {
            (services.silent_until_us, services.control_gone_until_us) = (0, 0);
        }
    }

    pub fn is_silent(&self) -> bool {
        self.record.services().is_some_and(|s| s.silent_until_us > self.now_us)
    }
}
