//! Fold: blocks move from the data log to cells and index, then the log's tail follows.
//!
//! ORDER: data to cells; sync; entries and tables to the metadata log, durable; only then memory;
//! last the record of the new tail, durable; only then are log room and named cells free.

mod plan;

use crate::background::{Job, RecordQueue};
use crate::batch::LogPoint;
use crate::dirty::DirtyKey;
use crate::meta_record::MetaRecord;
use crate::planted::planted;
use crate::store::Store;

pub(crate) use plan::Plan;

/// Blocks planned between two looks at what else there is to do: about a quarter of a millisecond.
/// Tests cut finer, so that ops come between almost any two chunks.
const PLAN_SLICE_BLOCKS: usize = if cfg!(test) { 2 } else { 256 };
/// Longest write of folded data, in cells.
const WRITE_CELLS_MAX: usize = 256;

/// Entries of one metadata batch, in bytes: what is durable is applied in one go, about a
/// millisecond's worth.
const ENTRY_BYTES_MAX: usize = 32 << 10;

enum Phase {
    Planning,
    Writing,
    Syncing,
    /// Rows that the fold relied on, watermarks above all.
    Tables,
    Entries,
    /// Rows again, and the tail.
    Tail,
}

pub(crate) struct Fold {
    cut: LogPoint,
    phase: Phase,
    keys: Vec<DirtyKey>,
    planned: usize,
    /// End of what was formed while it planned: may have superseded blocks that it left out.
    superseded_by: u64,
    plans: Vec<Plan>,
    /// (cell, bytes), sorted before they are written.
    writes: Vec<(u64, bytes::Bytes)>,
    records: RecordQueue,
    /// Plans whose records are durable.
    applied: usize,
    /// Plans in the batch in flight.
    in_flight: usize,
}

impl Store {
    /// A fold has decided about this chunk: its cells may change hands.
    pub(crate) fn fold_has_planned(&self, key: DirtyKey) -> bool {
        let fold = self.background.fold();
        fold.is_some_and(|f| f.planned > 0 && key <= f.keys[f.planned - 1])
    }

    /// The running fold moves this dirty block, so its cell becomes the index's.
    pub(crate) fn fold_owns(&self, key: DirtyKey, lsn: u64) -> bool {
        let cut = self.background.fold().map(|f| f.cut.lsn);
        self.fold_has_planned(key) && cut.is_some_and(|cut| lsn < cut)
    }

    /// What was not yet planned may still be superseded, and then is left out; the rest is owned by
    /// the plan (`fold_owns`), so ops may come between two slices.
    pub(crate) fn fold_is_planning(&self) -> bool {
        self.background.fold().is_some_and(|f| matches!(f.phase, Phase::Planning))
    }

    /// `None` if the log is empty.
    pub(crate) fn begin_fold(&mut self) -> Option<Fold> {
        // Everything below the durable end is in memory; what is in flight is above it.
        let cut = self.data_log.head;
        if cut == self.data_log.tail {
            return None;
        }
        let keys = self.state.dirty.chunks().map(|(key, _)| key).collect();
        Some(Fold {
            cut,
            phase: Phase::Planning,
            keys,
            planned: 0,
            superseded_by: cut.lsn,
            plans: Vec::new(),
            writes: Vec::new(),
            records: RecordQueue::default(),
            applied: 0,
            in_flight: 0,
        })
    }

    /// True if something happened.
    pub(crate) fn step_fold(&mut self, mut fold: Fold) -> bool {
        let stepped = match fold.phase {
            Phase::Planning => self.plan_slice(&mut fold),
            Phase::Writing => self.finish_writes(&mut fold),
            Phase::Syncing => self.begin_appending(&mut fold),
            Phase::Tables | Phase::Entries | Phase::Tail => return self.step_append(fold),
        };
        self.background.job = Some(Job::Fold(fold));
        stepped
    }

    fn plan_slice(&mut self, fold: &mut Fold) -> bool {
        let mut blocks = 0;
        while let Some(key) = fold.keys.get(fold.planned).filter(|_| blocks < PLAN_SLICE_BLOCKS) {
            let plan = self.plan_chunk(*key, fold.cut.lsn, &mut fold.writes);
            blocks += plan.as_ref().map_or(1, |p| p.consumed.len());
            fold.plans.extend(plan);
            fold.planned += 1;
        }
        if fold.planned == fold.keys.len() {
            fold.superseded_by = self.commits.formed_end(self.data_log.head);
            self.queue_writes(fold);
            fold.phase = Phase::Writing;
        }
        true
    }

    /// Neighbouring cells in one write.
    fn queue_writes(&mut self, fold: &mut Fold) {
        fold.writes.sort_unstable_by_key(|(cell, _)| *cell);
        let mut next = None;
        for (cell, data) in fold.writes.drain(..) {
            self.figures.fold_bytes += data.len() as u64;
            let last = self.background.writes.back_mut();
            match last.filter(|(_, bufs)| next == Some(cell) && bufs.len() < WRITE_CELLS_MAX) {
                Some((_, bufs)) => bufs.push(data),
                None => self.background.writes.push_back((cell * 4096, vec![data])),
            }
            next = Some(cell + 1);
        }
    }

    fn finish_writes(&mut self, fold: &mut Fold) -> bool {
        if !self.background.is_drained() {
            return false;
        }
        // A SYNC BEFORE ANY ENTRY NAMES THE DATA.
        if !fold.plans.is_empty() && !planted!(NoSyncBeforeSet) {
            self.issue_sync();
        }
        fold.phase = Phase::Syncing;
        true
    }

    fn begin_appending(&mut self, fold: &mut Fold) -> bool {
        if !self.background.is_drained() {
            return false;
        }
        self.queue_tables(fold);
        if planted!(TailEarly) {
            fold.records.push(&MetaRecord::Tail(fold.cut));
        }
        fold.phase = Phase::Tables;
        true
    }

    fn queue_tables(&mut self, fold: &mut Fold) {
        let items = self.state.tables.take_changed();
        if !planted!(NoTables) {
            items.into_iter().for_each(|item| fold.records.push(&MetaRecord::Table(item)));
        }
    }

    /// One batch after the other; what is durable is applied.
    fn step_append(&mut self, mut fold: Fold) -> bool {
        if self.meta_is_in_flight() {
            self.background.job = Some(Job::Fold(fold));
            return false;
        }
        self.apply_durable(&mut fold);
        // BEFORE A CHECKPOINT MAY COME: its root names the tail that memory has, and leaves the record
        // of the new one behind.
        if matches!(fold.phase, Phase::Tail) && fold.records.is_empty() {
            self.end_fold(&fold);
            return true;
        }
        if !self.meta_has_room() {
            self.suspend_for_checkpoint(Job::Fold(fold));
            return true;
        }
        // A block that a write in flight superseded was left out: the tail must not pass its older,
        // acknowledged record before the newer one is durable.
        let all_applied = fold.applied == fold.plans.len();
        let waits = self.data_log.head.lsn < fold.superseded_by && !planted!(TailUnwaiting);
        if matches!(fold.phase, Phase::Entries) && all_applied && waits {
            self.background.job = Some(Job::Fold(fold));
            return false;
        }
        if fold.records.is_empty() {
            self.next_append_phase(&mut fold);
        }
        let room = self.meta_batch_bytes();
        let (bytes, count) = match fold.phase {
            Phase::Entries => fold.take_entries(room.min(ENTRY_BYTES_MAX)),
            _ => fold.records.take(room),
        };
        if count > 0 {
            self.append_meta(&bytes, count);
        }
        self.background.job = Some(Job::Fold(fold));
        true
    }

    /// Entries follow tables, the tail follows entries.
    fn next_append_phase(&mut self, fold: &mut Fold) {
        if matches!(fold.phase, Phase::Tables) {
            fold.phase = Phase::Entries;
        } else if fold.applied == fold.plans.len() {
            self.queue_tables(fold);
            // LAST: the tail moves only when everything below it is elsewhere.
            let cut = if planted!(TailTooFar) { self.data_log.head } else { fold.cut };
            fold.records.push(&MetaRecord::Tail(cut));
            fold.phase = Phase::Tail;
        }
    }

    fn apply_durable(&mut self, fold: &mut Fold) {
        let durable = fold.applied..fold.applied + std::mem::take(&mut fold.in_flight);
        for plan in &mut fold.plans[durable.clone()] {
            self.figures.folded_blocks += plan.consumed.len() as u64;
            self.apply_plan(std::mem::take(plan));
        }
        fold.applied = durable.end;
    }

    fn end_fold(&mut self, fold: &Fold) {
        self.data_log.tail = fold.cut;
        self.state.space.tail_passed(fold.cut.lsn);
        self.figures.folds += 1;
        // Whoever still lacks room asks again.
        self.background.unwant_fold();
        self.end_job();
    }
}

impl Fold {
    fn take_entries(&mut self, max: usize) -> (Vec<u8>, u32) {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for plan in &self.plans[self.applied..] {
            if bytes.len() + plan.record.len() > max {
                break;
            }
            bytes.extend_from_slice(&plan.record);
            count += 1;
        }
        self.in_flight = count as usize;
        (bytes, count)
    }
}
