//! What a peer has of the record: on its disk, and in its process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shoal_meta::hex::{Hex, ProcessNonce, ProposalId};
use shoal_meta::local::Rejoins;
use shoal_meta::log_store::{DirLog, MemDir};
use shoal_meta::service::{MetaService, Unavailable};
use shoal_meta::state::{ClusterState, InSyncItem, Outcome};
use shoal_types::{DiskId, LayerId, MapEpoch, PgEpoch, PgId, VolumeId};

use super::heads::Entry;
use crate::rng::Rng;

pub type Service = MetaService<DirLog<MemDir>>;

pub struct Station {
    pub dir: MemDir,
    /// Kept beside the log by who does not vote; replaced whole.
    pub known: Option<Vec<u8>>,
    pub kept_at_ms: u64,
    /// Of this peer's wall clock, against the true time.
    pub wall_offset_ms: i64,
    pub process: Process,
}

/// Gone with the process.
pub struct Process {
    pub service: Option<Service>,
    pub nonce: ProcessNonce,
    pub lease_until_ms: u64,
    /// Map epoch whose views heads and stores were told.
    pub told: Option<MapEpoch>,
    /// The state is at least as new as the cluster's at some time since the start.
    pub is_current: bool,
    pub is_asking: bool,
    pub proposals: BTreeMap<ProposalId, After>,
    pub barriers: BTreeMap<u64, Look>,
    pub next_barrier: u64,
    pub inlet: VecDeque<Inward>,
    pub inlet_due: bool,
    pub heads: BTreeMap<VolumeId, Entry>,
    pub next_key: u64,
    /// Heads that are being given back, and that nobody here has.
    pub giving_back: u32,
    /// Disks of which the cluster is being told whether they are down.
    pub standings_told: BTreeSet<DiskId>,
    /// Layers that disks were told to drop.
    pub deleting: BTreeSet<(DiskId, LayerId)>,
    /// Disks that are held back: out until somebody says otherwise.
    pub held: BTreeSet<DiskId>,
    pub rejoins: Rejoins,
}

/// What goes on when a proposal was answered.
#[derive(Clone, Debug)]
pub enum After {
    Nothing,
    Taken { volume: VolumeId, key: u64 },
    Joined(InSyncItem),
    Announced { disk: DiskId, life: u64 },
    Unfit { disk: DiskId, life: u64 },
    Purged { disk: DiskId, volume: VolumeId, layer: LayerId },
    Restarted { disk: DiskId, pg: PgId, join_at: PgEpoch },
    Orphan,
    Standing { disk: DiskId },
    Cancelled { disk: DiskId, pg: PgId, join_at: PgEpoch },
}

/// Who wanted to see the newest state.
#[derive(Clone, Debug)]
pub enum Look {
    First,
    View { head: u64, pg: PgId, asked: u64 },
}

/// From the service, in order.
#[derive(Debug)]
pub enum Inward {
    StateChanged,
    Lease { until_ms: u64 },
    Answered { after: After, result: Result<Outcome, Unavailable> },
    Looked { look: Look, is_newest: bool },
}

impl Station {
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            dir: MemDir::new(),
            known: None,
            kept_at_ms: 0,
            wall_offset_ms: 0,
            process: Process::new(rng),
        }
    }

    /// The state as this peer has applied it.
    pub fn state(&self) -> Option<&ClusterState> {
        self.process.service.as_ref()?.state()
    }

    pub fn is_leader(&self) -> bool {
        self.process.service.as_ref().is_some_and(MetaService::is_leader)
    }
}

impl Process {
    pub fn new(rng: &mut Rng) -> Self {
        let word = u128::from(rng.word()) << 64 | u128::from(rng.word());
        Self {
            service: None,
            nonce: Hex::from_u128(word),
            lease_until_ms: 0,
            told: None,
            is_current: false,
            is_asking: false,
            proposals: BTreeMap::new(),
            barriers: BTreeMap::new(),
            next_barrier: 1,
            inlet: VecDeque::new(),
            inlet_due: false,
            heads: BTreeMap::new(),
            next_key: 1,
            giving_back: 0,
            standings_told: BTreeSet::new(),
            deleting: BTreeSet::new(),
            held: BTreeSet::new(),
            rejoins: Rejoins::default(),
        }
    }
}
