//! One voter (or learner): consensus and the cluster state that it drives.

use std::fmt;

use raft::{RawNode, StateRole};
use shoal_types::PeerId;

use super::admit::{Refused, admit};
use super::conf_change::to_library;
use super::election::timeout_ticks;
use super::log_cache::LogCache;
use super::message::RaftMessage;
use super::pending_reads::PendingReads;
use crate::codec::DecodeError;
use crate::hex::ProposalId;
use crate::log_store::{
    HardState, LogEntry, LogError, LogStore, Payload, Position, Recovered, Snapshot,
};
use crate::state::{ClusterState, ConfChange, Outcome, Proposal};

#[derive(Clone, Copy, Debug)]
pub struct RaftConfig {
    pub peer: PeerId,
    /// Ticks without a leader before an election begins; up to twice as many, by a hash.
    pub election_ticks: usize,
    pub heartbeat_ticks: usize,
    /// For the election time-outs alone; equal seeds give equal runs.
    pub seed: u64,
    /// Applied entries in the log that make it worth a snapshot, and those kept behind one.
    pub compact_entries: u64,
    pub keep_entries: u64,
    /// Bytes of entries that make it worth a snapshot.
    pub compact_bytes: usize,
}

impl RaftConfig {
    pub fn new(peer: PeerId, seed: u64) -> Self {
        Self {
            peer,
            election_ticks: 10,
            heartbeat_ticks: 2,
            seed,
            compact_entries: 8_192,
            keep_entries: 1_024,
            compact_bytes: 32 << 20,
        }
    }
}

/// Entries by which a learner may be behind when it becomes a voter.
const PROMOTE_LAG_MAX: u64 = 256;

/// Terms that lost voters may have been ahead.
const TERM_JUMP: u64 = 1 << 20;

/// The process cannot go on. Never skipped, never retried.
#[derive(Debug)]
pub enum Fatal {
    Log(LogError),
    /// A committed entry that this version does not know: it must be upgraded first.
    UnknownCommand {
        index: u64,
        error: DecodeError,
    },
    Snapshot(DecodeError),
    Library(String),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::UnknownCommand { index, error } => write!(
                f,
                "entry {index} holds a command of a newer version ({error}); upgrade this peer"
            ),
            Self::Snapshot(error) => write!(f, "the state's snapshot is unreadable: {error}"),
            Self::Library(what) => write!(f, "consensus cannot be built: {what}"),
        }
    }
}

impl std::error::Error for Fatal {}

impl From<LogError> for Fatal {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// Nothing was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotProposed {
    NotLeader {
        leader: Option<PeerId>,
    },
    /// Leadership is moving, or too much is in flight. Try again.
    Busy,
    TooLarge {
        bytes: usize,
    },
    /// Membership: not possible now (unknown peer, the last voter, the leader itself).
    NotAllowed,
}

/// What is to be done; everything it rests on is durable.
#[derive(Debug, Default)]
pub struct Effects {
    pub send: Vec<(PeerId, Vec<u8>)>,
    pub applied: Vec<AppliedEntry>,
    /// Contexts of reads that the state may answer now.
    pub reads: Vec<u64>,
    /// The state was replaced by a leader's snapshot.
    pub installed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedEntry {
    pub index: u64,
    pub proposal: ProposalId,
    pub outcome: Outcome,
}

pub struct RaftNode<S> {
    pub(super) config: RaftConfig,
    pub(super) raw: RawNode<LogCache>,
    pub(super) log: S,
    /// None: a joiner that waits for its first snapshot.
    pub(super) state: Option<ClusterState>,
    pub(super) snapshot_index: u64,
    pub(super) reads: PendingReads,
    pub(super) effects: Effects,
    pub(super) ticks: u64,
    /// When a snapshot was sent to whom, in ticks.
    pub(super) snapshots_sent: Vec<(u64, u64)>,
    pub(super) panics: u64,
    pub(super) refused: u64,
    /// What the log holds is of an incarnation that is over, until a snapshot replaces it.
    pub(super) begins_anew: bool,
}

/// Begins a cluster: voter 1 has a snapshot and an empty log.
pub fn found(log: &mut impl LogStore, state: &ClusterState) -> Result<(), LogError> {
    let at = Position { index: ClusterState::GENESIS_INDEX, term: 1 };
    assert_eq!(state.index(), at.index, "a cluster begins with its genesis");
    let snapshot = Snapshot { at, voters: state.voters().clone(), state: state.encode().into() };
    log.replace(&snapshot, HardState { term: 1, vote: 0, commit: at.index }, at, &[])
}

/// Begins the next incarnation of a cluster: what this log promised to the one before is given up.
pub fn refound(log: &mut impl LogStore, state: &ClusterState, term: u64) -> Result<(), LogError> {
    let at = Position { index: state.index(), term: term + TERM_JUMP };
    let snapshot = Snapshot { at, voters: state.voters().clone(), state: state.encode().into() };
    let hard_state = HardState { term: at.term, vote: 0, commit: at.index };
    // Where there was no log, one begins: a snapshot without any would look like one that was lost.
    log.load()?;
    log.replace(&snapshot, hard_state, at, &[])
}

/// No entries and no members: only what was voted, and when.
fn vote_of(recovered: Recovered) -> Recovered {
    let hard_state = HardState { commit: 0, ..recovered.hard_state };
    Recovered { hard_state, ..Recovered::default() }
}

impl<S: LogStore> RaftNode<S> {
    /// From what is durable; an empty log makes a joiner.
    pub fn open(config: RaftConfig, mut log: S) -> Result<Self, Fatal> {
        let recovered = log.load()?;
        Self::begin(config, log, recovered, false)
    }

    /// A joiner, though the log is full: all it holds is of an incarnation that is over. IT STAYS THERE
    /// until the new one's snapshot takes its place at once; a crash before that makes this peer a
    /// voter that comes back late, as before.
    pub fn open_anew(config: RaftConfig, mut log: S) -> Result<Self, Fatal> {
        let recovered = vote_of(log.load()?);
        Self::begin(config, log, recovered, true)
    }

    fn begin(
        config: RaftConfig,
        log: S,
        recovered: Recovered,
        begins_anew: bool,
    ) -> Result<Self, Fatal> {
        let state = recovered.snapshot.as_ref().map(|s| ClusterState::decode(&s.state));
        let state = state.transpose().map_err(Fatal::Snapshot)?;
        let snapshot_index = recovered.snapshot.as_ref().map_or(0, |s| s.at.index);
        if state.as_ref().is_some_and(|s| s.index() != snapshot_index) {
            return Err(Fatal::Snapshot(DecodeError::Malformed { what: "snapshot position" }));
        }
        let raw = super::rebuild::library(&config, &recovered, state.as_ref())?;
        let mut node = Self {
            config,
            raw,
            log,
            state,
            snapshot_index,
            reads: PendingReads::default(),
            effects: Effects::default(),
            ticks: 0,
            snapshots_sent: Vec::new(),
            panics: 0,
            refused: 0,
            begins_anew,
        };
        node.set_election_timeout();
        Ok(node)
    }

    /// What is durable, as far as it counts.
    pub(super) fn durable(&mut self) -> Result<Recovered, LogError> {
        let recovered = self.log.load()?;
        Ok(if self.begins_anew { vote_of(recovered) } else { recovered })
    }

    /// What its log promised, and who votes by it, is over.
    pub fn is_of_before(&self, incarnation: u32) -> bool {
        self.state.as_ref().is_some_and(|state| state.incarnation() < incarnation)
    }

    pub fn peer(&self) -> PeerId {
        self.config.peer
    }

    pub fn state(&self) -> Option<&ClusterState> {
        self.state.as_ref()
    }

    pub fn is_leader(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// Leader, and an entry of its own term is applied: everything earlier leaders may have
    /// promised is decided and known here.
    pub fn is_settled_leader(&self) -> bool {
        let applied = self.state.as_ref().map_or(0, ClusterState::index);
        self.is_leader()
            && self.raw.store().position(applied).is_some_and(|p| p.term == self.raw.raft.term)
    }

    pub fn leader(&self) -> Option<PeerId> {
        Some(self.raw.raft.leader_id).filter(|id| *id != 0).map(PeerId)
    }

    /// Nothing was ever promised here: a joiner's log, or one that was just made.
    pub fn is_blank(&self) -> bool {
        self.state.is_none() && self.term() == 0
    }

    pub fn term(&self) -> u64 {
        self.raw.raft.term
    }

    pub fn committed(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    pub fn is_voter(&self) -> bool {
        self.raw.raft.promotable()
    }

    /// Times the library was built anew after a panic; messages that the gate refused.
    pub fn incidents(&self) -> (u64, u64) {
        (self.panics, self.refused)
    }

    /// How far behind the leader's log a member's is; `None` unless leading.
    pub fn lag_of(&self, peer: PeerId) -> Option<u64> {
        let progress = self.raw.raft.prs().get(peer.0).filter(|_| self.is_leader())?;
        Some(self.raw.raft.raft_log.last_index().saturating_sub(progress.matched))
    }

    /// A learner that holds (nearly) the whole log.
    pub fn has_caught_up(&self, peer: PeerId) -> bool {
        let learns = self.state.as_ref().is_some_and(|s| s.voters().learners.contains(&peer));
        let matched = self.raw.raft.prs().get(peer.0).map_or(0, |progress| progress.matched);
        learns && matched > 0 && self.lag_of(peer).is_some_and(|lag| lag <= PROMOTE_LAG_MAX)
    }

    pub fn tick(&mut self) -> Result<(), Fatal> {
        self.ticks += 1;
        if self.ticks == 1 && self.votes_alone() {
            // Nobody else could lead: no need to wait for a silence.
            self.call(|raw| drop(raw.campaign()))?;
        }
        self.call(|raw| raw.tick())?;
        self.retry_snapshots()
    }

    fn votes_alone(&self) -> bool {
        let voters = self.state.as_ref().map(|state| &state.voters().voters);
        self.is_voter() && voters.is_some_and(|voters| voters.len() == 1)
    }

    /// A message of `peer`, as its connection proves.
    pub fn step(&mut self, peer: PeerId, bytes: &[u8]) -> Result<Result<(), Refused>, Fatal> {
        self.step_known(peer, bytes, None)
    }

    /// `newer`: a state from elsewhere that may know peers which joined since this log ends.
    pub fn step_known(
        &mut self,
        peer: PeerId,
        bytes: &[u8],
        newer: Option<&ClusterState>,
    ) -> Result<Result<(), Refused>, Fatal> {
        let joined_since = newer.is_some_and(|state| state.peers().contains_key(&peer));
        let admitted = RaftMessage::decode(bytes).map_err(Refused::Malformed).and_then(|message| {
            admit(&self.raw, self.state.as_ref(), &message, peer, joined_since).map(|()| message)
        });
        match admitted {
            Ok(message) => {
                let message = message.into_library();
                // What the library itself finds out of place it drops; that is no error of ours.
                self.call(|raw| drop(raw.step(message)))?;
                Ok(Ok(()))
            }
            Err(refused) => {
                self.refused += 1;
                Ok(Err(refused))
            }
        }
    }

    /// Only a leader proposes: the library would forward silently, and lose the answer.
    pub fn propose(&mut self, proposal: &Proposal) -> Result<Result<(), NotProposed>, Fatal> {
        let bytes = match proposal.encode() {
            Ok(bytes) => bytes,
            Err(bytes) => return Ok(Err(NotProposed::TooLarge { bytes })),
        };
        if let Err(error) = self.check_leader() {
            return Ok(Err(error));
        }
        let proposed = self.call(|raw| raw.propose(vec![], bytes).is_ok())?;
        Ok(if proposed == Some(true) { Ok(()) } else { Err(NotProposed::Busy) })
    }

    pub fn propose_conf_change(
        &mut self,
        change: ConfChange,
    ) -> Result<Result<(), NotProposed>, Fatal> {
        if let Err(error) = self.check_leader() {
            return Ok(Err(error));
        }
        let state = self.state.as_ref().expect("a leader has a state");
        let known = match change {
            // One that has no log yet would be a voter that does not vote.
            ConfChange::AddVoter { peer } => self.has_caught_up(peer),
            ConfChange::AddLearner { peer } => state.peers().contains_key(&peer),
            ConfChange::Remove { .. } => true,
        };
        // A leader that removes itself must hand over first.
        let own = change == ConfChange::Remove { peer: self.config.peer };
        if !known || own || !state.voters().allows(change) {
            return Ok(Err(NotProposed::NotAllowed));
        }
        let library = to_library(change);
        let proposed = self.call(|raw| raw.propose_conf_change(vec![], library).is_ok())?;
        Ok(if proposed == Some(true) { Ok(()) } else { Err(NotProposed::Busy) })
    }

    /// Asks for a linearizable read; its context comes back in `Effects::reads`. It may be lost
    /// with leadership: ask again.
    pub fn read_index(&mut self, context: u64) -> Result<Result<(), NotProposed>, Fatal> {
        if let Err(error) = self.check_leader() {
            return Ok(Err(error));
        }
        if !self.raw.raft.commit_to_current_term() {
            return Ok(Err(NotProposed::Busy));
        }
        let context = context.to_le_bytes().to_vec();
        self.call(|raw| raw.read_index(context))?;
        Ok(Ok(()))
    }

    pub fn transfer_leadership(&mut self, to: PeerId) -> Result<(), Fatal> {
        if self.is_leader() && to != self.config.peer {
            self.call(|raw| raw.transfer_leader(to.0))?;
        }
        Ok(())
    }

    /// A connection to `peer` broke: what was sent may be lost.
    pub fn unreachable(&mut self, peer: PeerId) -> Result<(), Fatal> {
        self.call(|raw| raw.report_unreachable(peer.0)).map(drop)
    }

    /// Applied entries after `index`, for a follower; `None` if they are gone from the log.
    pub fn applied_after(&self, index: u64, bytes_max: usize) -> Option<Vec<LogEntry>> {
        let applied = self.state.as_ref()?.index();
        self.raw.store().after(index, applied, bytes_max)
    }

    /// Stops taking part; what was promised stays in the log.
    pub fn into_log(self) -> S {
        self.log
    }

    /// The state with everything that the log holds, committed or not: a majority that is lost may
    /// have committed it.
    pub fn state_with_log(&self) -> Option<ClusterState> {
        let mut state = self.state.clone()?;
        let rest = self.raw.store().after(state.index(), u64::MAX, usize::MAX)?;
        for LogEntry { index, payload, .. } in rest {
            match payload {
                Payload::Empty => state.apply_empty(index),
                Payload::Conf { change } => drop(state.apply_conf_change(index, change)),
                Payload::Proposal { bytes } => match Proposal::decode(&bytes.0) {
                    Ok(proposal) => drop(state.apply(index, &proposal)),
                    Err(_) => break,
                },
            }
        }
        Some(state)
    }

    fn check_leader(&self) -> Result<(), NotProposed> {
        match self.is_leader() && self.state.is_some() {
            true => Ok(()),
            false => Err(NotProposed::NotLeader { leader: self.leader() }),
        }
    }

    /// The library draws a time-out at random wherever its role changes: replace it every time.
    pub(super) fn set_election_timeout(&mut self) {
        let RaftConfig { seed, peer, election_ticks, .. } = self.config;
        let raft = &mut self.raw.raft;
        let ticks = timeout_ticks(seed, peer.0, raft.term, raft.state, election_ticks);
        raft.set_randomized_election_timeout(ticks);
    }
}
