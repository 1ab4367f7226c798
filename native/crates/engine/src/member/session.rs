//! One resync into this store: a session of one joining epoch (rules 19–26). It lives in memory
//! only; a restart ends it.

use std::collections::VecDeque;

use shoal_types::{
    DiskId, HeadEpoch, LayerId, PgEpoch, PgId, Request, Version, VolumeId, pg::Joining,
};

use super::ReplyTo;
use super::api::{JoinPhase, JoinProgress};
use super::repair::BlockAt;
use crate::common::{FastMap, FastSet, Key};
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// Blocks in one unit of a copy: as many as a copy list's mask has bits.
pub(super) const GROUP_BLOCKS: u64 = 32;
/// Live writes that wait for the session to open.
const PARKED_MAX: usize = 4096;

/// Which blocks of a group; bit i = block `group * GROUP_BLOCKS + i`.
pub(super) type Groups = FastMap<(LayerId, u64), u32>;

/// Blocks of one group to be copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyRun {
    pub(super) volume: VolumeId,
    pub(super) layer: LayerId,
    pub(super) group: u64,
    pub(super) mask: u32,
}

/// What the joiner asked its source.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) pg: PgId,
    pub(super) join_at: PgEpoch,
    pub(super) disk: DiskId,
    pub(super) request: Request,
    pub(super) what: AskedWhat,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum AskedWhat {
    Open {
        after: Option<VolumeId>,
    },
    List,
    Read(CopyRun),
    /// For a bad block here; no part of a session.
    Repair(BlockAt),
}

/// What a store operation of a session was for.
#[derive(Clone, Copy, Debug)]
pub(super) enum JoinStep {
    /// Epochs of the source, the drop of a `full` join, and layers: all must be durable.
    Begin,
    OpenLayer {
        layer: LayerId,
    },
    /// Own leftovers of a volume.
    Leftovers {
        volume: VolumeId,
    },
    /// Own blocks with a stamp that the others may not have.
    OwnChanged,
    /// The source's marks, which no block may bring.
    Marks,
    /// A copy of so many blocks.
    Copy {
        run: CopyRun,
        blocks: u32,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) pg: PgId,
    pub(super) join_at: PgEpoch,
    pub(super) out_at: PgEpoch,
    pub(super) full: bool,
    pub(super) source: DiskId,
    pub(super) phase: JoinPhase,
    /// Live writes are taken (rule 22).
    pub(super) accepts: bool,
    /// Nothing is left of what was unsettled here when the session began.
    pub(super) clean: bool,
    pub(super) failed: bool,
    pub(super) parked: Vec<(ReplyTo, Request)>,
    /// Written live under this session: no copy goes over these (rule 24).
    pub(super) live: Groups,
    /// Such writes that the store has not answered, and those of them that a copy was passed over for: until
    /// these are durable, the store may yet have neither.
    pub(super) live_open: FastSet<Key>,
    pub(super) awaited: FastSet<Key>,
    /// Copied or queued because this store held something there itself: the source's list need
    /// not bring them again.
    pub(super) flagged: Groups,
    pub(super) queue: VecDeque<CopyRun>,
    /// Source's layers, heads and marks, until they are taken over.
    pub(super) layers: Vec<(VolumeId, LayerId)>,
    pub(super) heads: Vec<(VolumeId, HeadEpoch)>,
    pub(super) marks: Vec<(VolumeId, Version, Version)>,
    /// Steps of the phase that are not done.
    pub(super) open_steps: u32,
    /// Bytes asked for or on their way to the disk.
    pub(super) in_flight_bytes: u64,
    pub(super) list_done: bool,
    pub(super) list_asked: bool,
    pub(super) list_after: Option<(LayerId, u64)>,
    pub(super) own_done: bool,
    pub(super) blocks_copied: u64,
    pub(super) bytes_copied: u64,
    pub(super) blocks_listed: u64,
}

impl Session {
    pub(super) fn new(pg: PgId, joining: Joining, source: DiskId) -> Self {
        Self {
            pg,
            join_at: joining.join_at,
            out_at: joining.out_at,
            full: joining.full,
            source,
            phase: JoinPhase::Opening,
            accepts: false,
            clean: false,
            failed: false,
            parked: Vec::new(),
            live: Groups::default(),
            live_open: FastSet::default(),
            awaited: FastSet::default(),
            flagged: Groups::default(),
            queue: VecDeque::new(),
            layers: Vec::new(),
            heads: Vec::new(),
            marks: Vec::new(),
            open_steps: 0,
            in_flight_bytes: 0,
            list_done: false,
            list_asked: false,
            list_after: None,
            own_done: false,
            blocks_copied: 0,
            bytes_copied: 0,
            blocks_listed: 0,
        }
    }

    /// Nothing of this phase is on its way to the store.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight_bytes == 0 && self.awaited.is_empty()
    }

    /// Everything is listed.
    pub(super) fn is_whole(&self) -> bool {
        self.list_done && self.own_done && self.open_steps == 0
    }

    /// A copy was passed over for a live write: any that is open may be the one.
    pub(super) fn await_live(&mut self) {
        self.awaited.extend(&self.live_open);
    }

    /// True if that was the last one that anything waited for.
    pub(super) fn live_ended(&mut self, key: Key) -> bool {
        self.live_open.remove(&key);
        self.awaited.remove(&key) && self.awaited.is_empty()
    }

    /// Keeps a live write that came before the session is open; gives it back if it cannot.
    pub(super) fn park(&mut self, to: ReplyTo, request: Request) -> Result<(), ReplyTo> {
        if self.failed || self.parked.len() >= PARKED_MAX {
            return Err(to);
        }
        cover!("live write parked");
        self.parked.push((to, request));
        Ok(())
    }

    pub(super) fn written_live(&mut self, layer: LayerId, block: u64, blocks: u32) {
        mark(&mut self.live, layer, block, blocks);
    }

    /// Queues what is not queued yet of a group that this store flagged itself.
    pub(super) fn flag(&mut self, run: CopyRun) {
        let known = self.flagged.entry((run.layer, run.group)).or_default();
        let mask = run.mask & !*known;
        *known |= run.mask;
        self.push(CopyRun { mask, ..run });
    }

    /// Queues what the source lists, less what was flagged here.
    pub(super) fn list(&mut self, run: CopyRun) {
        let known = self.flagged.get(&(run.layer, run.group)).copied().unwrap_or(0);
        self.push(CopyRun { mask: run.mask & !known, ..run });
    }

    fn push(&mut self, run: CopyRun) {
        if run.mask != 0 {
            self.blocks_listed += u64::from(run.mask.count_ones());
            self.queue.push_back(run);
        }
    }

    pub(super) fn is_live(&self, layer: LayerId, block: u64) -> bool {
        let mask = self.live.get(&(layer, block / GROUP_BLOCKS)).copied().unwrap_or(0);
        mask & (1 << (block % GROUP_BLOCKS)) != 0
    }

    /// The first epoch of which this member may lack something (rule 23).
    pub(super) fn changed_since(&self) -> PgEpoch {
        if is_planted(Bug::ResyncSkipsAnEpoch) {
            return self.out_at.next().next();
        }
        self.out_at.next()
    }

    pub(super) fn progress(&self) -> JoinProgress {
        JoinProgress {
            pg: self.pg,
            join_at: self.join_at,
            source: self.source,
            phase: self.phase,
            blocks_copied: self.blocks_copied,
            bytes_copied: self.bytes_copied,
            blocks_listed: self.blocks_listed,
        }
    }
}

/// Sets the bits of a run of blocks.
fn mark(groups: &mut Groups, layer: LayerId, block: u64, blocks: u32) {
    for block in block..block + u64::from(blocks) {
        *groups.entry((layer, block / GROUP_BLOCKS)).or_default() |= 1 << (block % GROUP_BLOCKS);
    }
}
