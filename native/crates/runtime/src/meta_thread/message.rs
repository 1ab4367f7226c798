//! What other threads ask of the cluster state's thread.

use std::sync::mpsc::SyncSender;

use shoal_engine::insync::Probe;
use shoal_meta::hex::{Hex, ProposalId};
use shoal_meta::service::ReportKind;
use shoal_meta::state::{ClusterState, Command};
use shoal_types::{DiskId, HeadEpoch, PeerId, VolumeId};

use super::handle::{Done, Proposed};
use crate::peer::{DialError, Established};
use crate::supervisor::ClusterFile;

pub enum MetaMessage {
    /// Begin a cluster with this state; durable before the answer.
    Found {
        state: Box<ClusterState>,
        answer: SyncSender<Result<(), String>>,
    },
    /// This peer became a member (or found at start that it is one).
    Entered {
        file: Box<ClusterFile>,
    },
    Propose {
        id: ProposalId,
        command: Box<Command>,
        done: Done<Proposed>,
    },
    TakeHead {
        volume: VolumeId,
        generation: u64,
        expected: HeadEpoch,
        done: Done<Proposed>,
    },
    Barrier {
        done: Done<()>,
    },
    Report {
        disk: DiskId,
        kind: ReportKind,
    },
    /// Another peer's connection, for consensus or for questions.
    Accepted(Box<Established>),
    Dialled {
        peer: PeerId,
        result: Result<Box<Established>, DialError>,
    },
    /// The leader's own attempt to reach a disk ended.
    Probed {
        disk: DiskId,
        probe: Probe,
    },
    /// Close connections with peers that are members no more.
    MembersChanged,
    /// This peer greets as another one now, so to speak: connections begin anew.
    Reconnect,
    /// This peer is a member no more: stop renewing, stop asking.
    Removed,
    /// This peer votes and cannot admit peers: another voter may have the authority's key.
    WantKey,
    GiveKey {
        to: PeerId,
        seed: Hex<32>,
    },
    /// Give the lease back, then end the thread.
    Stop {
        answer: SyncSender<()>,
    },
}
