//! What a service is given, and what it gives back.

use shoal_types::{DiskId, MapEpoch, PeerId};

use crate::hex::{Hex, ProcessNonce, ProposalId};
use crate::raft::RaftConfig;
use crate::state::{ClusterState, Outcome};

#[derive(Clone, Copy, Debug)]
pub struct ServiceConfig {
    pub peer: PeerId,
    pub process: ProcessNonce,
    pub raft: RaftConfig,
    /// Between two ticks of consensus; the runtime may tick the service more often.
    pub raft_tick_ms: u64,
    pub lease_ms: u64,
    /// After this a proposal or read is unavailable; its fate is unknown.
    pub deadline_ms: u64,
    /// Without an answer for this long, the leader is asked again.
    pub retry_ms: u64,
    /// How long a voter may hold a follower's question when nothing is new.
    pub follow_hold_ms: u64,
    /// Reports older than this prove nothing.
    pub report_age_ms: u64,
    /// As the leader: chooses and replaces voters by itself.
    pub manages_voters: bool,
}

impl ServiceConfig {
    pub fn new(peer: PeerId, process: ProcessNonce, seed: u64) -> Self {
        Self {
            peer,
            process,
            raft: RaftConfig::new(peer, seed),
            raft_tick_ms: 100,
            lease_ms: 4_000,
            deadline_ms: 10_000,
            retry_ms: 500,
            follow_hold_ms: 5_000,
            report_age_ms: 5_000,
            manages_voters: true,
        }
    }
}

/// With what a peer starts.
pub struct ServiceInit<S> {
    pub log: S,
    /// There is a consensus log here: this peer votes or learns.
    pub has_log: bool,
    /// The state as this peer last knew it, if it keeps one beside the log.
    pub state: Option<ClusterState>,
    /// Peers to ask before any state is known.
    pub contacts: Vec<PeerId>,
}

/// Two clocks, read once per call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// CLOCK_BOOTTIME, for leases and time-outs.
    pub boot_ms: u64,
    /// For people, tokens and events; may jump.
    pub wall_ms: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Send {
        to: PeerId,
        bytes: Vec<u8>,
    },
    /// Once per proposal asked for here; after the state here shows it.
    Proposed {
        id: ProposalId,
        result: Result<(u64, Outcome), Unavailable>,
    },
    /// Once per barrier: the state here shows everything committed before it was asked.
    Barrier {
        token: u64,
        result: Result<(), Unavailable>,
    },
    StateChanged {
        index: u64,
        map_epoch: MapEpoch,
    },
    /// Leader: try to reach this disk's store, and say so by `probed`.
    Probe {
        disk: DiskId,
        peer: PeerId,
    },
    /// A voter asks for the authority's key: `give_key`, if it is here.
    KeyWanted {
        from: PeerId,
    },
    /// The authority's key, as another voter has it. To be compared with the state's.
    Key {
        seed: Hex<32>,
    },
    /// Others reach this disk: the fault is here.
    Blamed {
        disk: DiskId,
    },
}

/// No leader answered in time, or it cannot be proposed. What was sent may still be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    NoLeader,
    TooLarge,
    Judged,
}
