//! Purge: gives back what deleted layers and dropped PGs held. Runs between folds, so that no fold
//! writes an entry back.

use crate::background::{Job, RecordQueue};
use crate::index::{ChunkKey, Page};
use crate::meta_record::MetaRecord;
use crate::store::Store;

#[derive(Default)]
pub(crate) struct Purge {
    started: bool,
    records: RecordQueue,
    /// In the order of the records.
    steps: std::collections::VecDeque<Step>,
    in_flight: usize,
    /// Dead when it began; what dies meanwhile is the next purge's.
    pgs: Vec<u32>,
    forgotten: Vec<u32>,
}

enum Step {
    Entry(u32, ChunkKey),
    Pg(u32),
}

impl Store {
    /// True if something happened.
    pub(crate) fn step_purge(&mut self, mut purge: Purge) -> bool {
        if self.meta_is_in_flight() {
            self.background.job = Some(Job::Purge(purge));
            return false;
        }
        if !purge.started {
            self.begin_purge(&mut purge);
        }
        let durable = std::mem::take(&mut purge.in_flight);
        let steps: Vec<Step> = purge.steps.drain(..durable).collect();
        steps.into_iter().for_each(|step| self.apply_purge(step));
        if purge.records.is_empty() {
            self.end_purge(&purge);
            return true;
        }
        if !self.meta_has_room() {
            self.suspend_for_checkpoint(Job::Purge(purge));
            return true;
        }
        let (bytes, count) = purge.records.take(self.meta_batch_bytes());
        purge.in_flight = count as usize;
        self.append_meta(&bytes, count);
        self.background.job = Some(Job::Purge(purge));
        true
    }

    fn begin_purge(&mut self, purge: &mut Purge) {
        purge.started = true;
        self.state.drop_dead_dirty();
        let tables = &self.state.tables;
        purge.pgs = tables.dead_pgs();
        let forgotten = tables.deleted_layers().filter(|(_, row)| row.forget);
        purge.forgotten = forgotten.map(|(number, _)| number).collect();
        for pg in self.state.index.pgs().collect::<Vec<_>>() {
            if self.state.tables.live_pg(pg).is_none() {
                purge.records.push(&MetaRecord::DropIndex { pg });
                purge.steps.push_back(Step::Pg(pg));
                continue;
            }
            let tables = &self.state.tables;
            let entries = self.state.index.pages_of(pg).flat_map(Page::keys);
            for key in entries.filter(|key| !tables.is_live_layer(key.layer)) {
                purge.records.push(&MetaRecord::Delete { pg, key });
                purge.steps.push_back(Step::Entry(pg, key));
            }
        }
    }

    fn apply_purge(&mut self, step: Step) {
        match step {
            Step::Entry(pg, key) => {
                let entry = self.state.index.entry(pg, key).expect("listed by this purge");
                entry.cells().for_each(|cell| self.state.space.release(cell));
                self.state.remove_entry(pg, key);
            }
            Step::Pg(pg) => {
                let entries: Vec<_> =
                    self.state.index.pages_of(pg).flat_map(|p| p.entries()).collect();
                for entry in entries {
                    entry.cells().for_each(|cell| self.state.space.release(cell));
                    let count = self.state.layer_blocks.entry(entry.key.layer).or_default();
                    *count -= entry.cells().count() as u64;
                }
                // The newest root still names the images of its pages.
                let images = self.state.index.drop_pg(pg);
                self.state.retired.extend(images);
            }
        }
    }

    /// Rows of what is gone for good follow, with the next fold's tables.
    fn end_purge(&mut self, purge: &Purge) {
        for pg in &purge.pgs {
            self.state.tables.remove_pg(*pg);
        }
        let tables = &mut self.state.tables;
        let owner = |layer: &u32| tables.layer(*layer).map(|row| row.volume);
        let volumes = purge.forgotten.iter().filter_map(owner).collect();
        for layer in &purge.forgotten {
            tables.remove_layer(*layer);
            self.state.layer_blocks.remove(layer);
        }
        tables.remove_volumes(volumes);
        self.end_job();
    }
}
