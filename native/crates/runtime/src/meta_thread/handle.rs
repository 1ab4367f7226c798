//! How other threads reach the cluster state.

use std::sync::{Arc, Mutex, PoisonError};

use shoal_engine::head::ReportReason;
use shoal_meta::hex::ProposalId;
use shoal_meta::local;
use shoal_meta::log_store::{DirLog, FsDir};
use shoal_meta::service::{MetaService, ReportKind, Unavailable};
use shoal_meta::state::{ClusterState, Command, Outcome};
use shoal_types::{DiskId, HeadEpoch, PeerId, VolumeId};

use super::MetaMessage;
use crate::clock;
use crate::ring::Sender;

/// The cluster state's service on a directory of files.
pub type Service = MetaService<DirLog<FsDir>>;

/// Why nothing is known of a proposal's fate, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaError {
    /// This peer belongs to no cluster.
    NoCluster,
    /// Not done, or not known to be done; asking again with the same proposal id is safe.
    Unavailable(Unavailable),
}

/// Called once, on the cluster state's thread: it must not block.
pub type Done<T> = Box<dyn FnOnce(Result<T, MetaError>) + Send>;

/// A command that was applied (or rejected), here as well as there.
#[derive(Clone, Debug)]
pub struct Proposed {
    pub outcome: Outcome,
    pub index: u64,
}

/// The service, driven by its own thread and read by all others.
#[derive(Default)]
pub struct MetaShared {
    service: Mutex<Option<Box<Service>>>,
}

impl MetaShared {
    fn with<R>(&self, read: impl FnOnce(&Service) -> R) -> Option<R> {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        service.as_deref().map(read)
    }

    /// Read the state as applied here. Keep it short: the cluster state's thread waits.
    pub fn read<R>(&self, read: impl FnOnce(&ClusterState) -> R) -> Option<R> {
        self.with(|service| service.state().map(read)).flatten()
    }

    pub(super) fn update<R>(&self, update: impl FnOnce(&mut Option<Box<Service>>) -> R) -> R {
        update(&mut self.service.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a recovery begins with: the newest state, and the term of the log.
    pub fn legacy(&self) -> Option<(ClusterState, u64)> {
        self.with(Service::legacy).flatten()
    }

    pub fn leader(&self) -> Option<PeerId> {
        self.with(|service| service.leader()).flatten()
    }

    pub fn is_leader(&self) -> bool {
        self.with(|service| service.is_leader()).unwrap_or(false)
    }

    /// A leader granted or renewed this peer's session lately.
    pub fn is_reachable(&self) -> bool {
        let now_ms = clock::now_ms();
        self.with(|service| service.lease_until_ms() > now_ms).unwrap_or(false)
    }

    /// Sessions as the leader sees them, with the ms that are left of each; `None` elsewhere.
    pub fn sessions(&self) -> Option<Vec<(PeerId, SessionState, u64)>> {
        let now_ms = clock::now_ms();
        let lines = |service: &Service| {
            let line = |(peer, until_ms): (PeerId, u64)| {
                let state = match until_ms > now_ms {
                    true if service.is_gone(peer) => SessionState::Gone,
                    true => SessionState::Live,
                    false => SessionState::Lapsed,
                };
                (peer, state, until_ms.saturating_sub(now_ms))
            };
            service.is_leader().then(|| service.sessions().into_iter().map(line).collect())
        };
        self.with(lines).flatten()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    Live,
    Lapsed,
    /// Nobody was found there.
    Gone,
}

impl SessionState {
    pub fn name(self) -> &'static str {
        match self {
            SessionState::Live => "live",
            SessionState::Lapsed => "lapsed",
            SessionState::Gone => "gone",
        }
    }
}

#[derive(Clone)]
pub struct MetaHandle {
    inbox: Sender<MetaMessage>,
    shared: Arc<MetaShared>,
}

impl MetaHandle {
    pub fn new(inbox: Sender<MetaMessage>, shared: Arc<MetaShared>) -> Self {
        Self { inbox, shared }
    }

    pub fn shared(&self) -> &MetaShared {
        &self.shared
    }

    pub fn read<R>(&self, read: impl FnOnce(&ClusterState) -> R) -> Option<R> {
        self.shared.read(read)
    }

    pub fn sessions(&self) -> Option<Vec<(PeerId, SessionState, u64)>> {
        self.shared.sessions()
    }

    pub fn send(&self, message: MetaMessage) {
        self.inbox.send(message);
    }

    /// Commit `command`. `done` comes after it was applied on this peer.
    pub fn propose(
        &self,
        id: ProposalId,
        command: Command,
        done: impl FnOnce(Result<Proposed, MetaError>) + Send + 'static,
    ) {
        let done = Box::new(done);
        self.inbox.send(MetaMessage::Propose { id, command: Box::new(command), done });
    }

    /// Take the head of a volume that is attached here: a new head epoch, or why not.
    pub fn take_head(
        &self,
        volume: VolumeId,
        generation: u64,
        expected: HeadEpoch,
        done: impl FnOnce(Result<Proposed, MetaError>) + Send + 'static,
    ) {
        let done = Box::new(done);
        self.inbox.send(MetaMessage::TakeHead { volume, generation, expected, done });
    }

    /// Let the leader judge whether a disk is to leave its in-sync sets.
    pub fn report(&self, disk: DiskId, reason: ReportReason) {
        self.inbox.send(MetaMessage::Report { disk, kind: local::report_kind(reason) });
    }

    /// A disk of this peer answers far too slowly.
    pub fn report_slow(&self, disk: DiskId) {
        self.inbox.send(MetaMessage::Report { disk, kind: ReportKind::StoreSlow });
    }

    /// `done` comes once this peer has applied everything that was committed before the call.
    pub fn barrier(&self, done: impl FnOnce(Result<(), MetaError>) + Send + 'static) {
        self.inbox.send(MetaMessage::Barrier { done: Box::new(done) });
    }
}
