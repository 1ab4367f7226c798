//! Background jobs: one at a time. Fold and purge append to the metadata log; when it is full
//! they wait for a checkpoint. Nothing else changes the index, so a checkpoint sees it at rest.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::batch::{BatchDraft, FIXED_BYTES, LogKind, LogPoint};
use crate::checkpoint::Checkpoint;
use crate::fold::Fold;
use crate::io::IoKind;
use crate::layout::CELL_BYTES;
use crate::purge::Purge;
use crate::store::{IoUse, Store};

/// Idle time after which what lies in the log is folded, in milliseconds.
const IDLE_FOLD_MS: u64 = 2_000;

/// Checksums newer than their pages may take this many times the cache's budget; then a checkpoint
/// writes their pages.
const OVERLAY_SHARE: u64 = 4;
const OVERLAY_LEAST_BYTES: u64 = 16 << 10;

pub(crate) enum Job {
    Fold(Fold),
    Purge(Purge),
    Checkpoint(Checkpoint),
}

#[derive(Default)]
pub(crate) struct Background {
    pub job: Option<Job>,
    /// Waits for the checkpoint that runs.
    suspended: Option<Job>,
    want_fold: bool,
    want_purge: bool,
    /// Last batch with a deletion: purge when it is durable, for one in flight may be lost.
    purge_after: u64,
    want_checkpoint: bool,
    /// The root had no room for everything: no checkpoint before there is.
    barred: bool,
    /// An op waits for log room that never comes.
    pub starved: bool,
    /// One more after the one that is wanted: both places of the root are written anew.
    checkpoint_again: bool,
    /// Time of the newest change; a fold after it is due at `+ IDLE_FOLD_MS`.
    changed_at: Option<u64>,
    /// Something changed since the last tick: the idle time starts at the next one.
    busy: bool,
    /// Parts of the batch in flight in the metadata log, and the point behind it.
    meta_left: u32,
    meta_next: LogPoint,
    /// Disk writes of the job that are out.
    pub out: u32,
    pub writes: VecDeque<(u64, Vec<Bytes>)>,
}

impl Background {
    pub fn is_running(&self) -> bool {
        self.job.is_some()
    }

    /// `lsn`: of the batch that holds the deletion.
    pub fn ask_for_purge(&mut self, lsn: u64) {
        self.want_purge = true;
        self.purge_after = lsn;
    }

    pub fn unwant_fold(&mut self) {
        self.want_fold = false;
    }

    /// A purge runs or is due.
    pub fn purge_is_near(&self) -> bool {
        let purges = |job: &Option<Job>| matches!(job, Some(Job::Purge(_)));
        self.want_purge || purges(&self.job) || purges(&self.suspended)
    }

    /// The fold that runs, waiting for a checkpoint or not.
    pub fn fold(&self) -> Option<&Fold> {
        [&self.job, &self.suspended].into_iter().find_map(|job| match job {
            Some(Job::Fold(fold)) => Some(fold),
            _ => None,
        })
    }

    /// What waits for a checkpoint goes on waiting.
    pub fn bar_checkpoints(&mut self) {
        self.job = None;
        self.barred = true;
    }

    /// The metadata log cannot be emptied, and a job needs it.
    pub fn is_stuck(&self) -> bool {
        self.barred && self.suspended.is_some()
    }

    /// When the job goes on by itself; in milliseconds.
    pub fn deadline(&self) -> Option<u64> {
        match &self.job {
            Some(Job::Checkpoint(checkpoint)) => checkpoint.read_again_at(),
            _ => None,
        }
    }

    /// All writes of the phase are answered.
    pub fn is_drained(&self) -> bool {
        self.out == 0 && self.writes.is_empty()
    }
}

impl Store {
    /// Starts a fold at once, even of little; for checks and before a stop.
    pub fn fold(&mut self) {
        self.background.want_fold = true;
    }

    /// Starts a checkpoint once the running job is over.
    pub fn checkpoint(&mut self) {
        self.background.want_checkpoint = true;
    }

    pub(crate) fn checkpoint_twice(&mut self) {
        self.background.want_checkpoint = true;
        self.background.checkpoint_again = true;
    }

    pub(crate) fn ask_for_fold(&mut self) {
        self.background.want_fold = true;
    }

    pub(crate) fn note_activity(&mut self) {
        self.background.busy = true;
        let now = self.now_ms();
        self.background.changed_at.get_or_insert(now);
    }

    pub(crate) fn idle_deadline(&self, _now_ms: u64) -> Option<u64> {
        self.background.changed_at.map(|at| at + IDLE_FOLD_MS)
    }

    pub(crate) fn fold_if_idle(&mut self, now_ms: u64) {
        if std::mem::take(&mut self.background.busy) {
            self.background.changed_at = Some(now_ms);
        } else if self.background.changed_at.is_some_and(|at| now_ms >= at + IDLE_FOLD_MS) {
            self.background.changed_at = None;
            self.background.want_fold = true;
        }
    }

    /// After a start: what an earlier run had not finished.
    pub(crate) fn schedule_leftovers(&mut self) {
        let tables = &self.state.tables;
        self.background.want_purge =
            !tables.dead_pgs().is_empty() || tables.deleted_layers().next().is_some();
        // Nobody may write for long, and no idle time runs before somebody does.
        self.background.want_fold = !self.state.dirty.is_empty();
    }

    /// True if something happened.
    pub(crate) fn pump_job(&mut self) -> bool {
        if self.background.job.is_none() {
            return self.start_job();
        }
        let wrote = self.issue_writes();
        let stepped = match self.background.job.take() {
            Some(Job::Fold(fold)) => self.step_fold(fold),
            Some(Job::Purge(purge)) => self.step_purge(purge),
            Some(Job::Checkpoint(checkpoint)) => self.step_checkpoint(checkpoint),
            None => false,
        };
        wrote || stepped
    }

    pub(crate) fn on_job_io(&mut self) {
        self.background.out -= 1;
    }

    pub(crate) fn on_meta_io(&mut self) {
        self.background.meta_left -= 1;
        if self.background.meta_left == 0 {
            self.meta_log.head = self.background.meta_next;
        }
    }

    pub(crate) fn meta_is_in_flight(&self) -> bool {
        self.background.meta_left > 0
    }

    /// The job is over; whoever waits behind it is next.
    pub(crate) fn end_job(&mut self) {
        self.background.job = self.background.suspended.take();
    }

    /// Puts the running job aside for a checkpoint, which empties the metadata log.
    pub(crate) fn suspend_for_checkpoint(&mut self, job: Job) {
        assert!(self.background.suspended.is_none(), "a checkpoint needs no room in the log");
        self.background.suspended = Some(job);
        if !self.background.barred {
            self.background.want_checkpoint = false;
            self.background.job = Some(Job::Checkpoint(self.begin_checkpoint()));
        }
    }

    pub(crate) fn issue_sync(&mut self) {
        self.background.out += 1;
        self.issue(IoUse::Job, IoKind::Sync);
    }

    /// Record bytes that one metadata batch takes.
    pub(crate) fn meta_batch_bytes(&self) -> usize {
        (self.meta_log.batch_cells_max() * CELL_BYTES) as usize - FIXED_BYTES
    }

    /// False if the metadata log has no room for a longest batch.
    pub(crate) fn meta_has_room(&self) -> bool {
        self.meta_log.room() >= self.meta_log.batch_cells_max()
    }

    /// Appends one batch; it is durable when `meta_is_in_flight` turns false.
    pub(crate) fn append_meta(&mut self, records: &[u8], count: u32) {
        assert!(!self.meta_is_in_flight() && self.meta_has_room());
        let at = self.meta_log.head;
        let batch = BatchDraft {
            kind: LogKind::Meta,
            at,
            start_id: self.start_id,
            other_head: self.data_log.head.lsn,
            store_uuid: &self.identity.store_uuid,
            data_cells: 0,
            record_count: count,
            records,
        };
        let (header, next) = batch.encode(self.seal);
        let writes = self.meta_log.split(at.lsn, vec![header]);
        self.background.meta_next = next;
        self.background.meta_left = writes.len() as u32;
        for (offset, bufs) in writes {
            self.issue(IoUse::Meta, IoKind::Write { offset, bufs, durable: true });
        }
    }

    fn start_job(&mut self) -> bool {
        let log_is_half_full = self.data_log.used() * 2 > self.data_log.cells();
        let half_dirty = self.state.dirty.bytes() * 2 > self.budget.dirty_bytes;
        // Large writes leave small records but pin their cells.
        let pinned = self.state.space.named() * 8 > self.layout.cells.cells
            && self.state.space.waiting() > 0;
        let root_bytes = self.root_bytes() + CELL_BYTES;
        let background = &mut self.background;
        background.want_fold |= log_is_half_full || half_dirty || pinned;
        let overlay = self.state.crcs.overlay_bytes();
        background.want_checkpoint |= self.meta_log.used() * 2 > self.meta_log.cells()
            || overlay > OVERLAY_SHARE * self.budget.crc_cache_bytes.max(OVERLAY_LEAST_BYTES);
        if background.barred {
            background.barred = root_bytes > self.layout.root_bytes();
        }
        if background.is_stuck() {
            return false;
        }
        if !background.barred && std::mem::take(&mut background.want_checkpoint) {
            background.want_checkpoint = std::mem::take(&mut background.checkpoint_again);
            let checkpoint = self.begin_checkpoint();
            self.background.job = Some(Job::Checkpoint(checkpoint));
        } else if background.want_purge && self.data_log.head.lsn > background.purge_after {
            background.want_purge = false;
            background.job = Some(Job::Purge(Purge::default()));
        } else if std::mem::take(&mut background.want_fold) {
            let fold = self.begin_fold();
            self.background.job = fold.map(Job::Fold);
            if self.background.job.is_none() {
                return false;
            }
        } else {
            return false;
        }
        true
    }

    fn issue_writes(&mut self) -> bool {
        let mut wrote = false;
        while self.background.out < self.background_depth() {
            let Some((offset, bufs)) = self.background.writes.pop_front() else { break };
            self.background.out += 1;
            self.issue(IoUse::Job, IoKind::Write { offset, bufs, durable: false });
            wrote = true;
        }
        wrote
    }
}

/// Cuts encoded records into batches.
#[derive(Default)]
pub(crate) struct RecordQueue {
    records: VecDeque<Vec<u8>>,
}

impl RecordQueue {
    pub fn push(&mut self, record: &crate::meta_record::MetaRecord) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        self.records.push_back(bytes);
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// As many records as fit into `max` bytes.
    pub fn take(&mut self, max: usize) -> (Vec<u8>, u32) {
        let (mut bytes, mut count) = (Vec::new(), 0);
        while let Some(record) = self.records.front() {
            if bytes.len() + record.len() > max {
                break;
            }
            bytes.extend_from_slice(record);
            count += 1;
            self.records.pop_front();
        }
        (bytes, count)
    }
}
