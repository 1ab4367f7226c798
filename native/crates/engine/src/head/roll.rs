//! Take-over, second half: what the round found unsettled is decided by writing it again under a
//! new version and the current stamp (rules 14, 15). Only then does the PG serve.

use std::collections::{BTreeMap, VecDeque};

use shoal_types::message::EntryKind;
use shoal_types::{BlockState, Body, LayerId};

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
}

impl Head {
    pub(super) fn start_roll(&mut self, slot: Slot, items: BTreeMap<(LayerId, u64), Holders>) {
        let mut roll = Roll { queue: items.into_iter().collect(), in_flight: 0 };
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
        let best = holders.iter().map(|(_, e)| e).max_by_key(|e| e.version);
        if best.is_none() {
            cover!("roll of a block that only the joiner has");
        }
        let zero = best.is_some_and(|e| e.kind != EntryKind::Data);
        let mut piece = Piece::new(Owner::Roll, slot, layer, block, 1, Work::Roll(holders));
        piece.stage = Stage::Fetching;
        let key = self.pieces.insert(piece);
        self.enter_active(key);
        if zero {
            cover!("roll of zeros");
            self.roll_value(key, BlockState::Zero);
        } else {
            self.try_fetch(key);
        }
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
