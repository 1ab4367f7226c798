//! A disk's store: the model, which is fast and can be looked into, or the production store over a
//! simulated disk.

use shoal_engine::member::Recovered;
use shoal_types::{BlockState, DiskId, LayerId, PgId, StoreError, StoreOp, StoreReply};

use crate::disk_store::DiskStore;
use crate::model_store::{Image, ModelStore};
use crate::plan::Plan;
use crate::rng::Rng;

pub enum AnyStore {
    Model(Box<ModelStore>),
    Disk(Box<DiskStore>),
}

impl AnyStore {
    pub fn new(plan: &Plan, disk: DiskId) -> Self {
        match plan.production_store {
            true => Self::Disk(Box::new(DiskStore::new(disk))),
            false => Self::Model(Box::new(ModelStore::new(plan.capacity))),
        }
    }

    pub fn open(&mut self) -> Recovered {
        match self {
            Self::Model(model) => model.recovered(),
            Self::Disk(disk) => disk.open(),
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
            Self::Model(model) => model.commit(count),
            Self::Disk(disk) => disk.commit(count, now_ms, rng),
        }
    }

    pub fn crash(&mut self, rng: &mut Rng) {
        match self {
            Self::Model(model) => model.crash(rng),
            Self::Disk(disk) => disk.crash(rng),
        }
    }

    pub fn wipe(&mut self) {
        match self {
            Self::Model(model) => model.wipe(),
            Self::Disk(disk) => disk.wipe(),
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

    /// One block as a reader sees it, at the end.
    pub fn read_now(&mut self, pg: PgId, layer: LayerId, block: u64) -> BlockState {
        match self {
            Self::Model(model) => {
                let entry = model.durable().blocks.get(&(pg, layer, block));
                entry.map_or(BlockState::Absent, |e| e.state.clone())
            }
            Self::Disk(disk) => disk.read_now(pg, layer, block),
        }
    }
}
