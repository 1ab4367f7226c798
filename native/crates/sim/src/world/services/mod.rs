//! The cluster record as production keeps it: a `MetaService` on each peer, consensus among the
//! voters, its log on a simulated directory, its messages over the simulated network. What each peer
//! makes of the state is `shoal_meta::local`; this is the edge around it, as the data process has
//! one.

mod contest;
mod control;
mod directed;
mod disks;
mod drive;
mod event;
mod faults;
mod heads;
mod inlet;
mod say;
mod setup;
mod station;
mod sync;
mod truth;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use shoal_meta::hex::{ClusterId, Hex, ProposalId, StoreUuid};
use shoal_types::{DiskId, HeadEpoch, MapEpoch, PeerId, VolumeId};

use crate::plan::Plan;

pub use event::RecordEvent;
pub use station::Station;

/// Who keeps the cluster record: what `World::cluster` says is decided there.
pub enum Record {
    /// One object, linearizable and always there.
    Oracle,
    Services(Box<Services>),
}

pub struct Services {
    stations: Vec<Station>,
    next_proposal: u128,
    /// Of the newest state that anybody applied.
    index: u64,
    map_epoch: Option<MapEpoch>,
    /// Newest head of each volume that served, and its attachment.
    served: BTreeMap<VolumeId, (HeadEpoch, u64)>,
    /// Newest head of each volume, and its newest attachment.
    attached: BTreeMap<VolumeId, (HeadEpoch, u64)>,
    /// Volumes that their user wants to be gone.
    unwanted: BTreeSet<VolumeId>,
    names: u64,
    /// Nobody hears anybody of the record until then.
    silent_until_us: u64,
    /// Consensus logs that were lost.
    lost_logs: u64,
    /// The control process of whoever leads does nothing until then.
    control_gone_until_us: u64,
    /// A volume that people take away from a peer that nobody reaches.
    contest: Option<contest::Contest>,
    is_set_up: bool,
}

/// Everything is founded as this cluster.
const CLUSTER: ClusterId = Hex([7; 16]);
/// Wall clocks begin here, in milliseconds.
const WALL_START_MS: u64 = 1_700_000_000_000;

impl Record {
    pub fn services(&self) -> Option<&Services> {
        match self {
            Self::Oracle => None,
            Self::Services(services) => Some(services),
        }
    }

    pub fn services_mut(&mut self) -> Option<&mut Services> {
        match self {
            Self::Oracle => None,
            Self::Services(services) => Some(services),
        }
    }
}

impl Services {
    pub fn new(plan: &Plan, rng: &mut crate::rng::Rng) -> Self {
        Self {
            stations: (0..plan.peers).map(|_| Station::new(rng)).collect(),
            next_proposal: 1,
            index: 0,
            map_epoch: None,
            served: BTreeMap::new(),
            attached: BTreeMap::new(),
            unwanted: BTreeSet::new(),
            names: 0,
            silent_until_us: 0,
            lost_logs: 0,
            control_gone_until_us: 0,
            contest: None,
            is_set_up: false,
        }
    }

    fn fresh_id(&mut self) -> ProposalId {
        self.next_proposal += 1;
        Hex::from_u128(self.next_proposal)
    }
}

fn id_of(peer: u64) -> PeerId {
    PeerId(peer + 1)
}

fn number_of(peer: PeerId) -> u64 {
    peer.0 - 1
}

/// A store keeps its name when it is made anew.
fn uuid_of(disk: DiskId) -> StoreUuid {
    Hex::from_u128(u128::from(disk.0))
}
