//! One disk's store: ops in, disk commands and results out.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use shoal_types::{
    HeadEpoch, LayerId, PgEpoch, PgId, StoreError, StoreOp, StoreReply, Version, VolumeId,
};

use crate::background::Background;
use crate::check::{Checked, MetadataCheck};
use crate::codec::Seal;
use crate::commit::Commits;
use crate::io::{DiskIo, IoError, IoId, IoKind, Output};
use crate::layout::Layout;
use crate::map::KeptMap;
use crate::op::prepare;
use crate::params::{Budget, Identity};
use crate::read::Reads;
use crate::ring::Ring;
use crate::state::State;
use crate::stats::{Memory, Stats};
use crate::tables::{LayerState, MarkRow};

/// Whom a disk command's answer goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IoUse {
    /// A part of the batch in flight in the data log.
    Commit,
    /// Data of the op with this number, on its way to cells.
    Direct(u64),
    /// A part of the batch in flight in the metadata log.
    Meta,
    /// A write, sync or root of the background job.
    Job,
    /// A checksum page that the checkpoint merges.
    JobCrcPage(u64),
    /// A part of the check of what the store keeps for itself.
    Check(Checked),
    /// A piece of the cluster state.
    Map,
    /// Cells for a read: its number, the part's number.
    Data { read: u64, part: usize },
    /// A checksum page for reads.
    CrcPage(u64),
}

pub struct Store {
    pub(crate) identity: Identity,
    /// As it was read: also what only a newer version understands.
    pub(crate) superblock: Bytes,
    pub(crate) layout: Layout,
    pub(crate) seal: Seal,
    pub(crate) start_id: u64,
    pub(crate) budget: Budget,
    pub(crate) state: State,
    pub(crate) data_log: Ring,
    pub(crate) meta_log: Ring,
    pub(crate) root_generation: u64,
    /// Bytes of the newest root, header included.
    pub(crate) root_len: u64,
    pub(crate) commits: Commits,
    pub(crate) reads: Reads,
    pub(crate) background: Background,
    pub(crate) check: Option<MetadataCheck>,
    pub(crate) map: KeptMap,
    pub(crate) figures: Stats,
    fenced: bool,
    out: VecDeque<Output>,
    ios: BTreeMap<u64, IoUse>,
    next_io: u64,
    now_ms: u64,
}

/// What recovery found, for `Store::new`.
pub(crate) struct Recovered {
    pub identity: Identity,
    pub superblock: Bytes,
    pub layout: Layout,
    pub start_id: u64,
    pub budget: Budget,
    pub state: State,
    pub data_log: Ring,
    pub meta_log: Ring,
    pub root_generation: u64,
    pub root_len: u64,
    pub map: KeptMap,
    pub next_io: u64,
}

impl Store {
    pub(crate) fn new(found: Recovered) -> Self {
        let mut store = Self {
            identity: found.identity,
            superblock: found.superblock,
            layout: found.layout,
            seal: Seal::new(&found.identity.store_uuid),
            start_id: found.start_id,
            budget: found.budget,
            state: found.state,
            data_log: found.data_log,
            meta_log: found.meta_log,
            root_generation: found.root_generation,
            root_len: found.root_len,
            commits: Commits::default(),
            reads: Reads::default(),
            background: Background::default(),
            check: None,
            map: found.map,
            figures: Stats::default(),
            fenced: false,
            out: VecDeque::new(),
            ios: BTreeMap::new(),
            next_io: found.next_io,
            now_ms: 0,
        };
        store.schedule_leftovers();
        store
    }

    /// Takes an op. Its `Done` comes out of `poll`, at once or later.
    pub fn submit(&mut self, token: u64, op: StoreOp) {
        if self.fenced {
            return self.done(token, Err(StoreError::Fenced));
        }
        let op = match op {
            StoreOp::Read { pg, layer, block, blocks } => {
                return self.submit_read(token, pg, layer, block, blocks, false);
            }
            StoreOp::ReadVersioned { pg, layer, block, blocks } => {
                return self.submit_read(token, pg, layer, block, blocks, true);
            }
            StoreOp::Repair { pg, layer, block, data, crc } => {
                return self.submit_repair(token, (pg, layer, block), data, crc);
            }
            list @ (StoreOp::Unsettled { .. } | StoreOp::Changed { .. }) => {
                return self.submit_list(token, list);
            }
            change => change,
        };
        match prepare(op).expect("reads and lists were taken above") {
            Ok(change) => self.enqueue(token, change),
            Err(error) => self.done(token, Err(error)),
        }
    }

    /// Next disk command or result; `None` when there is nothing to do but wait.
    pub fn poll(&mut self) -> Option<Output> {
        if self.out.is_empty() && !self.fenced {
            self.pump();
        }
        self.out.pop_front()
    }

    /// The answer to a disk command that `poll` handed out.
    pub fn on_io(&mut self, id: IoId, result: Result<Option<Bytes>, IoError>) {
        let usage = self.ios.remove(&id.0).expect("an answer to a command that is out");
        if self.fenced {
            return;
        }
        match (usage, result) {
            (IoUse::Data { read, part }, result) => self.on_data(read, part, result.ok().flatten()),
            (IoUse::Check(part), result) => self.on_check_io(part, result),
            (IoUse::CrcPage(number), result) => self.on_crc_page(number, result.ok().flatten()),
            (IoUse::JobCrcPage(number), result) => {
                self.on_job_crc_page(number, result.ok().flatten());
            }
            // An error of a write or sync is never tried again: what is stable is unknown.
            (_, Err(_)) => self.fence(),
            (IoUse::Commit, Ok(_)) => self.on_commit_io(),
            (IoUse::Direct(op), Ok(_)) => self.on_direct_io(op),
            (IoUse::Meta, Ok(_)) => self.on_meta_io(),
            (IoUse::Job, Ok(_)) => self.on_job_io(),
            (IoUse::Map, Ok(_)) => self.on_map_io(),
        }
    }

    /// Tells the time; folds what has been lying in the log while nobody writes.
    pub fn tick(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.fold_if_idle(self.now_ms);
    }

    /// When `tick` has something to do; in the clock of `tick`.
    pub fn next_deadline(&self) -> Option<u64> {
        let deadlines = [self.idle_deadline(self.now_ms), self.background.deadline()];
        if self.fenced { None } else { deadlines.into_iter().flatten().min() }
    }

    /// A disk error happened: every op is refused, and nothing is written any more.
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Bounds from now on. What is over them is not taken away, but nothing is added.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
        self.state.crcs.set_cache_bytes(budget.crc_cache_bytes);
    }

    /// Takes the store out for good, as after a disk error.
    pub fn fence(&mut self) {
        self.fenced = true;
        self.forget_map_writes();
        self.out.retain(|o| matches!(o, Output::Done { .. }));
        let check = self.check.take().map(|check| check.token);
        self.out.extend(check.map(|token| Output::Done { token, result: Err(StoreError::Fenced) }));
        for token in self.commits.drain_tokens().into_iter().chain(self.reads.drain_tokens()) {
            self.done(token, Err(StoreError::Fenced));
        }
    }

    /// No command is out, nothing is queued, no job runs.
    pub fn is_idle(&self) -> bool {
        self.out.is_empty()
            && self.ios.is_empty()
            && self.commits.is_empty()
            && self.reads.is_empty()
            && self.check.is_none()
            && self.map.is_idle()
            && !self.background.is_running()
    }

    /// Highest epoch submitted for this volume, durable once its op is done.
    pub fn head_epoch(&self, volume: VolumeId) -> HeadEpoch {
        self.state.tables.head_epoch(volume).max(self.commits.head_epoch(volume))
    }

    pub fn pg_epoch(&self, pg: PgId) -> PgEpoch {
        self.state.tables.pg_epoch(pg).max(self.commits.pg_epoch(pg))
    }

    pub fn watermark(&self, volume: VolumeId, pg: PgId) -> Version {
        let pg = self.state.tables.pg_number(pg);
        pg.map_or(Version::ZERO, |pg| self.state.tables.mark(volume, pg).watermark)
    }

    /// Newest version ever stored of this volume in this PG, since the PG was last dropped.
    pub fn newest_version(&self, volume: VolumeId, pg: PgId) -> Version {
        let pg = self.state.tables.pg_number(pg);
        pg.map_or(Version::ZERO, |pg| self.state.tables.mark(volume, pg).newest)
    }

    /// (volume, PG, watermark, newest version), of each pair that has any.
    pub fn marks(&self) -> Vec<(VolumeId, PgId, Version, Version)> {
        let tables = &self.state.tables;
        let of_live = |(volume, local, row): (VolumeId, u32, MarkRow)| {
            tables.live_pg(local).map(|pg| (volume, pg.pg, row.watermark, row.newest))
        };
        tables.marks().filter_map(of_live).collect()
    }

    pub fn volumes(&self) -> Vec<(VolumeId, HeadEpoch)> {
        self.state.tables.volumes().collect()
    }

    pub fn pgs(&self) -> Vec<(PgId, PgEpoch)> {
        self.state.tables.pgs().collect()
    }

    pub fn layers(&self) -> Vec<(LayerId, VolumeId, LayerState)> {
        let rows = self.state.tables.layers();
        let state = |deleted| if deleted { LayerState::Deleted } else { LayerState::Live };
        rows.map(|(_, row)| (row.layer, row.volume, state(row.deleted))).collect()
    }

    /// Blocks that a layer takes: cells, and dirty blocks that will need one.
    pub fn layer_usage(&self, layer: LayerId) -> u64 {
        let Some(number) = self.state.tables.live_layer(layer) else { return 0 };
        let stored = self.state.layer_blocks.get(&number).copied().unwrap_or_default();
        let chunks = self.state.dirty.chunks().filter(|(k, _)| k.chunk.layer == number);
        chunks.fold(stored, |sum, (key, chunk)| {
            let entry = self.state.index.entry(key.pg, key.chunk);
            chunk.iter().fold(sum, |sum, (bit, block)| {
                let had = entry.as_ref().is_some_and(|e| e.has_cell(bit));
                let has = block.content.is_data();
                sum + u64::from(has && !had) - u64::from(had && !has)
            })
        })
    }

    /// How far the data log has come, in cells. Grows with every start and every commit, so an
    /// older image of the disk shows by a smaller one.
    pub fn log_position(&self) -> u64 {
        self.data_log.head.lsn
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn stats(&self) -> Stats {
        let state = &self.state;
        Stats {
            cells_total: self.layout.cells.cells,
            cells_free: state.space.free(),
            cells_quarantined: state.space.waiting(),
            blocks_writable: self.free_blocks_soft(),
            blocks_stored: state.blocks_stored(),
            data_log_bytes: self.data_log.cells() * 4096,
            data_log_used: self.data_log.used() * 4096,
            meta_log_bytes: self.meta_log.cells() * 4096,
            meta_log_used: self.meta_log.used() * 4096,
            queued_ops: self.commits.queued() as u64,
            root_bytes: self.root_bytes(),
            root_bytes_max: self.root_bytes_max(),
            tables_full: self.metadata_full(),
            fenced: self.fenced,
            memory: Memory {
                index: state.index.page_count() * 4096,
                dirty: state.dirty.bytes(),
                crc_overlay: state.crcs.overlay_bytes(),
                crc_cache: state.crcs.cache_bytes(),
                free_map: state.space.bytes(),
                tables: state.tables.bytes(),
            },
            ..self.figures
        }
    }

    pub(crate) fn done(&mut self, token: u64, result: Result<StoreReply, StoreError>) {
        self.out.push_back(Output::Done { token, result });
    }

    pub(crate) fn issue(&mut self, usage: IoUse, kind: IoKind) {
        let id = self.next_io;
        self.next_io += 1;
        self.ios.insert(id, usage);
        self.out.push_back(Output::Io(DiskIo { id: IoId(id), kind }));
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn pump(&mut self) {
        loop {
            let queue = self.pump_queue();
            if self.background.starved {
                // Nobody may wait for room that never comes: the others go on without this store.
                return self.fence();
            }
            let job = !self.fenced && self.pump_job();
            // A long plan is made in slices: the next one with the next answer, if one is to come.
            if (!queue && !job) || (self.fold_is_planning() && !self.ios.is_empty()) {
                return;
            }
        }
    }
}
