//! Applies an op to memory and writes its records into the draft of a batch. Which version wins
//! is decided here, so that records are unconditional and replay needs no decision.

use bytes::Bytes;
use shoal_types::{BLOCK_BYTES, LayerId, PgEpoch, PgId, Raise, StoreError, VolumeId};

use crate::commit::Draft;
use crate::data_record::{DataRecord, Run, RunBody};
use crate::dirty::{Content, DirtyBlock, DirtyKey};
use crate::index::Stamp;
use crate::op::{Assign, Change, PendingBody, PendingRun, WriteRaise};
use crate::state::BlockAt;
use crate::store::Store;
use crate::tables::LayerRow;

/// Where the blocks of a run belong.
#[derive(Clone, Copy)]
struct Target {
    lsn: u64,
    volume: VolumeId,
    layer: LayerId,
    layer_number: u32,
    pg: u32,
}

impl Store {
    pub(crate) fn apply(
        &mut self,
        lsn: u64,
        change: Change,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        match change {
            Change::Assign(assign) => return self.apply_assign(lsn, assign, draft),
            Change::Raise(raise) => self.apply_raise(&raise, draft),
            Change::OpenLayer { volume, layer } => {
                return self.apply_open_layer(volume, layer, draft);
            }
            Change::DeleteLayer { layer } => self.apply_delete_layer(lsn, layer, draft),
            Change::ForgetLayer { layer } => self.apply_forget_layer(lsn, layer, draft),
            Change::DropPg { pg } => self.apply_drop_pg(lsn, pg, draft),
        }
        Ok(())
    }

    fn apply_assign(
        &mut self,
        lsn: u64,
        assign: Assign,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let number = self.state.tables.live_layer(assign.layer);
        let number = number
            .filter(|n| self.state.tables.layer(*n).is_some_and(|l| l.volume == assign.volume));
        let Some(layer_number) = number else {
            assign.runs.iter().for_each(|run| self.release_run(run, 0..run.blocks()));
            return Err(StoreError::NoLayer);
        };
        let pg = self.pg_number(assign.pg, draft);
        if let Some(cell) = assign.still_at {
            let block = assign.runs[0].block;
            if !self.lies_in(BlockAt { pg, layer: layer_number, block }, cell) {
                return Ok(());
            }
        }
        let target = Target { lsn, volume: assign.volume, layer: assign.layer, layer_number, pg };
        for run in assign.runs {
            match run.body {
                PendingBody::Clear { .. } => self.apply_clear(target, &run, draft),
                _ => self.apply_run(target, run, assign.forced, draft),
            }
        }
        if let Some(raise) = assign.raise {
            self.apply_write_raise(target, assign.pg, raise, draft);
        }
        Ok(())
    }

    /// Zeros where something is; elsewhere a record that a fold makes nothing of, so that the newest
    /// version of the volume is as durable as ever.
    fn apply_clear(&mut self, target: Target, run: &PendingRun, draft: &mut Draft) {
        let (mut block, end) = (run.block, run.block + run.blocks());
        let place = |block| BlockAt { pg: target.pg, layer: target.layer_number, block };
        while block < end {
            let nothing = self.state.holds_nothing(place(block));
            let differs = |at: &u64| self.state.holds_nothing(place(*at)) != nothing;
            let until = (block + 1..end).find(differs).unwrap_or(end);
            let blocks = (until - block) as u32;
            let body = match nothing {
                true => PendingBody::Absent { blocks },
                false => PendingBody::Zero { blocks },
            };
            self.apply_run(target, PendingRun { block, stamp: run.stamp, body }, false, draft);
            block = until;
        }
    }

    /// Writes a record for each stretch of blocks that take the new state.
    fn apply_run(&mut self, target: Target, run: PendingRun, forced: bool, draft: &mut Draft) {
        let blocks = run.blocks();
        let mut from = 0;
        while from < blocks {
            let takes = |at: u64| forced || self.takes(target, run.block + at, run.stamp);
            let first = takes(from);
            let until = (from + 1..blocks).find(|at| takes(*at) != first).unwrap_or(blocks);
            if first {
                self.apply_stretch(target, &run, from..until, draft);
            } else {
                self.release_run(&run, from..until);
            }
            from = until;
        }
    }

    /// Greater version: yes. Equal version under a newer epoch: yes, the stamp has to be stored.
    /// Smaller: no. At or below the watermark: no, it was complete everywhere long ago.
    fn takes(&self, target: Target, block: u64, stamp: Stamp) -> bool {
        let mark = self.state.tables.mark(target.volume, target.pg);
        if stamp.version <= mark.watermark {
            return false;
        }
        let at = BlockAt { pg: target.pg, layer: target.layer_number, block };
        self.state.is_older(at, stamp)
    }

    fn apply_stretch(
        &mut self,
        target: Target,
        run: &PendingRun,
        part: std::ops::Range<u64>,
        draft: &mut Draft,
    ) {
        let range = part.start as usize..part.end as usize;
        let body = match &run.body {
            PendingBody::Data { data, crcs } => {
                draft.data.push(data.slice(range.start * BLOCK_BYTES..range.end * BLOCK_BYTES));
                draft.data_cells += range.len() as u64;
                RunBody::Inline { crcs: crcs[range].to_vec() }
            }
            PendingBody::Direct { cell, crcs } => {
                let cell = cell + part.start;
                self.state.space.name(target.lsn, cell, part.end - part.start);
                RunBody::Direct { cell, crcs: crcs[range].to_vec() }
            }
            PendingBody::Zero { .. } => RunBody::Zero,
            PendingBody::Absent { .. } => RunBody::Absent,
            PendingBody::Clear { .. } => unreachable!("zeros or nothing by now"),
        };
        draft.push(&DataRecord::Run(Run {
            layer: target.layer,
            pg: target.pg,
            block: run.block + part.start,
            count: (part.end - part.start) as u16,
            stamp: run.stamp,
            body,
        }));
        part.for_each(|i| self.put_block(target, run, i));
    }

    fn put_block(&mut self, target: Target, run: &PendingRun, i: u64) {
        let at = BlockAt { pg: target.pg, layer: target.layer_number, block: run.block + i };
        let content = run.content(i as usize);
        let is_inline = matches!(content, Content::Inline { .. });
        let reserves = is_inline && self.reserves(at);
        let frees = !is_inline && self.state.has_cell(at);
        let block = DirtyBlock { lsn: target.lsn, stamp: run.stamp, content, reserves, frees };
        if let Some(old) = self.state.put_dirty(target.volume, at, block) {
            self.release_replaced(at.key(), &old);
        }
    }

    /// What a fold has planned already becomes the index's.
    fn release_replaced(&mut self, key: DirtyKey, old: &DirtyBlock) {
        if let Content::Direct { cell, .. } = old.content
            && !self.fold_owns(key, old.lsn)
        {
            self.state.space.release(cell);
        }
    }

    fn release_run(&mut self, run: &PendingRun, part: std::ops::Range<u64>) {
        if let PendingBody::Direct { cell, .. } = run.body {
            part.for_each(|i| self.state.space.release(cell + i));
        }
    }

    fn apply_write_raise(
        &mut self,
        target: Target,
        pg: PgId,
        raise: WriteRaise,
        draft: &mut Draft,
    ) {
        if self.state.tables.raise_head(target.volume, raise.head_epoch) {
            draft.push(&DataRecord::Volume { volume: target.volume, epoch: raise.head_epoch });
        }
        self.raise_pg(pg, raise.pg_epoch, draft);
        if let Some(watermark) = raise.watermark {
            self.raise_mark(target.volume, target.pg, watermark, draft);
        }
    }

    fn apply_raise(&mut self, raise: &Raise, draft: &mut Draft) {
        for (volume, epoch) in &raise.volumes {
            if self.state.tables.raise_head(*volume, *epoch) {
                draft.push(&DataRecord::Volume { volume: *volume, epoch: *epoch });
            }
        }
        raise.pgs.iter().for_each(|(pg, epoch)| self.raise_pg(*pg, *epoch, draft));
        for (volume, pg, watermark) in &raise.watermarks {
            let pg = self.pg_number(*pg, draft);
            self.raise_mark(*volume, pg, *watermark, draft);
        }
        for (volume, pg, newest) in &raise.newest {
            let (volume, pg, newest) = (*volume, self.pg_number(*pg, draft), *newest);
            if self.state.tables.raise_newest(volume, pg, newest) {
                draft.push(&DataRecord::Newest { volume, pg, newest });
            }
        }
    }

    fn raise_mark(
        &mut self,
        volume: VolumeId,
        pg: u32,
        watermark: shoal_types::Version,
        draft: &mut Draft,
    ) {
        if self.state.tables.raise_mark(volume, pg, watermark) {
            self.state.unsettled.settle(volume, pg, watermark);
            draft.push(&DataRecord::Watermark { volume, pg, watermark });
        }
    }

    fn raise_pg(&mut self, pg: PgId, epoch: PgEpoch, draft: &mut Draft) {
        let local = self.pg_number(pg, draft);
        if epoch > self.state.tables.pg_epoch(pg) {
            self.state.tables.set_pg(local, pg, epoch);
            draft.push(&DataRecord::Pg { local, pg, epoch });
        }
    }

    /// The PG's number; a PG seen for the first time gets one.
    fn pg_number(&mut self, pg: PgId, draft: &mut Draft) -> u32 {
        let tables = &mut self.state.tables;
        tables.pg_number(pg).unwrap_or_else(|| {
            let local = tables.next_pg();
            tables.set_pg(local, pg, PgEpoch::ZERO);
            draft.push(&DataRecord::Pg { local, pg, epoch: PgEpoch::ZERO });
            local
        })
    }

    fn apply_open_layer(
        &mut self,
        volume: VolumeId,
        layer: LayerId,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let tables = &mut self.state.tables;
        if let Some(row) = tables.layer_number(layer).and_then(|n| tables.layer(n)) {
            let known = !row.deleted && row.volume == volume;
            return if known { Ok(()) } else { Err(StoreError::NoLayer) };
        }
        let local = tables.next_layer();
        tables.set_layer(local, LayerRow { layer, volume, deleted: false, forget: false });
        draft.push(&DataRecord::NewLayer { local, layer, volume });
        Ok(())
    }

    fn apply_delete_layer(&mut self, lsn: u64, layer: LayerId, draft: &mut Draft) {
        let Some(local) = self.state.tables.live_layer(layer) else { return };
        self.state.tables.delete_layer(local, false);
        draft.push(&DataRecord::DeleteLayer { local });
        self.background.ask_for_purge(lsn);
    }

    fn apply_forget_layer(&mut self, lsn: u64, layer: LayerId, draft: &mut Draft) {
        let Some(local) = self.state.tables.layer_number(layer) else { return };
        if self.state.tables.live_layer(layer).is_some() {
            draft.push(&DataRecord::DeleteLayer { local });
        }
        self.state.tables.delete_layer(local, true);
        draft.push(&DataRecord::ForgetLayer { local });
        self.background.ask_for_purge(lsn);
    }

    /// A new number for the PG: what the old one holds is dead at once, and purged later.
    fn apply_drop_pg(&mut self, lsn: u64, pg: PgId, draft: &mut Draft) {
        let Some(old) = self.state.tables.pg_number(pg) else { return };
        if !self.state.holds_anything_of(old) {
            return;
        }
        let tables = &mut self.state.tables;
        let epoch = tables.pg_epoch(pg);
        let local = tables.next_pg();
        tables.set_pg(local, pg, epoch);
        draft.push(&DataRecord::Pg { local, pg, epoch });
        self.state.unsettled.drop_pg(old);
        self.background.ask_for_purge(lsn);
    }
}

impl PendingRun {
    fn content(&self, i: usize) -> Content {
        match &self.body {
            PendingBody::Data { data, crcs } => {
                Content::Inline { data: block_of(data, i), crc: crcs[i] }
            }
            PendingBody::Direct { cell, crcs } => {
                Content::Direct { cell: cell + i as u64, crc: crcs[i] }
            }
            PendingBody::Zero { .. } => Content::Zero,
            PendingBody::Absent { .. } => Content::Absent,
            PendingBody::Clear { .. } => unreachable!("zeros or nothing by now"),
        }
    }
}

fn block_of(data: &Bytes, i: usize) -> Bytes {
    data.slice(i * BLOCK_BYTES..(i + 1) * BLOCK_BYTES)
}
