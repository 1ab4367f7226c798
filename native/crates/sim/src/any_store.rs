//! A disk's store: the model, which is fast and can be looked into, or the production store over a
//! simulated disk.

use shoal_engine::member::Recovered;
use shoal_types::{BlockState, DiskId, LayerId, PgId, StoreError, StoreOp, StoreReply};

use crate::disk_fault::{DiskFault, OpenError};
use crate::disk_store::DiskStore;
use crate::medium::Medium;
use crate::model_image::Image;
use crate::model_store::ModelStore;
use crate::plan::Plan;
use crate::rng::Rng;

pub enum AnyStore {
    Model(Box<ModelStore>),
    Disk(Box<DiskStore>),
}

/// A disk's content at one moment.
pub enum Snapshot {
    Model(Box<ModelStore>),
    Disk(Medium),
}

impl AnyStore {
    pub fn new(plan: &Plan, disk: DiskId) -> Self {
        match plan.production_store {
            true => Self::Disk(Box::new(DiskStore::new(disk))),
            false => Self::Model(Box::new(ModelStore::new(disk, plan.capacity))),
        }
    }

    /// What a start of the disk's member finds.
    pub fn open(&mut self, id: DiskId) -> Result<Recovered, OpenError> {
        match self {
            Self::Model(model) => model.open(id),
            Self::Disk(disk) => disk.open(id),
        }
    }

    /// Ends what `open` began.
    pub fn close(&mut self) {
        match self {
            Self::Model(_) => {}
            Self::Disk(disk) => disk.close(),
        }
    }

    /// Only grows, as long as nobody exchanges the disk's content.
    pub fn position(&self) -> u64 {
        match self {
            Self::Model(model) => model.position(),
            Self::Disk(disk) => disk.position(),
        }
    }

    /// A damage at the end of the log may hide acknowledged writes.
    pub fn may_have_lost(&self) -> bool {
        match self {
            Self::Model(_) => false,
            Self::Disk(disk) => disk.may_have_lost(),
        }
    }

    pub fn arm(&mut self, fault: DiskFault, rng: &mut Rng) {
        match self {
            Self::Model(model) => model.arm(fault, rng),
            Self::Disk(disk) => disk.arm(fault),
        }
    }

    /// Holds, or is about to hold, something that it will not read back.
    pub fn is_damaged(&self) -> bool {
        match self {
            Self::Model(model) => model.is_damaged(),
            Self::Disk(disk) => disk.is_damaged(),
        }
    }

    /// As if the disk had never lied.
    pub fn undo_damage(&mut self) {
        match self {
            Self::Model(model) => model.undo_damage(),
            Self::Disk(disk) => disk.undo_damage(),
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        match self {
            Self::Model(model) => Snapshot::Model(model.clone()),
            Self::Disk(disk) => Snapshot::Disk(disk.snapshot()),
        }
    }

    /// While no member has it open.
    pub fn restore(&mut self, snapshot: Snapshot) {
        match (self, snapshot) {
            (Self::Model(model), Snapshot::Model(old)) => *model = old,
            (Self::Disk(disk), Snapshot::Disk(medium)) => disk.restore(medium),
            _ => unreachable!("a store's own snapshot"),
        }
    }

    pub fn submit(&mut self, token: u64, op: StoreOp) {
        match self {
            Self::Model(model) => model.submit(token, op),
            Self::Disk(disk) => disk.submit(token, op),
        }
    }

    pub fn is_idle(&self) -> bool {
        match self {
            Self::Model(model) => model.is_idle(),
            Self::Disk(disk) => disk.is_idle(),
        }
    }

    pub fn commit(
        &mut self,
        count: usize,
        now_ms: u64,
        rng: &mut Rng,
    ) -> Vec<(u64, Result<StoreReply, StoreError>)> {
        match self {
            Self::Model(model) => model.commit(count, rng),
            Self::Disk(disk) => disk.commit(count, now_ms, rng),
        }
    }

    pub fn crash(&mut self, rng: &mut Rng) {
        match self {
            Self::Model(model) => model.crash(rng),
            Self::Disk(disk) => disk.crash(rng),
        }
    }

    /// Nothing is left, not even the mark of a store.
    pub fn wipe(&mut self) {
        match self {
            Self::Model(model) => model.wipe(),
            Self::Disk(disk) => disk.restore(Medium::default()),
        }
    }

    /// Makes a new store under the disk's name, beyond the old one's position.
    pub fn format(&mut self, id: DiskId, beyond: u64) {
        match self {
            Self::Model(model) => model.format(id, beyond),
            Self::Disk(disk) => disk.format(id, beyond),
        }
    }

    pub fn free_blocks(&self) -> u32 {
        match self {
            Self::Model(model) => model.free_blocks(),
            Self::Disk(disk) => disk.free_blocks(),
        }
    }

    /// What is durable, where that can be looked at.
    pub fn durable(&self) -> Option<&Image> {
        match self {
            Self::Model(model) => Some(model.durable()),
            Self::Disk(_) => None,
        }
    }

    /// What it keeps and nothing needs, once all is folded and it rests.
    pub fn leak(&mut self) -> Option<String> {
        match self {
            Self::Model(model) => model.leak(),
            Self::Disk(disk) => disk.leak(),
        }
    }

    /// One block as a reader sees it, at the end.
    pub fn read_now(
        &mut self,
        pg: PgId,
        layer: LayerId,
        block: u64,
    ) -> Result<BlockState, StoreError> {
        match self {
            Self::Model(model) => model.read_now(pg, layer, block),
            Self::Disk(disk) => disk.read_now(pg, layer, block),
        }
    }
}
