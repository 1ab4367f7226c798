//! A volume that is taken away from a peer that nobody reaches: people go on asking for it elsewhere,
//! and put its copy out of its group, until the peer is back.

use std::collections::BTreeSet;

use shoal_meta::state::{Command, RemovalReason, Target};
use shoal_types::VolumeId;

use super::number_of;
use super::station::After;
use crate::world::World;

#[derive(Clone, Debug)]
pub struct Contest {
    pub volume: VolumeId,
    /// Whom the others do not reach.
    pub side: BTreeSet<u64>,
    pub until_us: u64,
    /// From then on it hears of the record again; of long messages late, also afterwards.
    pub is_thin_from_us: Option<u64>,
}

/// Clients of the old head go on after it is reached again.
const AFTERMATH_US: u64 = 2_000_000;
/// Longer than a word of consent, shorter than news of the state.
const LONG_BYTES: usize = 128;
const THIN_US: u64 = 700_000;
/// Of a hundred turns, people do something in so many.
const EAGER_PERCENT: u64 = 40;

impl World {
    pub(super) fn press_contest(&mut self) {
        if self.healing {
            self.services().contest = None;
        }
        let now_us = self.now_us;
        let Some(contest) = self.services().contest.clone() else { return };
        if contest.until_us + AFTERMATH_US < now_us {
            self.services().contest = None;
        }
        if contest.until_us < now_us || !self.rng.percent(EAGER_PERCENT) {
            return;
        }
        let side = &contest.side;
        let others = (0..self.plan.peers).filter(|p| !side.contains(p));
        let others: Vec<u64> = others.filter(|p| self.peers[*p as usize].alive).collect();
        let Some(by) = self.rng.pick(&others).copied() else { return };
        self.take_from(&contest, by);
        self.put_out_copies(&contest, by);
    }

    fn take_from(&mut self, contest: &Contest, by: u64) {
        let held = self.see(contest.volume).and_then(|seen| seen.attachment);
        let held = held.filter(|held| contest.side.contains(&number_of(held.peer)));
        if let Some(held) = held {
            self.attach(contest.volume, by, Some(held.generation));
        }
    }

    fn put_out_copies(&mut self, contest: &Contest, by: u64) {
        for pg in self.pgs() {
            let record = &self.cluster.records[&pg];
            let epoch = record.epoch;
            let cut =
                |disk: &&shoal_types::DiskId| contest.side.contains(&self.plan.peer_of(**disk));
            let disk = record.in_sync.iter().find(cut).copied();
            if let Some(disk) = disk.filter(|_| record.in_sync.len() > 1) {
                let (target, reason) = (Target::Disk(disk), RemovalReason::Ordered);
                let command = Command::PgRemove { target, reason, only: Some(vec![(pg, epoch)]) };
                self.propose(by, command, After::Nothing);
            }
        }
    }

    /// How much longer a message of this length takes to a peer that is hard to reach.
    pub(super) fn thinness(&self, to: u64, bytes: usize) -> u64 {
        let contest = self.record.services().and_then(|services| services.contest.as_ref());
        let hit = contest.is_some_and(|c| c.is_thin_from_us.is_some() && c.side.contains(&to));
        if hit && bytes > LONG_BYTES { THIN_US } else { 0 }
    }

    /// Connections of the record come back before those of heads and members.
    pub(super) fn is_heard_again(&self, from: u64, to: u64) -> bool {
        let contest = self.record.services().and_then(|services| services.contest.as_ref());
        contest.is_some_and(|contest| {
            let of_it = contest.side.contains(&from) || contest.side.contains(&to);
            let since = contest.is_thin_from_us.is_some_and(|from_us| from_us <= self.now_us);
            of_it && since && contest.until_us > self.now_us
        })
    }

    /// A write there could not end, and nobody would read the block behind it.
    pub fn only_reads_at(&self, head: u64) -> bool {
        let contest = self.record.services().and_then(|services| services.contest.as_ref());
        let peer = self.heads.get(&head).map(|head| head.peer);
        contest.is_some_and(|contest| peer.is_some_and(|peer| contest.side.contains(&peer)))
    }
}
