//! A scrub: reads everything that a store holds and has the reads verify it. It decides what is
//! read when; the driver carries its reads to the store like any other, and repairs what it finds.
//!
//! ORDER: metadata; then the logs are emptied by a fold and a checkpoint, so that damage in them does
//! no harm any more (memory has all that they hold); then data, page of the index by page.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shoal_types::{LayerId, PgId, StoreError, StoreOp, StoreReply};

use crate::index::entry::{BLOCKS, bits};
use crate::index::{Entry, Place};
use crate::state::CHUNK;
use crate::store::Store;

/// Reads out at once; each of at most a chunk.
const READS_MAX: usize = 4;

/// A block whose stored copy is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadBlock {
    pub pg: PgId,
    pub layer: LayerId,
    pub block: u64,
}

/// How far a scrub is, and what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubFigures {
    /// Stored when it began.
    pub blocks_total: u64,
    pub blocks_checked: u64,
    pub bad_blocks: u64,
    pub bad_metadata: u64,
}

/// What the driver is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum ScrubStep {
    /// `Store::check_metadata` with this token.
    CheckMetadata {
        token: u64,
    },
    /// Submit this read under this token.
    Read {
        token: u64,
        op: StoreOp,
    },
    /// Nothing before an answer comes, or before this time.
    Wait {
        until_us: Option<u64>,
    },
    Done,
}

#[derive(Clone, Copy)]
struct Run {
    pg: PgId,
    layer: LayerId,
    block: u64,
    blocks: u32,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Start,
    Metadata,
    Data,
}

pub struct Scrub {
    /// Only these; `None`: everything, and metadata too.
    layers: Option<BTreeSet<LayerId>>,
    /// Bytes read per second; 0: as fast as it goes.
    rate: u64,
    phase: Phase,
    first_token: u64,
    next_token: u64,
    /// Page of the index that was listed last.
    cursor: Option<(u32, u64)>,
    listed: bool,
    queue: VecDeque<Run>,
    reads: BTreeMap<u64, Run>,
    next_at_us: u64,
    metadata_before: u64,
    figures: ScrubFigures,
}

impl Scrub {
    /// Tokens from `first_token` on are the scrub's.
    pub fn new(layers: Option<BTreeSet<LayerId>>, rate: u64, first_token: u64) -> Self {
        Self {
            layers,
            rate,
            phase: Phase::Start,
            first_token,
            next_token: first_token,
            cursor: None,
            listed: false,
            queue: VecDeque::new(),
            reads: BTreeMap::new(),
            next_at_us: 0,
            metadata_before: 0,
            figures: ScrubFigures::default(),
        }
    }

    /// Goes on where an earlier one of the same kind was (see `cursor`), metadata aside.
    pub fn resume(&mut self, cursor: (u32, u64)) {
        self.cursor = Some(cursor);
    }

    /// Page of the index that it is at, for `resume`.
    pub fn cursor(&self) -> Option<(u32, u64)> {
        self.cursor
    }

    pub fn figures(&self) -> ScrubFigures {
        self.figures
    }

    /// Asked again after each answer, and when the time has come.
    pub fn step(&mut self, now_us: u64, store: &mut Store) -> ScrubStep {
        if self.phase == Phase::Start {
            return self.start(store);
        }
        if self.phase == Phase::Metadata || self.reads.len() >= READS_MAX {
            return ScrubStep::Wait { until_us: None };
        }
        while self.queue.is_empty() && !self.listed {
            self.list_page(store);
        }
        if self.queue.is_empty() {
            let over = self.reads.is_empty();
            return if over { ScrubStep::Done } else { ScrubStep::Wait { until_us: None } };
        }
        if now_us < self.next_at_us {
            return ScrubStep::Wait { until_us: Some(self.next_at_us) };
        }
        self.read(now_us)
    }

    fn start(&mut self, store: &mut Store) -> ScrubStep {
        self.figures.blocks_total = match &self.layers {
            None => store.stats().blocks_stored,
            Some(layers) => layers.iter().map(|layer| store.layer_usage(*layer)).sum(),
        };
        if self.layers.is_some() {
            self.phase = Phase::Data;
            return ScrubStep::Wait { until_us: Some(0) };
        }
        self.phase = Phase::Metadata;
        self.metadata_before = store.stats().bad_metadata;
        ScrubStep::CheckMetadata { token: self.token() }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token - 1
    }

    fn read(&mut self, now_us: u64) -> ScrubStep {
        let run = self.queue.pop_front().expect("just seen");
        let bytes = u64::from(run.blocks) * shoal_types::BLOCK_BYTES as u64;
        let pause_us = (bytes * 1_000_000).checked_div(self.rate).unwrap_or(0);
        self.next_at_us = self.next_at_us.max(now_us) + pause_us;
        let token = self.token();
        self.reads.insert(token, run);
        let Run { pg, layer, block, blocks } = run;
        ScrubStep::Read { token, op: StoreOp::Read { pg, layer, block, blocks } }
    }

    pub fn is_own(&self, token: u64) -> bool {
        (self.first_token..self.next_token).contains(&token)
    }

    /// The answer to a read or check of this scrub; a bad block, if it found one.
    pub fn on_done(
        &mut self,
        token: u64,
        result: &Result<StoreReply, StoreError>,
        store: &mut Store,
    ) -> Option<BadBlock> {
        let Some(run) = self.reads.remove(&token) else {
            self.figures.bad_metadata = store.stats().bad_metadata - self.metadata_before;
            store.fold();
            store.checkpoint();
            self.phase = Phase::Data;
            return None;
        };
        let Run { pg, layer, block, blocks } = run;
        let bad = matches!(result, Err(StoreError::BadBlock { .. }));
        if bad && blocks > 1 {
            // One of them: find out which.
            let singles = (block..block + u64::from(blocks)).rev();
            singles.for_each(|block| self.queue.push_front(Run { block, blocks: 1, ..run }));
            return None;
        }
        self.figures.blocks_checked += u64::from(blocks);
        self.figures.bad_blocks += u64::from(bad);
        bad.then_some(BadBlock { pg, layer, block })
    }

    /// Queues the runs of the next page of the index.
    fn list_page(&mut self, store: &Store) {
        let Some(page) = store.state.index.page_behind(self.cursor) else {
            self.listed = true;
            return;
        };
        self.cursor = Some((page.pg(), page.start()));
        let tables = &store.state.tables;
        let Some(row) = tables.live_pg(page.pg()) else { return };
        for entry in page.entries() {
            let layer = tables.layer(entry.key.layer).filter(|l| !l.deleted).map(|l| l.layer);
            let Some(layer) = layer.filter(|l| self.wants(*l)) else { continue };
            self.queue.extend(runs_of(&entry, row.pg, layer));
        }
    }

    fn wants(&self, layer: LayerId) -> bool {
        self.layers.as_ref().is_none_or(|layers| layers.contains(&layer))
    }
}

/// Neighbouring blocks that have cells, in one run.
fn runs_of(entry: &Entry, pg: PgId, layer: LayerId) -> Vec<Run> {
    let first = u64::from(entry.key.chunk) * CHUNK;
    let mask = (0..BLOCKS)
        .filter(|bit| matches!(entry.places[*bit], Place::Cell(_)))
        .fold(0u32, |mask, bit| mask | 1 << bit);
    let mut runs: Vec<Run> = Vec::new();
    for bit in bits(mask) {
        let block = first + bit as u64;
        match runs.last_mut().filter(|run| run.block + u64::from(run.blocks) == block) {
            Some(run) => run.blocks += 1,
            None => runs.push(Run { pg, layer, block, blocks: 1 }),
        }
    }
    runs
}
