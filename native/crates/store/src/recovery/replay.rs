//! Applies both logs to what the root gave, then works out who owns which cell.

use bytes::Bytes;
use shoal_types::BLOCK_BYTES;

use crate::batch::LogPoint;
use crate::codec::Reader;
use crate::data_record::{DataRecord, Run, RunBody};
use crate::dirty::{Content, DirtyBlock, DirtyKey};
use crate::error::{Damage, RecoveryError};
use crate::index::Place;
use crate::meta_record::MetaRecord;
use crate::planted::planted;
use crate::recovery::load::damaged;
use crate::recovery::scan::Batch;
use crate::state::{BlockAt, State};
use crate::stats::Figures;
use crate::tables::LayerRow;

pub(super) struct Replay {
    state: State,
    /// Where the data log is to be replayed from.
    pub data_tail: LogPoint,
}

impl Replay {
    pub fn new(state: State, data_tail: LogPoint) -> Self {
        Self { state, data_tail }
    }

    pub fn meta_batch(&mut self, batch: &Batch) -> Result<(), RecoveryError> {
        let nonsense = || damaged(Damage::Record { lsn: batch.header.at.lsn });
        let mut r = Reader::new(batch.records());
        for _ in 0..batch.header.records {
            let record = MetaRecord::decode(&mut r).ok_or_else(nonsense)?;
            self.check_cells(&record)?;
            self.meta_record(record);
        }
        if r.is_empty() { Ok(()) } else { Err(nonsense()) }
    }

    /// The batch's inline blocks were verified by who found it.
    pub fn data_batch(&mut self, batch: &Batch) -> Result<(), RecoveryError> {
        let lsn = batch.header.at.lsn;
        let nonsense = || damaged(Damage::Record { lsn });
        let mut r = Reader::new(batch.records());
        let mut data = batch.data.clone();
        for _ in 0..batch.header.records {
            match DataRecord::decode(&mut r).ok_or_else(nonsense)? {
                DataRecord::Run(run) => self.run(lsn, &run, &mut data)?,
                other => self.table_record(other),
            }
        }
        Ok(())
    }

    /// Ownership of every cell: pages, index, log; each exactly once.
    pub fn finish(mut self, figures: &mut Figures) -> Result<State, RecoveryError> {
        self.own_pages()?;
        self.own_index()?;
        self.own_dirty()?;
        let state = &mut self.state;
        state.space.quarantine_orphans();
        figures.dirty_blocks = state.dirty.blocks();
        // Settled since it was listed.
        let marks: Vec<_> = state.tables.marks().collect();
        for (volume, pg, row) in marks {
            state.unsettled.settle(volume, pg, row.watermark);
        }
        Ok(self.state)
    }

    fn meta_record(&mut self, record: MetaRecord) {
        match record {
            MetaRecord::Set { pg, entry, crcs } => {
                self.state.index.set(pg, &entry);
                crcs.iter().for_each(|(cell, crc)| self.state.crcs.set(*cell, *crc));
            }
            MetaRecord::Delete { pg, key } => self.state.index.remove(pg, key),
            MetaRecord::DropIndex { pg } => {
                let images = self.state.index.drop_pg(pg);
                self.state.retired.extend(images);
            }
            MetaRecord::Tail(point) => self.data_tail = point,
            MetaRecord::Table(item) => self.state.tables.apply(item),
        }
    }

    fn check_cells(&self, record: &MetaRecord) -> Result<(), RecoveryError> {
        let MetaRecord::Set { entry, crcs, .. } = record else { return Ok(()) };
        let mut cells = entry.cells().chain(crcs.iter().map(|c| c.0));
        match cells.find(|cell| !self.state.space.contains(*cell)) {
            Some(cell) => Err(damaged(Damage::CellRange { cell })),
            None => Ok(()),
        }
    }

    fn table_record(&mut self, record: DataRecord) {
        let tables = &mut self.state.tables;
        match record {
            DataRecord::Volume { volume, epoch } => {
                tables.raise_head(volume, epoch);
            }
            DataRecord::Pg { local, pg, epoch } => tables.set_pg(local, pg, epoch),
            DataRecord::Watermark { volume, pg, watermark } => {
                if tables.has_pg(pg) {
                    tables.raise_mark(volume, pg, watermark);
                }
            }
            DataRecord::Newest { volume, pg, newest } => {
                if tables.has_pg(pg) {
                    tables.raise_newest(volume, pg, newest);
                }
            }
            DataRecord::NewLayer { local, layer, volume } => {
                tables.set_layer(local, LayerRow { layer, volume, deleted: false, forget: false });
            }
            DataRecord::DeleteLayer { local } => tables.delete_layer(local, false),
            DataRecord::ForgetLayer { local } => tables.delete_layer(local, true),
            DataRecord::Open { .. } | DataRecord::Run(_) => {}
        }
    }

    fn run(&mut self, lsn: u64, run: &Run, data: &mut Bytes) -> Result<(), RecoveryError> {
        let count = u64::from(run.count);
        if let RunBody::Direct { cell, .. } = run.body {
            let last = cell + count - 1;
            if !self.state.space.contains(cell) || !self.state.space.contains(last) {
                return Err(damaged(Damage::CellRange { cell }));
            }
            self.state.space.name(lsn, cell, count);
        }
        let inline = match &run.body {
            RunBody::Inline { .. } => data.split_to(run.count as usize * BLOCK_BYTES),
            _ => Bytes::new(),
        };
        // Of a layer or PG that a newer table has dropped: its cells are named, no more.
        let layer = self.state.tables.layer_number(run.layer);
        let Some(layer) = layer.filter(|_| self.state.tables.has_pg(run.pg)) else {
            return Ok(());
        };
        let volume = self.state.tables.layer(layer).expect("numbered layers have rows").volume;
        for i in 0..count {
            let at = BlockAt { pg: run.pg, layer, block: run.block + i };
            let content = content(run, &inline, i as usize);
            let block =
                DirtyBlock { lsn, stamp: run.stamp, content, reserves: false, frees: false };
            self.state.put_dirty(volume, at, block);
        }
        Ok(())
    }

    fn own(&mut self, cell: u64) -> Result<(), RecoveryError> {
        if !self.state.space.contains(cell) {
            return Err(damaged(Damage::CellRange { cell }));
        }
        if !self.state.space.own(cell) {
            return Err(damaged(Damage::CellShared { cell }));
        }
        Ok(())
    }

    fn own_pages(&mut self) -> Result<(), RecoveryError> {
        let index = self.state.index.all().filter_map(|(_, page)| page.stored);
        let crcs = self.state.crcs.pages().map(|(_, stored)| stored);
        let mut cells: Vec<u64> = index.chain(crcs).map(|(cell, _)| cell).collect();
        cells.extend(&self.state.retired);
        cells.into_iter().try_for_each(|cell| self.own(cell))
    }

    fn own_index(&mut self) -> Result<(), RecoveryError> {
        for pg in self.state.index.pgs().collect::<Vec<_>>() {
            let pages = self.state.index.pages_of(pg);
            let cells: Vec<(u32, u64)> = pages
                .flat_map(|p| p.entries())
                .flat_map(|e| e.cells().map(|c| (e.key.layer, c)).collect::<Vec<_>>())
                .collect();
            for (layer, cell) in cells {
                self.own(cell)?;
                *self.state.layer_blocks.entry(layer).or_default() += 1;
            }
        }
        Ok(())
    }

    /// A direct block whose cell the index owns already was folded before the crash: it is clean.
    fn own_dirty(&mut self) -> Result<(), RecoveryError> {
        let chunks = self.state.dirty.chunks();
        let blocks: Vec<(DirtyKey, usize, Content)> = chunks
            .flat_map(|(key, chunk)| {
                chunk.iter().map(move |(bit, b)| (key, bit, b.content.clone()))
            })
            .collect();
        for (key, bit, content) in blocks {
            let block = u64::from(key.chunk.chunk) * crate::state::CHUNK + bit as u64;
            let found = self.state.index.find(key.pg, key.chunk.layer, block);
            let place = found.map_or(Place::Absent, |f| f.place);
            match content {
                Content::Direct { cell, .. }
                    if place == Place::Cell(cell) && !planted!(ReplayOwned) =>
                {
                    self.state.clean(key, bit);
                }
                Content::Direct { cell, .. } => self.own(cell)?,
                Content::Inline { .. } => {
                    let reserves = !matches!(place, Place::Cell(_));
                    self.state.dirty.set_reserves(key, bit, reserves);
                }
                Content::Zero | Content::Absent => {}
            }
        }
        Ok(())
    }
}

fn content(run: &Run, inline: &Bytes, i: usize) -> Content {
    match &run.body {
        RunBody::Inline { crcs } => {
            // A COPY: a slice would keep all of what was read at once, and only blocks are counted.
            let bytes = &inline[i * BLOCK_BYTES..(i + 1) * BLOCK_BYTES];
            Content::Inline { data: Bytes::copy_from_slice(bytes), crc: crcs[i] }
        }
        RunBody::Direct { cell, crcs } => Content::Direct { cell: cell + i as u64, crc: crcs[i] },
        RunBody::Zero => Content::Zero,
        RunBody::Absent => Content::Absent,
    }
}
