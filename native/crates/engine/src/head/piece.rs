//! A piece: the part of a request that is one message to one PG.

use std::collections::VecDeque;

use bytes::Bytes;
use shoal_types::message::EntryInfo;
use shoal_types::{BlockState, Body, DiskId, LayerId, PgEpoch, Seq, Version};

use super::pg::Slot;
use crate::common::Key;

/// Most members that a write goes to: seven replicas and a joiner.
pub(super) const TARGETS_MAX: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) owner: Owner,
    pub(super) pg: Slot,
    pub(super) layer: LayerId,
    pub(super) block: u64,
    pub(super) blocks: u32,
    pub(super) work: Work,
    pub(super) stage: Stage,
    /// In the PG's `active` list, at `place`.
    pub(super) listed: bool,
    pub(super) place: u32,
    pub(super) fetch: Fetch,
    pub(super) confirm: Confirmation,
    pub(super) write: Writing,
    pub(super) times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Part number `part` of a client's request.
    Op { op: Key, part: u32 },
    /// Roll-forward of a take-over.
    Roll,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    Read,
    /// Whole blocks as the client gave them; summed when they are sent.
    Raw(Bytes),
    Write(Body),
    /// One block of which the client writes a part: read, patch, then write.
    Merge(Patch),
    /// Take-over: read the chosen value, then write it under a new version. Who reported the block
    /// unsettled among the in-sync members; nobody: the in-sync value as it is (rule 14).
    Roll(Vec<(DiskId, EntryInfo)>),
    /// The write was refused for space by a member after another one took it: the old content is
    /// read, then written back, run by run, and the client gets `NoSpace`.
    Undo(Undo),
}

#[derive(Clone, Debug)]
pub(super) enum Patch {
    Data { at: usize, data: Bytes },
    Zeros { at: usize, len: usize },
}

#[derive(Clone, Debug)]
pub(super) struct Undo {
    /// The in-sync member that refused: it still holds the old content.
    pub(super) holder: DiskId,
    /// What the client wanted; written after all if the holder leaves.
    pub(super) wanted: Body,
    /// What is left to write back, after it was read; the first run is being written.
    pub(super) runs: VecDeque<(u64, Body)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for its blocks.
    Locked,
    /// Waits for its PG.
    Parked,
    Fetching,
    /// Fetched; waits for a confirmation round.
    Confirming,
    Writing,
}

/// Where a fetch was asked for, and where not to ask (again).
#[derive(Clone, Debug, Default)]
pub(super) struct Fetch {
    pub(super) request: Option<Key>,
    /// Copies that failed their checksum.
    pub(super) bad: Vec<DiskId>,
    /// Copies that could not answer just now.
    pub(super) avoid: Vec<DiskId>,
    /// No copy is left to ask; it waits in the list of the starved.
    pub(super) starved: bool,
    /// Every copy of the run had something bad: block by block now, from whoever has it good.
    pub(super) narrow: bool,
    /// Every copy of the block was bad once: asked a second time, for one may be repaired by now.
    pub(super) again: bool,
    /// That was said twice, under a view with a joiner, who may be in sync by now: waits for the
    /// answer to this question for the newest view, or a later one.
    pub(super) doubt: Option<u64>,
    pub(super) found: Vec<BlockState>,
    pub(super) done: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Confirmation {
    #[default]
    None,
    /// In the next round.
    Waiting,
    /// In the round under way.
    Asked,
    Done,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Writing {
    pub(super) version: Version,
    /// Epoch of the view under which it was sent last (rules 6, 8).
    pub(super) stamp: PgEpoch,
    /// Bit i: `targets[i]` has not acknowledged version and stamp yet.
    pub(super) pending: u8,
    /// Numbers used before `version`; complete only together with it.
    pub(super) earlier: Vec<Seq>,
    pub(super) requests: [Option<Key>; TARGETS_MAX],
    /// It went to one target so far, which may lack room for it.
    pub(super) alone: Option<Alone>,
    /// A target that refused this version refuses it for good: the next try needs a new one.
    pub(super) renews: bool,
    /// Some target does not hold all of its numbers.
    pub(super) unheld: bool,
    /// Zeros for which a member has no room where nothing was.
    pub(super) traceless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// If the target refuses, the write is nowhere.
    Once,
    /// An answer was lost: the target may have taken it before.
    Again,
}

impl Writing {
    pub(super) fn sent_again(&mut self) {
        self.alone = self.alone.map(|_| Alone::Again);
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) sent_us: u64,
    pub(super) first_ack_us: u64,
    pub(super) last_ack_us: u64,
    pub(super) last_disk: DiskId,
    pub(super) resends: u32,
}

impl Piece {
    pub(super) fn new(
        owner: Owner,
        pg: Slot,
        layer: LayerId,
        block: u64,
        blocks: u32,
        work: Work,
    ) -> Self {
        Self {
            owner,
            pg,
            layer,
            block,
            blocks,
            work,
            stage: Stage::Locked,
            listed: false,
            place: 0,
            fetch: Fetch::default(),
            confirm: Confirmation::None,
            write: Writing::default(),
            times: Times::default(),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.work, Work::Read)
    }

    /// What is being written now, and from which block.
    pub(super) fn body(&self) -> (u64, &Body) {
        match &self.work {
            Work::Write(body) => (self.block, body),
            Work::Undo(undo) => {
                let (block, body) = undo.runs.front().expect("an undo writes its first run");
                (*block, body)
            }
            Work::Read | Work::Raw(_) | Work::Merge(_) | Work::Roll(_) => {
                unreachable!("not at writing")
            }
        }
    }

    pub(super) fn answered(&mut self, disk: DiskId, now_us: u64) {
        if self.times.first_ack_us == 0 {
            self.times.first_ack_us = now_us;
        }
        self.times.last_ack_us = now_us;
        self.times.last_disk = disk;
    }
}
