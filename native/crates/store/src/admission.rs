//! Who gets in: cells, log room, memory. Deletes, zeroes and epochs need no cell and always do.

use bytes::Bytes;
use shoal_types::BLOCK_BYTES;

use crate::batch::header_cells;
use crate::commit::{Draft, PendingOp};
use crate::io::IoKind;
use crate::layout::CELL_BYTES;
use crate::op::{Assign, Change, DIRECT_BLOCKS_MIN, PendingBody, PendingRun};
use crate::planted::planted;
use crate::root::{CRC_REF_BYTES, INDEX_REF_BYTES};
use crate::store::{IoUse, Store};

/// Cells of the data log that only starts use, for their first record.
const OPEN_CELLS: u64 = 16;
/// Share of the cells (1/64) that new blocks of clients leave free: half of it to copies, so that a
/// full disk can still be brought up to date, half to the index, which grows by overwrites, too.
const SOFT_RESERVE_SHARE: u64 = 64;
/// Entries that a page holds at the least, at their longest.
pub(crate) const CHUNKS_PER_PAGE: u64 = 4;
/// Cells kept for the growth of index and checksum pages, beside what the dirty chunks may add.
const GROWTH_CELLS: u64 = 64;
/// Of a root, in 32nds: up to here blocks of clients are taken.
const DATA_SHARE: u64 = 24;
/// Up to here zeros where nothing was: further than data, for they may undo data that was refused.
const ZEROS_SHARE: u64 = 26;
/// And those that are copies: a member is brought up to date with what the others had taken.
const ZERO_COPIES_SHARE: u64 = 28;
/// Of a root, in 32nds: up to here rows of joins and discards are taken.
const MARKS_SHARE: u64 = 30;

pub(crate) enum Admission {
    Admitted,
    /// Space may come back: a fold or purge is under way or was asked for.
    Wait,
    Refused,
}

impl Store {
    /// Blocks that clients may still write: what is free above the soft reserve, and what the next
    /// fold and checkpoint give back. Who comes before that waits: a disk that is not full says no to
    /// nobody because it was written over faster than it folds.
    pub fn free_blocks_soft(&self) -> u64 {
        if self.metadata_full() {
            return 0;
        }
        let coming_back = self.state.space.waiting() + self.state.dirty.coming_back();
        let taken = self.spoken_for() + self.soft_reserve();
        (self.state.space.free() + coming_back).saturating_sub(taken)
    }

    fn soft_reserve(&self) -> u64 {
        self.layout.cells.cells / SOFT_RESERVE_SHARE
    }

    /// Sets cells aside for an op, and starts its data on the way if it is large.
    /// `first`: every op before it is in the log.
    pub(crate) fn admit(&mut self, op: &mut PendingOp, first: bool) -> Admission {
        let assign = match &mut op.change {
            Change::Assign(assign) => assign,
            change => return self.admit_rows(change),
        };
        let data_blocks = assign.data_blocks();
        if data_blocks == 0 {
            return self.admit_zeros(op, first);
        }
        let kept = match assign.forced {
            true => self.soft_reserve() / 2,
            false => self.soft_reserve(),
        };
        let free = self.hard_free().saturating_sub(kept);
        let direct = data_blocks >= DIRECT_BLOCKS_MIN;
        if direct && data_blocks <= free {
            op.direct_left = self.write_direct(op.number, assign);
            return Admission::Admitted;
        }
        // On a full disk a large overwrite still goes through the log, if a batch can hold it.
        let holds = data_blocks <= self.data_log.batch_cells_max() / 2;
        let need = self.cells_needed(assign);
        if holds && (need == 0 || need <= free) {
            op.need = need;
            self.commits.queued_need += need;
            return Admission::Admitted;
        }
        self.wait_or_refuse(op, first)
    }

    /// Zeros take no cells, but the index grows by zeros where nothing was; not by a `Clear`, which leaves
    /// none there: REFUSED ONLY WHERE THE STORE HOLDS NOTHING OF THE VOLUME IN THAT PG and the tables have
    /// no room for its row; heads rely on it (docs/protocol.md, "No space"). Other zeros may have to be
    /// kept, for a head writes them by itself: they are let further in than anything else.
    fn admit_zeros(&mut self, op: &mut PendingOp, first: bool) -> Admission {
        let rows = self.state.tables.growth(&op.change);
        let Change::Assign(assign) = &op.change else { unreachable!("zeros are assigned") };
        if self.state.tables.live_layer(assign.layer).is_none() {
            return Admission::Admitted;
        }
        let most = assign.zero_chunks().div_ceil(CHUNKS_PER_PAGE);
        let by_head = most > 0 && !assign.forced;
        let (growth, share) = if by_head { (GROWTH_CELLS / 2, 31) } else { (0, MARKS_SHARE) };
        let pages_share = if by_head { ZEROS_SHARE } else { ZERO_COPIES_SHARE };
        let full = most > 0 && self.zeros_fill_index(pages_share);
        let free = if full { 0 } else { self.cells_left(growth) };
        let need = if most <= free { most } else { self.growth_of_zeros(assign) };
        if (need == 0 || need <= free) && self.rows_fit(rows, share) {
            op.need = need;
            self.commits.queued_need += need;
            return Admission::Admitted;
        }
        self.wait_or_refuse(op, first)
    }

    /// Index or root are filled as far as zeros may. What the log holds counts, too: it is in no page yet.
    fn zeros_fill_index(&self, share: u64) -> bool {
        let coming = self.state.dirty.chunk_count() / CHUNKS_PER_PAGE + self.commits.queued_need;
        let pages = self.state.index.page_count() + coming;
        let root = self.root_bytes() + coming * INDEX_REF_BYTES;
        pages * CELL_BYTES > self.budget.index_bytes / DATA_SHARE * share
            || root > self.root_room() / 32 * share
    }

    fn wait_or_refuse(&mut self, op: &mut PendingOp, first: bool) -> Admission {
        if !first || self.space_may_come_back(op) {
            self.ask_for_fold();
            return Admission::Wait;
        }
        if let Change::Assign(assign) = &mut op.change
            && self.is_held(assign)
        {
            // What it brings is there: NOTHING THAT THE STORE HAS TAKEN IS EVER REFUSED.
            assign.runs.clear();
            return Admission::Admitted;
        }
        Admission::Refused
    }

    /// Room in batch, log and memory for one more op. If not, a fold is asked for.
    pub(crate) fn fits(&mut self, draft: &Draft, op: &PendingOp) -> bool {
        let inline = match &op.change {
            Change::Assign(assign) => assign.data_blocks(),
            _ => 0,
        };
        let headers = header_cells(draft.records.len() + op.change.record_bytes()) as u64;
        let cells = headers + draft.data_cells + inline;
        if cells > self.data_log.batch_cells_max() {
            assert!(draft.count > 0, "one op alone fits into a batch");
            return false;
        }
        let dirty = &self.state.dirty;
        let over_budget = dirty.bytes() + inline * BLOCK_BYTES as u64 > self.budget.dirty_bytes;
        let full = cells + OPEN_CELLS > self.data_log.room() || (over_budget && !dirty.is_empty());
        if full {
            self.background.starved = self.background.is_stuck() && draft.count == 0;
            self.ask_for_fold();
        }
        !full
    }

    /// Cells that data may take.
    fn hard_free(&self) -> u64 {
        if self.metadata_full() { 0 } else { self.cells_left(0) }
    }

    /// Cells that nobody counts on, with so many of those for growth.
    fn cells_left(&self, growth: u64) -> u64 {
        (self.state.space.free() + growth).saturating_sub(self.spoken_for())
    }

    fn spoken_for(&self) -> u64 {
        let state = &self.state;
        // A checkpoint writes every page anew before it frees the old images.
        let pages = state.index.page_count() + self.layout.crc_pages();
        let growth = state.dirty.chunk_count() / CHUNKS_PER_PAGE + GROWTH_CELLS;
        state.dirty.reserved() + self.commits.queued_need + pages + growth
    }

    /// Index or root are at their bound: nothing that adds to them is admitted.
    pub(crate) fn metadata_full(&self) -> bool {
        let pages = self.state.index.page_count();
        pages * CELL_BYTES > self.budget.index_bytes || self.root_bytes() > self.root_bytes_max()
    }

    /// Bytes of a root as it is now, with what the queue adds.
    pub(crate) fn root_bytes(&self) -> u64 {
        let state = &self.state;
        state.index.page_count() * INDEX_REF_BYTES
            + self.layout.crc_pages() * CRC_REF_BYTES
            + state.tables.bytes()
            + self.commits.queued_rows
    }

    /// Of a root, for blocks of clients; the rest is for layers, joins and growing pages.
    pub(crate) fn root_bytes_max(&self) -> u64 {
        self.root_room() / 32 * DATA_SHARE
    }

    fn root_room(&self) -> u64 {
        self.layout.root_bytes() - CELL_BYTES
    }

    /// Room for the rows of a change that brings no blocks. Epochs are always taken: a head that is
    /// deposed must hear of it.
    fn admit_rows(&self, change: &Change) -> Admission {
        let share = match change {
            Change::OpenLayer { .. } => 28,
            Change::Raise(raise) if !raise.watermarks.is_empty() || !raise.newest.is_empty() => {
                MARKS_SHARE
            }
            _ => return Admission::Admitted,
        };
        let fits = self.rows_fit(self.state.tables.growth(change), share);
        if fits { Admission::Admitted } else { Admission::Refused }
    }

    /// Within so many 32nds of a root.
    fn rows_fit(&self, rows: u64, share: u64) -> bool {
        rows == 0 || self.root_bytes() + rows <= self.root_room() / 32 * share
    }

    /// What lies in the log may free cells when it is folded, and so may a purge. Whoever finds no
    /// space waits for what was in the log then, once.
    fn space_may_come_back(&self, op: &mut PendingOp) -> bool {
        if self.background.is_stuck() {
            return false;
        }
        let end = self.commits.formed_end(self.data_log.head);
        let hope = self.state.space.waiting() > 0 || self.state.dirty.may_free();
        let tail = self.data_log.tail.lsn;
        if op.waits_for.is_none() && (hope || self.background.is_running()) {
            op.waits_for = Some(end);
        }
        op.waits_for.is_some_and(|end| tail < end) || self.background.purge_is_near()
    }

    /// Allocates cells for all data of the op and writes it; returns how many writes.
    fn write_direct(&mut self, number: u64, assign: &mut Assign) -> u32 {
        let mut left = assign.data_blocks();
        let mut extents = Vec::new();
        while left > 0 {
            let (cell, len) = self.state.space.allocate(left).expect("admission found cells");
            extents.push((cell, len));
            left -= len;
        }
        self.figures.direct_bytes += assign.data_blocks() * CELL_BYTES;
        let (runs, writes) = place_runs(std::mem::take(&mut assign.runs), &extents);
        assign.runs = runs;
        let count = writes.len() as u32;
        for ((cell, _), bufs) in extents.into_iter().zip(writes) {
            let durable = !planted!(DirectNotDurable);
            let kind = IoKind::Write { offset: cell * CELL_BYTES, bufs, durable };
            self.issue(IoUse::Direct(number), kind);
        }
        if planted!(DirectNotDurable) { 0 } else { count }
    }
}

/// Cuts data runs where extents end; per extent, what is written to it.
fn place_runs(runs: Vec<PendingRun>, extents: &[(u64, u64)]) -> (Vec<PendingRun>, Vec<Vec<Bytes>>) {
    let mut placed = Vec::new();
    let mut writes = vec![Vec::new(); extents.len()];
    let (mut extent, mut used) = (0, 0);
    for run in runs {
        let PendingBody::Data { mut data, mut crcs } = run.body else {
            placed.push(run);
            continue;
        };
        let mut block = run.block;
        while !crcs.is_empty() {
            if used == extents[extent].1 {
                (extent, used) = (extent + 1, 0);
            }
            let take = (crcs.len() as u64).min(extents[extent].1 - used);
            let rest = crcs.split_off(take as usize);
            let cell = extents[extent].0 + used;
            writes[extent].push(data.split_to(take as usize * BLOCK_BYTES));
            let body = PendingBody::Direct { cell, crcs };
            placed.push(PendingRun { block, stamp: run.stamp, body });
            (crcs, used, block) = (rest, used + take, block + take);
        }
    }
    (placed, writes)
}
