//! The gate: what an honest peer would not send now never reaches the library.
//!
//! It stops panics, not lies: a peer that may vote can always vote wrongly. Each rule names the
//! state in which the library would break an assertion of its own.

use raft::RawNode;
use shoal_types::PeerId;

use super::log_cache::LogCache;
use super::message::{MessageKind, RaftMessage};
use crate::codec::DecodeError;
use crate::state::ClusterState;

/// Terms and indexes above this are not reached in the life of a cluster.
const NUMBER_MAX: u64 = 1 << 62;
const TRANSFER: &[u8] = b"CampaignTransfer";

/// Why a message was dropped. Counted and shown; never an answer to the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Malformed(DecodeError),
    /// The connection belongs to another peer than the message.
    NotTheSender {
        peer: PeerId,
        claims: u64,
    },
    NotForUs {
        to: u64,
    },
    /// Not a peer of this cluster.
    Stranger {
        peer: PeerId,
    },
    /// Fields that this kind of message never has so.
    Shape(&'static str),
    /// Contradicts what is settled here: a liar, or this voter's log was lost. Then it must be
    /// removed and added again under a new id.
    Contradiction(&'static str),
}

pub fn admit(
    raw: &RawNode<LogCache>,
    state: Option<&ClusterState>,
    message: &RaftMessage,
    peer: PeerId,
    joined_since: bool,
) -> Result<(), Refused> {
    if message.from != peer.0 {
        return Err(Refused::NotTheSender { peer, claims: message.from });
    }
    if message.to != raw.raft.id {
        return Err(Refused::NotForUs { to: message.to });
    }
    let unknown = state.is_some_and(|s| !s.peers().contains_key(&peer));
    if peer.0 == raw.raft.id || unknown && !joined_since {
        return Err(Refused::Stranger { peer });
    }
    check_shape(message)?;
    // The library answers or ignores older terms without looking further.
    if message.term < raw.raft.term {
        return Ok(());
    }
    match message.kind {
        MessageKind::Append => check_append(raw, message),
        MessageKind::Heartbeat => check_heartbeat(raw, message),
        MessageKind::AppendReply | MessageKind::HeartbeatReply => check_reply(raw, message),
        MessageKind::Snapshot => check_snapshot(raw, state, message),
        MessageKind::TimeoutNow if raw.raft.leader_id != message.from => {
            Err(Refused::Contradiction("only the leader hands over"))
        }
        _ => Ok(()),
    }
}

fn check_shape(message: &RaftMessage) -> Result<(), Refused> {
    let RaftMessage { term, log_term, index, commit, commit_term, reject_hint, .. } = *message;
    let numbers = [term, log_term, index, commit, commit_term, reject_hint];
    if term == 0 || numbers.iter().any(|n| *n > NUMBER_MAX) {
        return Err(Refused::Shape("numbers"));
    }
    if !message.entries.is_empty() && message.kind != MessageKind::Append {
        return Err(Refused::Shape("entries"));
    }
    if message.snapshot.is_some() != (message.kind == MessageKind::Snapshot) {
        return Err(Refused::Shape("snapshot"));
    }
    if (log_term > term || commit_term > term) && message.kind != MessageKind::VoteReply {
        return Err(Refused::Shape("a term of the future"));
    }
    let context: &[u8] = &message.context;
    let context_fits = match message.kind {
        MessageKind::Heartbeat | MessageKind::HeartbeatReply => matches!(context.len(), 0 | 8),
        MessageKind::Vote | MessageKind::PreVote => context.is_empty() || context == TRANSFER,
        _ => context.is_empty(),
    };
    if context_fits { Ok(()) } else { Err(Refused::Shape("context")) }
}

fn check_append(raw: &RawNode<LogCache>, message: &RaftMessage) -> Result<(), Refused> {
    let mut term = message.log_term;
    for (entry, index) in message.entries.iter().zip(message.index + 1..) {
        if entry.index != index || entry.term < term || entry.term > message.term {
            return Err(Refused::Shape("entries"));
        }
        term = entry.term;
    }
    if (message.index == 0) != (message.log_term == 0) {
        return Err(Refused::Shape("log term"));
    }
    let log = &raw.raft.raft_log;
    let committed = log.committed;
    // A leader holds what was committed, so at that index or later its term is not older; the
    // library looks for a conflict downwards until it finds one, or leaves the log.
    let settled = log.term(committed).unwrap_or(0);
    if message.index >= committed && message.log_term < settled {
        return Err(Refused::Contradiction("the leader lacks what is committed"));
    }
    Ok(())
}

fn check_heartbeat(raw: &RawNode<LogCache>, message: &RaftMessage) -> Result<(), Refused> {
    if message.commit > raw.raft.raft_log.last_index() {
        return Err(Refused::Contradiction("commits what this log does not hold"));
    }
    Ok(())
}

fn check_reply(raw: &RawNode<LogCache>, message: &RaftMessage) -> Result<(), Refused> {
    let last = raw.raft.raft_log.last_index();
    if message.term > raw.raft.term {
        return Ok(());
    }
    let numbers = [message.index, message.commit, message.reject_hint];
    let beyond = if message.reject { &numbers[1..] } else { &numbers[..] };
    if beyond.iter().any(|n| *n > last) {
        return Err(Refused::Contradiction("acknowledges what was never sent"));
    }
    Ok(())
}

fn check_snapshot(
    raw: &RawNode<LogCache>,
    state: Option<&ClusterState>,
    message: &RaftMessage,
) -> Result<(), Refused> {
    let snapshot = message.snapshot.as_ref().expect("checked by shape");
    if snapshot.at.index == 0 || snapshot.at.term == 0 || snapshot.at.term > message.term {
        return Err(Refused::Shape("snapshot position"));
    }
    if !snapshot.includes(PeerId(raw.raft.id)) {
        return Err(Refused::Shape("a snapshot for others"));
    }
    let log = &raw.raft.raft_log;
    if snapshot.at.index < log.committed {
        return Ok(());
    }
    if snapshot.at.term < log.term(log.committed).unwrap_or(0) {
        return Err(Refused::Contradiction("the leader lacks what is committed"));
    }
    let taken = ClusterState::decode(&snapshot.state).map_err(Refused::Malformed)?;
    if taken.index() != snapshot.at.index || *taken.voters() != snapshot.voters {
        return Err(Refused::Shape("snapshot and its state differ"));
    }
    if !taken.voters().voters.is_disjoint(&taken.voters().learners) {
        return Err(Refused::Shape("a voter that learns"));
    }
    if state.is_some_and(|own| own.cluster_id() != taken.cluster_id()) {
        return Err(Refused::Contradiction("another cluster"));
    }
    Ok(())
}
