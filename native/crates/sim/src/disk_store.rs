//! The production store over a simulated disk with a volatile cache: a crash keeps, loses or tears
//! (at 512 bytes) each write that was not stable yet, and the disk may lie.

use std::collections::VecDeque;

use bytes::Bytes;
use shoal_engine::member::Recovered;
use shoal_store::{
    Budget, DiskIo, Format, FormatParams, Identity, IoError, IoKind, LayerState, Output, Params,
    Recovery, RecoveryError, Stats, Store,
};
use shoal_types::{BlockState, DiskId, LayerId, PgId, StoreError, StoreOp, StoreReply, VolumeId};

use crate::disk_fault::{DiskFault, OpenError};
use crate::medium::Medium;
use crate::rng::Rng;

const DEVICE_BYTES: u64 = 16 << 20;
const CLUSTER: [u8; 16] = [7; 16];
/// Token of a read that the checker makes.
const CHECKER: u64 = u64::MAX;
const EIO: IoError = IoError { code: 5 };

/// So many folds and checkpoints free all that one of them may still need.
const FOLDS: usize = 3;
/// A store that has not come to rest after so many rounds never does.
const COMMANDS_MAX: usize = 20_000;
/// A start counts differently by so much: pages that it has not written yet.
const CELLS_OF_START: u64 = 4;

type Done = (u64, Result<StoreReply, StoreError>);

pub struct DiskStore {
    medium: Medium,
    /// Before the last start, where the medium was damaged then.
    before_start: Option<Medium>,
    /// Answered writes that a sync has not covered, and when they were answered.
    cached: Vec<(u64, u64, Vec<u8>)>,
    /// Issued, not answered; and what had been answered by then.
    issued: Vec<(DiskIo, u64)>,
    answered: u64,
    store: Option<Box<Store>>,
    done: VecDeque<Done>,
    now_ms: u64,
    starts: u64,
    formats: u8,
    armed: Vec<DiskFault>,
    /// Of the log, when the store was last open.
    last_position: u64,
    rng: Rng,
}

impl DiskStore {
    pub fn new(disk: DiskId) -> Self {
        let mut fresh = Self {
            medium: Medium::default(),
            before_start: None,
            cached: Vec::new(),
            issued: Vec::new(),
            answered: 0,
            store: None,
            done: VecDeque::new(),
            now_ms: 0,
            starts: 0,
            formats: 0,
            armed: Vec::new(),
            last_position: 0,
            rng: Rng::new(disk.0),
        };
        fresh.format(disk, 0);
        fresh
    }

    /// A new store under the disk's name, beyond everything that was heard of the old one.
    pub fn format(&mut self, disk: DiskId, log_beyond: u64) {
        self.put_back(Medium::default());
        self.armed.clear();
        self.formats += 1;
        let identity =
            Identity { cluster_id: CLUSTER, disk, store_uuid: [self.formats; 16], incarnation: 1 };
        let params = FormatParams { identity, device_bytes: DEVICE_BYTES, log_beyond };
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
    pub fn open(&mut self, disk: DiskId) -> Result<Recovered, OpenError> {
        self.starts += 1;
        self.before_start = self.medium.is_damaged().then(|| self.medium.clone());
        let params = Params {
            cluster_id: CLUSTER,
            disk: Some(disk),
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
            match recovery.take() {
                None => {}
                Some(Ok((store, _))) => break store,
                Some(Err(RecoveryError::OtherDisk { found })) => {
                    return Err(OpenError::OtherDisk { found });
                }
                Some(Err(error)) => return Err(OpenError::Damaged(format!("{error:?}"))),
            }
        };
        let recovered = recovered(&store);
        self.store = Some(store);
        Ok(recovered)
    }

    /// The end of the log may lie under a damage that this start did not notice.
    pub fn may_have_lost(&self) -> bool {
        self.before_start.is_some() && self.position() <= self.last_position
    }

    pub fn position(&self) -> u64 {
        self.store.as_ref().map_or(self.last_position, |s| s.log_position())
    }

    pub fn close(&mut self) {
        self.last_position = self.last_position.max(self.position());
        self.store = None;
        self.done.clear();
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
        self.now_ms = self.now_ms.max(now_ms);
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
            let answer = match self.fails(&io) {
                true => Err(EIO),
                false => Ok(self.execute(&io, covers)),
            };
            self.opened().on_io(io.id, answer);
            self.pump();
        }
        self.done.drain(..).collect()
    }

    /// An armed error hits this command; what a failed write left behind is any part of it.
    fn fails(&mut self, io: &DiskIo) -> bool {
        let fault = match io.kind {
            IoKind::Read { .. } => DiskFault::ReadError,
            _ => DiskFault::WriteError,
        };
        let Some(at) = self.armed.iter().position(|f| *f == fault) else { return false };
        self.armed.remove(at);
        if let IoKind::Write { offset, bufs, .. } = &io.kind {
            let mut rng = self.rng.clone();
            self.interrupt(*offset, &bufs.concat(), &mut rng);
            self.rng = rng;
        }
        true
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
                    self.settle(*offset, &data);
                } else {
                    self.cached.push((self.answered, *offset, data));
                }
                None
            }
            IoKind::Sync => {
                let (stable, kept): (Vec<_>, Vec<_>) =
                    self.cached.drain(..).partition(|(at, ..)| *at <= covers);
                self.cached = kept;
                stable.iter().for_each(|(_, offset, data)| self.settle(*offset, data));
                None
            }
            IoKind::Discard { .. } => None,
        }
    }

    /// A write reaches the medium, unless the disk lies.
    fn settle(&mut self, offset: u64, data: &[u8]) {
        let lie = |f: &DiskFault| !matches!(f, DiskFault::WriteError | DiskFault::ReadError);
        let Some(at) = self.armed.iter().position(lie) else {
            return self.medium.write(offset, data);
        };
        match self.armed.remove(at) {
            DiskFault::TornWrite => self.medium.tear(offset, data, &mut self.rng),
            DiskFault::MisdirectedWrite => self.medium.misdirect(offset, data, &mut self.rng),
            _ => self.medium.lose(offset, data),
        }
    }

    fn flush_below(&mut self, offset: u64, len: u64) {
        let below = |(_, at, data): &(u64, u64, Vec<u8>)| {
            *at < offset + len && offset < at + data.len() as u64
        };
        let (stable, kept): (Vec<_>, Vec<_>) = self.cached.drain(..).partition(below);
        stable.iter().for_each(|(_, offset, data)| self.medium.write(*offset, data));
        self.cached = kept;
    }

    /// What a reader sees: the cache over the medium.
    fn current(&self, offset: u64, len: u64) -> Bytes {
        let over = |at: u64, data: &[u8]| at < offset + len && offset < at + data.len() as u64;
        if !self.cached.iter().any(|(_, at, data)| over(*at, data)) {
            return self.medium.read(offset, len);
        }
        let mut seen = Medium::default();
        seen.write(offset, &self.medium.read(offset, len));
        for (_, at, data) in self.cached.iter().filter(|(_, at, data)| over(*at, data)) {
            seen.write(*at, data);
        }
        seen.read(offset, len)
    }

    pub fn crash(&mut self, rng: &mut Rng) {
        let cached = std::mem::take(&mut self.cached);
        cached.into_iter().for_each(|(_, offset, data)| self.interrupt(offset, &data, rng));
        for (io, _) in std::mem::take(&mut self.issued) {
            if let IoKind::Write { offset, bufs, .. } = io.kind {
                self.interrupt(offset, &bufs.concat(), rng);
            }
        }
        self.armed.clear();
        // What this run wrote since is the truth now.
        self.before_start = None;
        self.close();
    }

    /// Whole, not at all, some of its sectors, or noise in the sectors that were being written.
    fn interrupt(&mut self, offset: u64, data: &[u8], rng: &mut Rng) {
        match rng.below(7) {
            0 | 1 => self.medium.write(offset, data),
            2 | 3 => {}
            4 => self.medium.scramble(offset, data, rng),
            _ => {
                for (i, sector) in data.chunks(crate::medium::SECTOR_BYTES).enumerate() {
                    if rng.percent(50) {
                        let at = offset + (i * crate::medium::SECTOR_BYTES) as u64;
                        self.medium.write(at, sector);
                    }
                }
            }
        }
    }

    pub fn arm(&mut self, fault: DiskFault) {
        match fault {
            DiskFault::Rot => self.medium.rot(&mut self.rng),
            other => self.armed.push(other),
        }
    }

    pub fn is_damaged(&self) -> bool {
        self.medium.is_damaged() || self.armed.iter().any(|f| *f != DiskFault::WriteError)
    }

    pub fn undo_damage(&mut self) {
        self.armed.retain(|f| *f == DiskFault::WriteError);
        if self.store.is_none()
            && let Some(medium) = self.before_start.take()
        {
            self.put_back(medium);
        }
        self.medium.undo_damage();
    }

    pub fn snapshot(&self) -> Medium {
        let mut medium = self.medium.clone();
        self.cached.iter().for_each(|(_, offset, data)| medium.write(*offset, data));
        medium.undo_damage();
        medium
    }

    /// Another content, of whatever age.
    pub fn restore(&mut self, medium: Medium) {
        self.before_start = None;
        self.put_back(medium);
    }

    /// What a start wrote to the content that was there before has not happened.
    fn put_back(&mut self, medium: Medium) {
        self.cached.clear();
        self.issued.clear();
        self.medium = medium;
    }

    pub fn free_blocks(&self) -> u32 {
        let free = self.store.as_ref().map_or(0, |s| s.free_blocks_soft());
        free.min(u64::from(u32::MAX)) as u32
    }

    pub fn fold(&mut self) {
        self.opened().fold();
        self.pump();
    }

    /// Cells or log space that nothing needs: everything is folded, and what is free then is compared
    /// with what a new start finds free, which counts anew.
    pub fn leak(&mut self) -> Option<String> {
        self.store.as_ref()?;
        for _ in 0..FOLDS {
            self.opened().fold();
            self.opened().checkpoint();
            let rests = self.drain();
            if self.opened().stats().fenced {
                // By a fault that had waited for the next write: nothing is folded any more.
                return None;
            }
            if !rests {
                return Some("the store finds no rest".to_owned());
            }
        }
        let (id, kept) = (self.opened().identity().disk, self.opened().stats());
        self.close();
        if let Err(error) = self.open(id) {
            // By what the disk had lied about: only a start reads it.
            let lied = self.medium.is_damaged();
            return (!lied).then(|| format!("does not open: {error:?}"));
        }
        let found = self.opened().stats();
        let free = |s: &Stats| s.cells_free + s.cells_quarantined;
        let log_full = kept.data_log_used > kept.data_log_bytes / 4;
        let leaks =
            free(&kept) + CELLS_OF_START < free(&found) || kept.memory.dirty > 0 || log_full;
        leaks.then(|| format!("keeps {kept:?}, and a start finds {found:?}"))
    }

    /// All that is under way ends; false: it does not.
    fn drain(&mut self) -> bool {
        for _ in 0..COMMANDS_MAX {
            self.now_ms += 10;
            let now_ms = self.now_ms;
            self.opened().tick(now_ms);
            self.pump();
            if self.issued.is_empty() && self.opened().is_idle() {
                return true;
            }
            for (io, covers) in std::mem::take(&mut self.issued) {
                let answer = self.execute(&io, covers);
                self.opened().on_io(io.id, Ok(answer));
            }
        }
        false
    }

    /// One block as the store would answer it now.
    pub fn read_now(
        &mut self,
        pg: PgId,
        layer: LayerId,
        block: u64,
    ) -> Result<BlockState, StoreError> {
        self.submit(CHECKER, StoreOp::Read { pg, layer, block, blocks: 1 });
        loop {
            if let Some(at) = self.done.iter().position(|(token, _)| *token == CHECKER) {
                let (_, result) = self.done.remove(at).expect("just found");
                return match result {
                    Ok(StoreReply::Blocks(mut blocks)) => Ok(blocks.remove(0)),
                    Ok(other) => panic!("a read gave {other:?}"),
                    Err(StoreError::NoLayer) => Ok(BlockState::Absent),
                    Err(error) => Err(error),
                };
            }
            assert!(!self.issued.is_empty(), "a read hangs");
            let (io, covers) = self.issued.remove(0);
            let read = self.execute(&io, covers);
            self.opened().on_io(io.id, Ok(read));
            self.pump();
        }
    }
}

fn recovered(store: &Store) -> Recovered {
    let (heads, pgs, watermarks) = (store.volumes(), store.pgs(), store.marks());
    let (live, gone): (Vec<_>, Vec<_>) =
        store.layers().into_iter().partition(|(.., state)| *state == LayerState::Live);
    let named = |(layer, volume, _): (LayerId, VolumeId, LayerState)| (volume, layer);
    let layers = live.into_iter().map(named).collect();
    let deleted_layers = gone.into_iter().map(named).collect();
    Recovered { heads, pgs, watermarks, layers, deleted_layers }
}
