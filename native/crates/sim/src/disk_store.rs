//! The production store over a simulated disk with a volatile cache: a crash keeps, loses or tears
//! (at 512 bytes) each write that was not stable yet.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use shoal_engine::member::Recovered;
use shoal_store::{
    Budget, DiskIo, Format, FormatParams, Identity, IoKind, LayerState, Output, Params, Recovery,
    Store,
};
use shoal_types::{BlockState, DiskId, LayerId, PgId, StoreError, StoreOp, StoreReply, VolumeId};

use crate::rng::Rng;

const DEVICE_BYTES: u64 = 16 << 20;
const CELL_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;
const CLUSTER: [u8; 16] = [7; 16];
/// Token of a read that the checker makes.
const CHECKER: u64 = u64::MAX;

type Done = (u64, Result<StoreReply, StoreError>);

pub struct DiskStore {
    disk: DiskId,
    image: Image,
    /// Answered writes that a sync has not covered, and when they were answered.
    cached: Vec<(u64, u64, Vec<u8>)>,
    /// Issued, not answered; and what had been answered by then.
    issued: Vec<(DiskIo, u64)>,
    answered: u64,
    store: Option<Box<Store>>,
    done: VecDeque<Done>,
    starts: u64,
    formats: u8,
}

#[derive(Default)]
struct Image(BTreeMap<u64, Vec<u8>>);

impl Image {
    fn write(&mut self, offset: u64, data: &[u8]) {
        for (i, sector) in data.chunks(SECTOR_BYTES).enumerate() {
            let at = offset as usize + i * SECTOR_BYTES;
            let cell = self.0.entry((at / CELL_BYTES) as u64);
            let cell = cell.or_insert_with(|| vec![0; CELL_BYTES]);
            cell[at % CELL_BYTES..][..sector.len()].copy_from_slice(sector);
        }
    }

    fn read(&self, offset: u64, len: u64) -> Bytes {
        let first = offset / CELL_BYTES as u64;
        let mut bytes = Vec::with_capacity(len as usize);
        for cell in first..first + len / CELL_BYTES as u64 {
            match self.0.get(&cell) {
                Some(cell) => bytes.extend_from_slice(cell),
                None => bytes.resize(bytes.len() + CELL_BYTES, 0),
            }
        }
        Bytes::from(bytes)
    }
}

impl DiskStore {
    pub fn new(disk: DiskId) -> Self {
        let mut fresh = Self {
            disk,
            image: Image::default(),
            cached: Vec::new(),
            issued: Vec::new(),
            answered: 0,
            store: None,
            done: VecDeque::new(),
            starts: 0,
            formats: 0,
        };
        fresh.format();
        fresh
    }

    fn format(&mut self) {
        self.formats += 1;
        let identity = Identity {
            cluster_id: CLUSTER,
            disk: self.disk,
            store_uuid: [self.formats; 16],
            incarnation: 1,
        };
        let params = FormatParams { identity, device_bytes: DEVICE_BYTES, log_beyond: 0 };
        let mut format = Format::new(params).expect("the disk is large enough");
        loop {
            while let Some(io) = format.poll() {
                let read = self.execute(&io, u64::MAX);
                format.on_io(io.id, Ok(read));
            }
            if let Some(outcome) = format.take() {
                return outcome.expect("a sound disk can be formatted");
            }
        }
    }

    /// Opens the store as a start would; gives what it recovered.
    pub fn open(&mut self) -> Recovered {
        self.starts += 1;
        let params = Params {
            cluster_id: CLUSTER,
            disk: Some(self.disk),
            device_bytes: DEVICE_BYTES,
            start_id: self.starts,
            budget: Budget { dirty_bytes: 1 << 20, ..Budget::default() },
        };
        let mut recovery = Recovery::new(params);
        let store = loop {
            while let Some(io) = recovery.poll() {
                let read = self.execute(&io, u64::MAX);
                recovery.on_io(io.id, Ok(read));
            }
            if let Some(outcome) = recovery.take() {
                break outcome.expect("a crash leaves a store that opens").0;
            }
        };
        let recovered = recovered(&store);
        self.store = Some(store);
        recovered
    }

    pub fn submit(&mut self, token: u64, op: StoreOp) {
        self.opened().submit(token, op);
        self.pump();
    }

    fn opened(&mut self) -> &mut Store {
        self.store.as_mut().expect("a member's store is open")
    }

    fn pump(&mut self) {
        while let Some(output) = self.opened().poll() {
            match output {
                Output::Io(io) => self.issued.push((io, self.answered)),
                Output::Done { token, result } => self.done.push_back((token, result)),
            }
        }
    }

    pub fn is_idle(&self) -> bool {
        self.issued.is_empty() && self.done.is_empty()
    }

    /// Answers `count` disk commands, in any order; gives the operations that ended by it.
    pub fn commit(&mut self, count: usize, now_ms: u64, rng: &mut Rng) -> Vec<Done> {
        self.opened().tick(now_ms);
        if rng.permille(5) {
            self.opened().fold();
        }
        self.pump();
        for _ in 0..count {
            if self.issued.is_empty() {
                break;
            }
            let (io, covers) = self.issued.remove(rng.below(self.issued.len() as u64) as usize);
            let read = self.execute(&io, covers);
            self.opened().on_io(io.id, Ok(read));
            self.pump();
        }
        self.done.drain(..).collect()
    }

    fn execute(&mut self, io: &DiskIo, covers: u64) -> Option<Bytes> {
        self.answered += 1;
        match &io.kind {
            IoKind::Read { offset, len } => Some(self.current(*offset, *len)),
            IoKind::Write { offset, bufs, durable } => {
                let data = bufs.concat();
                if *durable {
                    // What lies in the cache below it was there before.
                    self.flush_below(*offset, data.len() as u64);
                    self.image.write(*offset, &data);
                } else {
                    self.cached.push((self.answered, *offset, data));
                }
                None
            }
            IoKind::Sync => {
                let (stable, kept): (Vec<_>, Vec<_>) =
                    self.cached.drain(..).partition(|(at, ..)| *at <= covers);
                stable.iter().for_each(|(_, offset, data)| self.image.write(*offset, data));
                self.cached = kept;
                None
            }
            IoKind::Discard { .. } => None,
        }
    }

    fn flush_below(&mut self, offset: u64, len: u64) {
        let below = |(_, at, data): &(u64, u64, Vec<u8>)| {
            *at < offset + len && offset < at + data.len() as u64
        };
        let (stable, kept): (Vec<_>, Vec<_>) = self.cached.drain(..).partition(below);
        stable.iter().for_each(|(_, offset, data)| self.image.write(*offset, data));
        self.cached = kept;
    }

    /// What a reader sees: the cache over the medium.
    fn current(&self, offset: u64, len: u64) -> Bytes {
        let mut seen = Image::default();
        seen.write(offset, &self.image.read(offset, len));
        for (_, at, data) in &self.cached {
            if *at < offset + len && offset < at + data.len() as u64 {
                seen.write(*at, data);
            }
        }
        seen.read(offset, len)
    }

    pub fn crash(&mut self, rng: &mut Rng) {
        let cached = std::mem::take(&mut self.cached);
        cached.into_iter().for_each(|(_, offset, data)| self.tear(offset, &data, rng));
        for (io, _) in std::mem::take(&mut self.issued) {
            if let IoKind::Write { offset, bufs, .. } = io.kind {
                self.tear(offset, &bufs.concat(), rng);
            }
        }
        self.store = None;
        self.done.clear();
    }

    /// Whole, not at all, or some of its sectors.
    fn tear(&mut self, offset: u64, data: &[u8], rng: &mut Rng) {
        match rng.below(3) {
            0 => self.image.write(offset, data),
            1 => {}
            _ => {
                for (i, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                    if rng.percent(50) {
                        self.image.write(offset + (i * SECTOR_BYTES) as u64, sector);
                    }
                }
            }
        }
    }

    pub fn wipe(&mut self) {
        self.image = Image::default();
        self.format();
    }

    pub fn free_blocks(&self) -> u32 {
        let free = self.store.as_ref().map_or(0, |s| s.free_blocks_soft());
        free.min(u64::from(u32::MAX)) as u32
    }

    /// One block as the store would answer it now.
    pub fn read_now(&mut self, pg: PgId, layer: LayerId, block: u64) -> BlockState {
        self.submit(CHECKER, StoreOp::Read { pg, layer, block, blocks: 1 });
        loop {
            if let Some(at) = self.done.iter().position(|(token, _)| *token == CHECKER) {
                let (_, result) = self.done.remove(at).expect("just found");
                return match result {
                    Ok(StoreReply::Blocks(mut blocks)) => blocks.remove(0),
                    Err(StoreError::NoLayer) => BlockState::Absent,
                    other => panic!("{}: a read gave {other:?}", self.disk),
                };
            }
            assert!(!self.issued.is_empty(), "{}: a read hangs", self.disk);
            let (io, covers) = self.issued.remove(0);
            let read = self.execute(&io, covers);
            self.opened().on_io(io.id, Ok(read));
            self.pump();
        }
    }
}

fn recovered(store: &Store) -> Recovered {
    let (heads, pgs) = (store.volumes(), store.pgs());
    let mut watermarks = Vec::new();
    for (volume, _) in &heads {
        for (pg, _) in &pgs {
            let marks = (store.watermark(*volume, *pg), store.newest_version(*volume, *pg));
            watermarks.push((*volume, *pg, marks.0, marks.1));
        }
    }
    let live = |(layer, volume, state): (LayerId, VolumeId, LayerState)| {
        matches!(state, LayerState::Live).then_some((volume, layer))
    };
    let layers = store.layers().into_iter().filter_map(live).collect();
    Recovered { heads, pgs, watermarks, layers, deleted_layers: Vec::new() }
}
