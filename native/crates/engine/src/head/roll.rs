//! Take-over, second half: what the round found unsettled is decided by writing it again under a
//! new version and the current stamp (rules 14, 15). Only then does the PG serve.

use std::collections::{BTreeMap, VecDeque};

use shoal_types::message::EntryKind;
use shoal_types::{BlockState, Body, DiskId, LayerId, Version};

use super::Head;
use super::collect::Holders;
use super::pg::{PgPhase, Slot};
use super::piece::{Owner, Piece, Stage, Work};
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// Blocks of one PG rolled forward at once.
const ROLL_WINDOW: u32 = 32;

#[derive(Clone, Debug)]
pub(super) struct Roll {
    queue: VecDeque<((LayerId, u64), Holders)>,
    in_flight: u32,
    /// Of the in-sync members, as they answered the round.
    watermarks: Vec<(DiskId, Version)>,
}

/// What the round says of a version at an in-sync member that does not list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unlisted {
    /// It was complete long ago, and this member has it.
    Settled,
    /// It never came here, so it was never complete: nobody was told that it was written, and nobody
    /// has read it (rules 7, 9).
    Never,
}

impl Head {
    pub(super) fn start_roll(
        &mut self,
        slot: Slot,
        items: BTreeMap<(LayerId, u64), Holders>,
        watermarks: Vec<(DiskId, Version)>,
    ) {
        let mut roll = Roll { queue: items.into_iter().collect(), in_flight: 0, watermarks };
        if is_planted(Bug::NoRollForward) {
            roll.queue.clear();
        }
        self.pgs[slot].phase = PgPhase::Rolling(Box::new(roll));
        self.roll_on(slot);
    }

    fn roll_on(&mut self, slot: Slot) {
        loop {
            let PgPhase::Rolling(roll) = &mut self.pgs[slot].phase else { return };
            if roll.in_flight >= ROLL_WINDOW {
                return;
            }
            let Some(((layer, block), holders)) = roll.queue.pop_front() else { break };
            roll.in_flight += 1;
            self.roll_block(slot, layer, block, holders);
        }
        let PgPhase::Rolling(roll) = &self.pgs[slot].phase else { return };
        if roll.in_flight == 0 {
            self.become_active(slot);
        }
    }

    fn roll_block(&mut self, slot: Slot, layer: LayerId, block: u64, holders: Holders) {
        if holders.is_empty() {
            cover!("roll of a block that only the joiner has");
        }
        let mut piece = Piece::new(Owner::Roll, slot, layer, block, 1, Work::Roll(holders));
        piece.stage = Stage::Fetching;
        let key = self.pieces.insert(piece);
        self.enter_active(key);
        self.fetch_newest(key);
    }

    fn fetch_newest(&mut self, key: Key) {
        let piece = self.pieces.get(key).expect("a piece that fetches lives");
        let Work::Roll(holders) = &piece.work else { unreachable!("it is rolled") };
        let newest = holders.iter().map(|(_, e)| e).max_by_key(|e| e.version);
        if newest.is_some_and(|e| e.kind != EntryKind::Data) {
            cover!("roll of zeros");
            self.roll_value(key, BlockState::Zero);
        } else {
            self.try_fetch(key);
        }
    }

    /// Copies of the newest version that anyone listed: those who list it, and, when all of these are
    /// bad, those where it is settled.
    pub(super) fn roll_copies(&self, piece: &Piece, holders: &Holders) -> Vec<DiskId> {
        let in_sync = self.pgs[piece.pg].in_sync();
        let Some(newest) = newest_of(holders) else { return in_sync.to_vec() };
        let lists = |d: &&DiskId| holders.iter().any(|(h, e)| h == *d && e.version == newest);
        let mut copies: Vec<DiskId> = in_sync.iter().filter(lists).copied().collect();
        if copies.iter().all(|d| piece.fetch.bad.contains(d)) {
            let settled = self.unlisted(piece, holders, newest);
            copies.extend(settled.filter(|(_, why)| *why == Unlisted::Settled).map(|(d, _)| d));
        }
        copies
    }

    fn unlisted(
        &self,
        piece: &Piece,
        holders: &Holders,
        version: Version,
    ) -> impl Iterator<Item = (DiskId, Unlisted)> {
        let PgPhase::Rolling(roll) = &self.pgs[piece.pg].phase else {
            unreachable!("a block is rolled while its PG is")
        };
        let lists = move |d: DiskId| holders.iter().any(|(h, e)| *h == d && e.version == version);
        let others = roll.watermarks.iter().filter(move |(d, _)| !lists(*d));
        others.map(move |(d, watermark)| {
            (*d, if *watermark >= version { Unlisted::Settled } else { Unlisted::Never })
        })
    }

    /// Nobody can read the newest version any more. If it was never complete it may be passed over,
    /// like a write that reached nobody; false: it may have been acknowledged.
    pub(super) fn pass_over_newest(&mut self, key: Key) -> bool {
        let piece = self.pieces.get(key).expect("a piece that fetches lives");
        let Work::Roll(holders) = &piece.work else { return false };
        let Some(newest) = newest_of(holders) else { return false };
        let (mut never, mut settled) = (false, false);
        for (_, why) in self.unlisted(piece, holders, newest) {
            never |= why == Unlisted::Never;
            settled |= why == Unlisted::Settled;
        }
        if settled || !never {
            return false;
        }
        cover!("roll passes over a version that was never complete");
        let piece = self.pieces.get_mut(key).expect("just seen");
        let Work::Roll(holders) = &mut piece.work else { unreachable!("just seen") };
        holders.retain(|(_, e)| e.version < newest);
        piece.fetch.bad.clear();
        piece.fetch.again = false;
        self.fetch_newest(key);
        true
    }

    /// The value is there: write it to everyone.
    pub(super) fn roll_value(&mut self, key: Key, state: BlockState) {
        let piece = self.pieces.get_mut(key).expect("it was just fetched");
        piece.work = Work::Write(body_of(state));
        self.send_new_version(key);
    }

    pub(super) fn roll_piece_done(&mut self, slot: Slot) {
        let PgPhase::Rolling(roll) = &mut self.pgs[slot].phase else {
            unreachable!("roll-forward ends with its last piece")
        };
        roll.in_flight -= 1;
        self.roll_on(slot);
    }

    /// From here on every unknown write of older heads is decided for good in this PG, and its
    /// watermark may be told (rule 10: per PG, once *its* roll-forward is done).
    fn become_active(&mut self, slot: Slot) {
        self.pgs[slot].phase = PgPhase::Active;
        self.list_settle(slot);
        self.unpark(slot);
    }
}

fn newest_of(holders: &Holders) -> Option<Version> {
    holders.iter().map(|(_, e)| e.version).max()
}

/// One block as a body. `Absent` becomes zeros: the same to a reader, and a value that can be
/// compared by version.
pub(super) fn body_of(state: BlockState) -> Body {
    match state {
        BlockState::Data { data, crc } => {
            Body::Data { data, crcs: vec![crc], encoding: shoal_types::message::Encoding::PLAIN }
        }
        BlockState::Zero | BlockState::Absent => Body::Zero { blocks: 1 },
    }
}
