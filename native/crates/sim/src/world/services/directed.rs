//! Faults that aim at one kind of mistake each.

use std::collections::BTreeSet;

use shoal_meta::state::{Command, RemovalReason, Target};

use super::RecordEvent;
use super::contest::Contest;
use super::station::After;
use crate::world::World;
use crate::world::event::{Asker, Event};

impl World {
    /// The peer of a head that serves is cut off, alone or with the leader, and its volume is taken
    /// over meanwhile. Whoever leads may stand still or crash.
    pub fn fault_usurp(&mut self) -> bool {
        let now_us = self.now_us;
        if self.services().contest.as_ref().is_some_and(|contest| contest.until_us > now_us) {
            return false;
        }
        let heads = self.heads.values().filter(|head| head.active);
        let heads: Vec<_> = heads.map(|head| (head.peer, head.volume)).collect();
        let Some((peer, volume)) = self.rng.pick(&heads).copied() else { return false };
        let Some(leader) = self.leader() else { return false };
        let side = self.side_of(peer, leader);
        let lease_us = self.plan.lease_ms * 1000;
        let lasts = self.rng.range(2 * lease_us, 5 * lease_us);
        self.isolate(&side, lasts);
        match self.rng.below(3) {
            // It stands still until the other side has done without it.
            0 if side.contains(&leader) => {
                let pause = self.rng.range(lease_us, lasts);
                let until_us = &mut self.peers[leader as usize].paused_until_us;
                *until_us = (now_us + pause).max(*until_us);
            }
            1 if !side.contains(&leader) => {
                self.crash_peer(leader);
                self.at(lasts, Event::Restart { peer: leader });
            }
            _ => {}
        }
        let until_us = now_us + lasts;
        let before = self.rng.range(lease_us / 2, lease_us);
        let is_thin_from_us = self.rng.percent(40).then_some(until_us - before);
        let services = self.services();
        services.contest = Some(Contest { volume, side, until_us, is_thin_from_us });
        services.control_gone_until_us = services.control_gone_until_us.max(now_us + lasts);
        true
    }

    /// With the leader only if the others can elect one.
    fn side_of(&mut self, peer: u64, leader: u64) -> BTreeSet<u64> {
        let voters = self.voters();
        let left = voters.iter().filter(|v| **v != peer && **v != leader).count();
        let with_leader = left * 2 > voters.len() && self.rng.percent(60);
        if with_leader { [peer, leader].into() } else { [peer].into() }
    }

    fn isolate(&mut self, side: &BTreeSet<u64>, lasts: u64) {
        for peer in side {
            for other in (0..self.plan.peers).filter(|p| !side.contains(p)) {
                self.cut(*peer, other, lasts);
                self.cut(other, *peer, lasts);
            }
        }
        for (asker, disk) in self.net.across(|_, _| true) {
            let after = self.rng.range(50_000, 400_000);
            self.suspect_connection(asker, disk, after);
        }
    }

    /// To a peer whose device of an earlier attachment is still there, and answers nothing.
    pub fn fault_attach_back(&mut self) -> bool {
        let Some(volume) = self.some_volume() else { return false };
        let Some(held) = self.see(volume).and_then(|seen| seen.attachment) else { return false };
        let fenced = (0..self.plan.peers).filter(|p| self.is_fenced_at(*p, volume));
        let fenced: Vec<u64> = fenced.collect();
        let Some(peer) = self.rng.pick(&fenced).copied() else { return false };
        self.attach(volume, peer, Some(held.generation));
        true
    }

    /// One of three voters does not hear what the two others decide. Then it is all that is left: one
    /// of these loses its log, the other one is away for a while.
    pub fn fault_forgotten_vote(&mut self) -> bool {
        let (voters, leader) = (self.voters(), self.leader());
        let Some(leader) = leader.filter(|_| voters.len() == 3 && self.may_lose_a_log()) else {
            return false;
        };
        let others: Vec<u64> = voters.into_iter().filter(|voter| *voter != leader).collect();
        let Some(deaf) = self.rng.pick(&others).copied() else { return false };
        let Some(forgets) = others.into_iter().find(|voter| *voter != deaf) else { return false };
        let lasts = self.rng.range(500_000, 2 * self.plan.lease_ms * 1000);
        for voter in [leader, forgets] {
            self.cut(voter, deaf, lasts);
            self.cut(deaf, voter, lasts);
        }
        self.record_soon(leader, lasts, RecordEvent::Forget { voter: forgets });
        true
    }

    /// At the leader: it goes away at the moment at which another voter loses its log.
    pub(super) fn forget(&mut self, leader: u64, voter: u64) {
        let lives = self.peers[voter as usize].alive && self.station(leader).is_leader();
        if self.healing || !lives || !self.may_lose_a_log() {
            return;
        }
        self.lose_log(voter, 300_000);
        self.crash_peer(leader);
        let down = self.rng.range(2_000_000, 5_000_000);
        self.at(down, Event::Restart { peer: leader });
    }

    /// Its source goes away for the one that joins, and the group loses another member meanwhile: what
    /// is said of the group as it was is refused.
    pub fn fault_overtaken_join(&mut self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let joins = self.cluster.records.values().filter(|record| record.in_sync.len() > 1);
        let joins = joins.filter_map(|record| Some((record.pg, record.joining?.disk)));
        let joins: Vec<_> = joins.collect();
        let Some((pg, joiner)) = self.rng.pick(&joins).copied() else { return false };
        let record = &self.cluster.records[&pg];
        let (in_sync, epoch) = (record.in_sync.clone(), record.epoch);
        let sources = self
            .net
            .across(|asker, disk| asker == Asker::Member(joiner) && in_sync.contains(&disk));
        let used = |disk| sources.iter().any(|(_, source)| *source == disk);
        let Some(other) = in_sync.iter().copied().find(|disk| !used(*disk)) else { return false };
        let (target, reason) = (Target::Disk(other), RemovalReason::Ordered);
        let command = Command::PgRemove { target, reason, only: Some(vec![(pg, epoch)]) };
        self.propose(leader, command, After::Nothing);
        for (asker, source) in sources {
            self.break_connection(asker, source);
        }
        true
    }
}
