//! A store on a simulated disk, and the check of what it holds against the model.

use std::collections::BTreeMap;

use shoal_types::{LayerId, PgEpoch, StoreError, StoreOp, StoreReply, Version, VolumeId};

use super::disk::{Disk, Image};
use super::model::Model;
use super::rng::Rng;
use crate::{
    Budget, Figures, Format, FormatParams, Identity, Output, Params, Recovery, RecoveryError, Store,
};

pub const DISK_BYTES: u64 = 8 << 20;
/// Answers that a run may take before it counts as stuck.
const PATIENCE: u64 = 2_000_000;

pub fn identity() -> Identity {
    Identity {
        cluster_id: [7; 16],
        disk: shoal_types::DiskId(5),
        store_uuid: [9; 16],
        incarnation: 1,
    }
}

pub fn params(image_bytes: u64, start_id: u64) -> Params {
    let budget = Budget {
        dirty_bytes: 1 << 20,
        crc_cache_bytes: 4096,
        index_bytes: 4 << 20,
        background_depth: 4,
        gentle_depth: 4,
    };
    let cluster_id = identity().cluster_id;
    Params { cluster_id, disk: None, device_bytes: image_bytes, start_id, budget }
}

pub fn formatted(bytes: u64) -> Image {
    let params = FormatParams { identity: identity(), device_bytes: bytes, log_beyond: 0 };
    let mut format = Format::new(params).expect("large enough");
    let mut disk = Disk::new(Image::blank(bytes));
    let mut rng = Rng::new(1);
    loop {
        while let Some(io) = format.poll() {
            disk.issue(io);
        }
        if let Some(outcome) = format.take() {
            outcome.expect("a healthy disk");
            return disk.settle();
        }
        let (id, bytes) = disk.answer_one(&mut rng).expect("a format that is not stuck");
        format.on_io(id, Ok(bytes));
    }
}

/// Recovers to the end; `at_step` sees the disk before each answer.
pub fn recover(
    mut disk: Disk,
    rng: &mut Rng,
    mut at_step: impl FnMut(&Disk, &mut Rng),
) -> (Disk, Result<(Box<Store>, Figures), RecoveryError>) {
    let mut recovery = Recovery::new(params(DISK_BYTES, rng.next()));
    loop {
        while let Some(io) = recovery.poll() {
            disk.issue(io);
        }
        at_step(&disk, rng);
        if let Some(outcome) = recovery.take() {
            return (disk, outcome);
        }
        let (id, bytes) = disk.answer_one(rng).expect("a recovery that is not stuck");
        recovery.on_io(id, Ok(bytes));
    }
}

/// A store at work, and what was asked of it since it was last known exactly.
pub struct Rig {
    pub disk: Disk,
    pub store: Box<Store>,
    pub base: Model,
    /// Mutations since `base`, with their results as far as they are known.
    pub ops: Vec<(StoreOp, Option<Result<(), StoreError>>)>,
    next_read: u64,
    pub replies: BTreeMap<u64, Result<StoreReply, StoreError>>,
}

/// Tokens of reads start here.
const READS: u64 = 1 << 40;

impl Rig {
    pub fn new(disk: Disk, store: Box<Store>, base: Model) -> Self {
        let replies = BTreeMap::new();
        Self { disk, store, base, ops: Vec::new(), next_read: READS, replies }
    }

    pub fn fresh(rng: &mut Rng) -> Self {
        let (disk, store) = recover(Disk::new(formatted(DISK_BYTES)), rng, |_, _| {});
        Self::new(disk, store.expect("a fresh store").0, Model::default())
    }

    /// A store with only about `free` cells left, so that what is freed is soon used again.
    pub fn crowded(free: u64, rng: &mut Rng) -> Self {
        let mut rig = Self::fresh(rng);
        let (volume, layer, pg) = (VolumeId(3), LayerId(99), shoal_types::PgId::new(9, 9));
        rig.submit(StoreOp::OpenLayer { volume, layer });
        let mut block = 0;
        while rig.store.state.space.free() > free + 40 {
            // No two blocks of the whole test hold the same bytes.
            let seeds: Vec<u64> = (0..32).map(|i| (1 << 50) + block + i).collect();
            let body = super::workload::data(layer, block, &seeds);
            let version = Version::new(1, block + 1);
            let (stamp, watermark) = (PgEpoch(1), Some(version));
            rig.submit(StoreOp::Write {
                volume,
                pg,
                layer,
                block,
                version,
                stamp,
                watermark,
                body,
            });
            block += 32;
            rig.settle(rng);
        }
        rig.store.fold();
        rig.settle(rng);
        rig.base.layers.insert(layer, volume);
        rig.ops.clear();
        rig
    }

    pub fn submit(&mut self, op: StoreOp) {
        self.store.submit(self.ops.len() as u64, op.clone());
        self.ops.push((op, None));
        self.drain();
    }

    pub fn outstanding(&self) -> usize {
        self.ops.iter().rev().take_while(|(_, r)| r.is_none()).count()
    }

    /// Takes everything that the store puts out.
    pub fn drain(&mut self) {
        while let Some(output) = self.store.poll() {
            match output {
                Output::Io(io) => self.disk.issue(io),
                Output::Done { token, result } if token >= READS => {
                    self.replies.insert(token, result);
                }
                Output::Done { token, result } => self.note(token as usize, result),
            }
        }
    }

    fn note(&mut self, op: usize, result: Result<StoreReply, StoreError>) {
        let slot = &mut self.ops[op].1;
        assert!(slot.is_none(), "an op is done once");
        *slot = Some(result.map(|_| ()));
        if slot == &Some(Ok(())) {
            let earlier = self.ops[..op].iter();
            assert!(earlier.clone().all(|(_, r)| r.is_some()), "done in order");
        }
    }

    /// Answers one disk command; false if none is out.
    pub fn step(&mut self, rng: &mut Rng) -> bool {
        let Some((id, bytes)) = self.disk.answer_one(rng) else { return false };
        self.store.on_io(id, Ok(bytes));
        self.drain();
        true
    }

    pub fn settle(&mut self, rng: &mut Rng) {
        self.drain();
        let mut patience = PATIENCE;
        while self.step(rng) {
            patience -= 1;
            assert!(patience > 0, "the store never comes to rest");
        }
        assert!(self.store.is_idle(), "nothing is out, so nothing waits: {:?}", self.store.stats());
        assert!(self.ops.iter().all(|(_, r)| r.is_some()), "every op is answered");
    }

    pub fn ask(&mut self, op: StoreOp) -> u64 {
        let token = self.next_read;
        self.next_read += 1;
        self.store.submit(token, op);
        self.drain();
        token
    }

    /// Runs a read or list to its end.
    pub fn read(&mut self, op: StoreOp, rng: &mut Rng) -> Result<StoreReply, StoreError> {
        let token = self.ask(op);
        while !self.replies.contains_key(&token) {
            assert!(self.step(rng), "the read is stuck");
        }
        self.replies.remove(&token).expect("just seen")
    }

    /// Ops that were acknowledged, as a prefix; all that were submitted.
    pub fn prefix(&self) -> (usize, usize) {
        let acked = self.ops.iter().rposition(|(_, r)| r == &Some(Ok(())));
        (acked.map_or(0, |i| i + 1), self.ops.len())
    }

    /// The model after the first `count` ops, without those that were refused.
    pub fn model_at(&self, count: usize) -> Model {
        let mut model = self.base.clone();
        for (op, result) in &self.ops[..count] {
            if !matches!(result, Some(Err(_))) {
                model.apply(op);
            }
        }
        model
    }
}
