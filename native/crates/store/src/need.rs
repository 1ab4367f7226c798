//! Which blocks need a cell of their own before they may be written.
//!
//! A FOLD NEVER FINDS THE DISK FULL. What an op sets aside when it is admitted covers what its
//! blocks reserve when it is applied, whatever happens in between: folds that run, begin or end, and
//! ops before it in the queue. `Store::form_batch` asserts it.

use crate::admission::CHUNKS_PER_PAGE;
use crate::dirty::Content;
use crate::index::Place;
use crate::op::{Assign, Change, PendingBody, PendingRun};
use crate::planted::planted;
use crate::state::{BlockAt, CHUNK, Newest};
use crate::store::Store;

impl Store {
    /// Cells to set aside for the data of an op that goes through the log.
    pub(crate) fn cells_needed(&self, assign: &Assign) -> u64 {
        let tables = &self.state.tables;
        let numbers = tables.pg_number(assign.pg).zip(tables.live_layer(assign.layer));
        let Some((pg, layer)) = numbers else { return assign.data_blocks() };
        // Ops in the queue may take away what the blocks have; whoever is first in it sees exactly.
        let unclear = self.commits.queued_takers() > 0 || repeats_a_block(assign);
        if unclear && !planted!(OverCommit) {
            return assign.data_blocks();
        }
        let data = assign.runs.iter().filter(|r| matches!(r.body, PendingBody::Data { .. }));
        let blocks = data.flat_map(|r| r.block..r.block + r.blocks());
        blocks.filter(|block| self.needs_cell(BlockAt { pg, layer, block: *block })).count() as u64
    }

    /// A second copy of a write that the store has taken, or of one that newer ones replaced.
    pub(crate) fn is_held(&self, assign: &Assign) -> bool {
        let tables = &self.state.tables;
        let numbers = tables.pg_number(assign.pg).zip(tables.live_layer(assign.layer));
        let Some((pg, layer)) = numbers else { return false };
        let passed = tables.mark(assign.volume, pg).watermark;
        let held = |run: &PendingRun| {
            run.stamp.version <= passed
                || (run.block..run.block + run.blocks())
                    .all(|block| !self.state.is_older(BlockAt { pg, layer, block }, run.stamp))
        };
        assign.raise.is_some() && !assign.forced && assign.runs.iter().all(held)
    }

    /// Pages by which the index may grow for zeros.
    pub(crate) fn growth_of_zeros(&self, assign: &Assign) -> u64 {
        let Some(layer) = self.state.tables.live_layer(assign.layer) else { return 0 };
        let pg = self.state.tables.pg_number(assign.pg);
        let mut chunks = 0;
        for run in assign.runs.iter().filter(|r| matches!(r.body, PendingBody::Zero { .. })) {
            let mut last = None;
            for block in run.block..run.block + run.blocks() {
                let chunk = block / CHUNK;
                let grows =
                    || pg.is_none_or(|pg| self.state.holds_nothing(BlockAt { pg, layer, block }));
                if last != Some(chunk) && grows() {
                    (last, chunks) = (Some(chunk), chunks + 1);
                }
            }
        }
        u64::div_ceil(chunks, CHUNKS_PER_PAGE)
    }

    /// False: an overwrite finds a cell, or takes over what the write before it had set aside.
    fn needs_cell(&self, at: BlockAt) -> bool {
        if planted!(OverCommit) {
            return !self.state.has_cell(at);
        }
        match self.state.newest(at) {
            Newest::Dirty(block) => !matches!(block.content, Content::Inline { .. }),
            Newest::Indexed(found) => !matches!(found.place, Place::Cell(_)),
            Newest::Nothing => true,
        }
    }

    /// The fold of a block that is written now may need a new cell.
    pub(crate) fn reserves(&self, at: BlockAt) -> bool {
        let key = at.key();
        let planned = self.fold_has_planned(key);
        let Some(old) = self.state.dirty.get(key, at.bit()) else {
            // A fold changes nothing about blocks that are not dirty.
            return !self.state.has_cell(at);
        };
        if self.fold_owns(key, old.lsn) {
            // The running fold gives it the cell of this content, or takes the one it has.
            return !old.content.is_data();
        }
        match old.content {
            Content::Inline { .. } => old.reserves && (planned || !self.state.has_cell(at)),
            // Written after the plan: what the fold leaves to the block is not known here.
            _ => planned || !self.state.has_cell(at),
        }
    }
}

/// The op may take cells, or what was set aside for them, away from blocks that ops behind it write.
pub(crate) fn takes_cells(change: &Change) -> bool {
    match change {
        Change::Assign(assign) => {
            assign.runs.iter().any(|run| !matches!(run.body, PendingBody::Data { .. }))
        }
        Change::DropPg { .. } => true,
        Change::Raise(_)
        | Change::OpenLayer { .. }
        | Change::DeleteLayer { .. }
        | Change::ForgetLayer { .. } => false,
    }
}

/// A copy that names a block twice: the second item meets what the first one did.
fn repeats_a_block(assign: &Assign) -> bool {
    let ends = |run: &PendingRun| run.block + run.blocks();
    !assign.runs.is_sorted_by(|a, b| ends(a) <= b.block)
}
