//! Group commit: ops wait in order; what is ready goes into one batch; one batch is in flight.
//!
//! A BATCH CHANGES MEMORY WHEN IT IS FORMED, BUT NOTHING IS ANSWERED FROM IT BEFORE IT IS DURABLE:
//! its ops are not done, a read of its blocks waits, a fold cuts before it. If its write fails the
//! store is fenced for good, so memory never has to be turned back.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use shoal_types::{HeadEpoch, PgEpoch, PgId, StoreError, StoreReply, VolumeId};

use crate::admission::Admission;
use crate::batch::{BatchDraft, LogKind, LogPoint};
use crate::io::IoKind;
use crate::need::takes_cells;
use crate::op::Change;
use crate::planted::planted;
use crate::store::{IoUse, Store};

/// An op that is not durable yet.
pub(crate) struct PendingOp {
    pub number: u64,
    pub token: u64,
    pub change: Change,
    /// Cells were set aside for it; until then it is not started.
    pub admitted: bool,
    /// It found no space: whatever may come back has come back once the tail is here.
    pub waits_for: Option<u64>,
    /// Cells that its fold may need.
    pub need: u64,
    /// Bytes that it adds to the tables in a root.
    pub rows: u64,
    /// It may take cells away from blocks that ops behind it write (`need.rs`).
    pub takes: bool,
    /// Writes of its data to cells that are still out.
    pub direct_left: u32,
}

/// The batch in flight.
struct InFlight {
    next: LogPoint,
    writes_left: u32,
    last_op: u64,
    /// In memory until the batch is durable: overlaps with reads.
    ops: Vec<DoneOp>,
}

struct DoneOp {
    token: u64,
    result: Result<StoreReply, StoreError>,
}

#[derive(Default)]
pub(crate) struct Commits {
    queue: VecDeque<PendingOp>,
    /// How many of the queue's first ops are admitted.
    admitted: usize,
    in_flight: Option<InFlight>,
    /// What the batch in flight touches, for reads.
    in_flight_changes: Vec<(u64, Touched)>,
    next_op: u64,
    /// Cells set aside for ops in the queue.
    pub(crate) queued_need: u64,
    /// Bytes of table rows that admitted ops in the queue add.
    pub(crate) queued_rows: u64,
    /// Of the admitted ops in the queue, those that may take cells away.
    queued_takers: u64,
    heads: BTreeMap<VolumeId, HeadEpoch>,
    pgs: BTreeMap<PgId, PgEpoch>,
}

/// What a formed op touched, once its data is in memory.
pub(crate) enum Touched {
    Blocks { layer: shoal_types::LayerId, ranges: Vec<(u64, u64)> },
    Layer(shoal_types::LayerId),
    Pg(PgId),
    Nothing,
}

impl Touched {
    fn of(change: &Change) -> Self {
        match change {
            Change::Assign(a) => {
                let ranges = a.runs.iter().map(|r| (r.block, r.block + r.blocks())).collect();
                Self::Blocks { layer: a.layer, ranges }
            }
            Change::OpenLayer { layer, .. }
            | Change::DeleteLayer { layer }
            | Change::ForgetLayer { layer } => Self::Layer(*layer),
            Change::DropPg { pg } => Self::Pg(*pg),
            Change::Raise(_) => Self::Nothing,
        }
    }

    fn meets(&self, pg: PgId, layer: shoal_types::LayerId, block: u64, blocks: u64) -> bool {
        match self {
            Self::Blocks { layer: l, ranges } => {
                *l == layer && ranges.iter().any(|r| r.0 < block + blocks && block < r.1)
            }
            Self::Layer(l) => *l == layer,
            Self::Pg(p) => *p == pg,
            Self::Nothing => false,
        }
    }
}

/// Records and data of the batch that is being formed.
#[derive(Default)]
pub(crate) struct Draft {
    pub records: Vec<u8>,
    pub count: u32,
    pub data: Vec<Bytes>,
    pub data_cells: u64,
}

impl Draft {
    pub fn push(&mut self, record: &crate::data_record::DataRecord) {
        record.encode(&mut self.records);
        self.count += 1;
    }
}

impl Commits {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_none()
    }

    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    pub fn queued_takers(&self) -> u64 {
        self.queued_takers
    }

    /// The first op stands without its cells: it waits for what a fold or purge gives back.
    pub fn waits_for_space(&self) -> bool {
        self.queue.front().is_some_and(|op| !op.admitted)
    }

    pub fn head_epoch(&self, volume: VolumeId) -> HeadEpoch {
        self.heads.get(&volume).copied().unwrap_or_default()
    }

    pub fn pg_epoch(&self, pg: PgId) -> PgEpoch {
        self.pgs.get(&pg).copied().unwrap_or_default()
    }

    /// Number of the last op that is not durable yet and touches these blocks.
    pub fn last_touching(
        &self,
        pg: PgId,
        layer: shoal_types::LayerId,
        block: u64,
        blocks: u64,
    ) -> Option<u64> {
        let queued = self.queue.iter().rev();
        let queued = queued.filter(|op| op.change.touches(pg, layer, block, blocks));
        let flying = self.in_flight_changes.iter().rev();
        let flying = flying.filter(|(_, t)| t.meets(pg, layer, block, blocks));
        queued.map(|op| op.number).chain(flying.map(|(n, _)| *n)).next()
    }

    /// Number of the last op that is not durable yet.
    pub fn last(&self) -> Option<u64> {
        let flying = self.in_flight.as_ref().map(|f| f.last_op);
        self.queue.back().map(|op| op.number).or(flying)
    }

    /// Number of the first op that is not durable yet.
    pub fn first(&self) -> u64 {
        let flying = self.in_flight_changes.first().map(|(n, _)| *n);
        flying.or(self.queue.front().map(|op| op.number)).unwrap_or(self.next_op)
    }

    pub fn drain_tokens(&mut self) -> Vec<u64> {
        let flying = self.in_flight.take().into_iter().flat_map(|f| f.ops);
        let flying = flying.map(|op| op.token);
        flying.chain(self.queue.drain(..).map(|op| op.token)).collect()
    }

    /// End of everything that was formed, durable or in flight.
    pub fn formed_end(&self, head: LogPoint) -> u64 {
        self.in_flight.as_ref().map_or(head.lsn, |f| f.next.lsn)
    }

    fn note_epochs(&mut self, change: &Change) {
        let mut head = |volume, epoch: HeadEpoch| {
            let seen = self.heads.entry(volume).or_default();
            *seen = epoch.max(*seen);
        };
        let mut pg = |pg, epoch: PgEpoch| {
            let seen = self.pgs.entry(pg).or_default();
            *seen = epoch.max(*seen);
        };
        match change {
            Change::Assign(a) => {
                if let Some(raise) = a.raise {
                    head(a.volume, raise.head_epoch);
                    pg(a.pg, raise.pg_epoch);
                }
            }
            Change::Raise(r) => {
                r.volumes.iter().for_each(|(v, e)| head(*v, *e));
                r.pgs.iter().for_each(|(p, e)| pg(*p, *e));
            }
            _ => {}
        }
    }
}

impl Store {
    pub(crate) fn enqueue(&mut self, token: u64, change: Change) {
        let longest = self.data_log.batch_cells_max() / 2 * 4096;
        if change.record_bytes() as u64 > longest {
            return self.done(token, Err(StoreError::Unsupported));
        }
        let commits = &mut self.commits;
        commits.note_epochs(&change);
        let number = commits.next_op;
        commits.next_op += 1;
        commits.queue.push_back(PendingOp {
            number,
            token,
            change,
            admitted: false,
            waits_for: None,
            need: 0,
            rows: 0,
            takes: false,
            direct_left: 0,
        });
        self.note_activity();
        if self.commits.queue.len() < 2 || self.commits.queue[self.commits.queue.len() - 2].admitted
        {
            self.admit_queued();
        }
    }

    /// True if something happened.
    pub(crate) fn pump_queue(&mut self) -> bool {
        let refused = self.admit_queued();
        if self.commits.in_flight.is_some() {
            return refused;
        }
        let formed = self.form_batch();
        if self.commits.queue.is_empty() {
            self.commits.heads.clear();
            self.commits.pgs.clear();
        }
        refused || formed
    }

    pub(crate) fn on_direct_io(&mut self, number: u64) {
        let op = self.commits.queue.iter_mut().find(|op| op.number == number);
        if !planted!(DirectNotDurable) {
            op.expect("an op waits for its data").direct_left -= 1;
        }
    }

    pub(crate) fn on_commit_io(&mut self) {
        let flying = self.commits.in_flight.as_mut().expect("a batch is in flight");
        flying.writes_left -= 1;
        if flying.writes_left > 0 {
            return;
        }
        let flying = self.commits.in_flight.take().expect("a batch is in flight");
        self.data_log.head = flying.next;
        self.commits.in_flight_changes.clear();
        for op in flying.ops {
            self.done(op.token, op.result);
        }
        self.start_waiting_reads();
    }

    /// Admits ops in order until one has to wait. True if one was refused.
    fn admit_queued(&mut self) -> bool {
        let mut refused = false;
        let mut i = self.commits.admitted;
        while i < self.commits.queue.len() {
            let mut op = self.commits.queue.remove(i).expect("within the queue");
            match self.admit(&mut op, i == 0) {
                Admission::Admitted => {
                    op.admitted = true;
                    op.takes = takes_cells(&op.change);
                    op.rows = self.state.tables.growth(&op.change);
                    self.commits.queued_rows += op.rows;
                    self.commits.queued_takers += u64::from(op.takes);
                    self.commits.queue.insert(i, op);
                    i += 1;
                    self.commits.admitted = i;
                }
                Admission::Wait => {
                    self.commits.queue.insert(i, op);
                    return refused;
                }
                Admission::Refused => {
                    self.figures.refused_no_space += 1;
                    self.done(op.token, Err(StoreError::NoSpace));
                    refused = true;
                }
            }
        }
        if refused {
            self.start_waiting_reads();
        }
        refused
    }

    /// Takes ready ops from the front into one batch and sends it.
    fn form_batch(&mut self) -> bool {
        let lsn = self.data_log.head.lsn;
        let mut draft = Draft::default();
        let mut ops = Vec::new();
        let mut last_op = 0;
        while let Some(op) = self.commits.queue.pop_front() {
            if !op.admitted || op.direct_left > 0 || !self.fits(&draft, &op) {
                self.commits.queue.push_front(op);
                break;
            }
            self.commits.admitted -= 1;
            self.commits.queued_need -= op.need;
            self.commits.queued_rows -= op.rows;
            self.commits.queued_takers -= u64::from(op.takes);
            last_op = op.number;
            self.commits.in_flight_changes.push((op.number, Touched::of(&op.change)));
            let set_aside = self.state.dirty.reserved() + op.need;
            let result = self.apply(lsn, op.change, &mut draft).map(|()| StoreReply::Done);
            assert!(self.state.dirty.reserved() <= set_aside, "space is decided at admission");
            ops.push(DoneOp { token: op.token, result });
        }
        if ops.is_empty() {
            return false;
        }
        if planted!(AckEarly) {
            for op in std::mem::take(&mut ops) {
                self.done(op.token, op.result);
            }
        }
        if draft.count == 0 {
            // Nothing new in any of them, and whatever they repeat is durable.
            self.commits.in_flight_changes.clear();
            ops.into_iter().for_each(|op| self.done(op.token, op.result));
            self.start_waiting_reads();
            return true;
        }
        self.send_batch(draft, ops, last_op);
        true
    }

    fn send_batch(&mut self, draft: Draft, ops: Vec<DoneOp>, last_op: u64) {
        let at = self.data_log.head;
        let batch = BatchDraft {
            kind: LogKind::Data,
            at,
            start_id: self.start_id,
            other_head: self.meta_log.head.lsn,
            store_uuid: &self.identity.store_uuid,
            data_cells: draft.data_cells as u32,
            record_count: draft.count,
            records: &draft.records,
        };
        let (header, next) = batch.encode(self.seal);
        self.figures.commits += 1;
        self.figures.committed_bytes += (next.lsn - at.lsn) * 4096;
        let mut bufs = vec![header];
        bufs.extend(draft.data);
        let writes = self.data_log.split(at.lsn, bufs);
        let writes_left = writes.len() as u32;
        self.commits.in_flight = Some(InFlight { next, writes_left, last_op, ops });
        for (offset, bufs) in writes {
            self.issue(IoUse::Commit, IoKind::Write { offset, bufs, durable: true });
        }
    }
}
