//! Consensus messages on the wire: own types, own little-endian codec.

use raft::eraftpb::{self, ConfState, Entry, EntryType, MessageType};
use shoal_types::PeerId;

use super::conf_change;
use crate::codec::{Codec, DecodeError, Reader, codec_enum, codec_struct};
use crate::log_store::{LogEntry, Payload, Position, Snapshot};
use crate::state::Voters;
use bytes::Bytes;

/// A snapshot may be large; everything else is far below.
pub const MESSAGE_BYTES_MAX: usize = 1 << 30;
/// A read's context is a u64.
const CONTEXT_BYTES_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    Append,
    AppendReply,
    Vote,
    VoteReply,
    PreVote,
    PreVoteReply,
    Heartbeat,
    HeartbeatReply,
    Snapshot,
    TimeoutNow,
}

/// One version byte, then the fields in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftMessage {
    pub kind: MessageKind,
    pub from: u64,
    pub to: u64,
    pub term: u64,
    pub log_term: u64,
    pub index: u64,
    pub commit: u64,
    pub commit_term: u64,
    pub reject: bool,
    pub reject_hint: u64,
    pub context: Bytes,
    pub entries: Vec<LogEntry>,
    pub snapshot: Option<Snapshot>,
}

const VERSION: u8 = 1;

impl RaftMessage {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.put(&mut out);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            let (value, max) = (bytes.len() as u64, MESSAGE_BYTES_MAX as u64);
            return Err(DecodeError::TooLong { what: "message", value, max });
        }
        let mut reader = Reader::new(bytes);
        let version = u8::get(&mut reader)?;
        if version != VERSION {
            let found = u64::from(version);
            return Err(DecodeError::Incompatible { what: "message version", found });
        }
        let message = Self::get(&mut reader)?;
        reader.finish()?;
        if message.context.len() > CONTEXT_BYTES_MAX {
            return Err(DecodeError::Malformed { what: "context" });
        }
        Ok(message)
    }

    /// `None`: a message that stays inside a node.
    pub(super) fn from_library(message: &eraftpb::Message) -> Option<Self> {
        Some(Self {
            kind: kind_from(message.get_msg_type())?,
            from: message.from,
            to: message.to,
            term: message.term,
            log_term: message.log_term,
            index: message.index,
            commit: message.commit,
            commit_term: message.commit_term,
            reject: message.reject,
            reject_hint: message.reject_hint,
            context: message.context.clone(),
            entries: message.get_entries().iter().map(entry_from_library).collect(),
            snapshot: message.has_snapshot().then(|| snapshot_from_library(message.get_snapshot())),
        })
    }

    pub(super) fn into_library(self) -> eraftpb::Message {
        let mut message = eraftpb::Message::default();
        message.set_msg_type(kind_to(self.kind));
        message.from = self.from;
        message.to = self.to;
        message.term = self.term;
        message.log_term = self.log_term;
        message.index = self.index;
        message.commit = self.commit;
        message.commit_term = self.commit_term;
        message.reject = self.reject;
        message.reject_hint = self.reject_hint;
        message.context = self.context;
        let entries: Vec<Entry> = self.entries.iter().map(entry_to_library).collect();
        message.set_entries(entries.into());
        if let Some(snapshot) = &self.snapshot {
            message.set_snapshot(snapshot_to_library(snapshot));
        }
        message
    }
}

pub(super) fn entry_to_library(entry: &LogEntry) -> Entry {
    let mut out = Entry::default();
    (out.index, out.term) = (entry.index, entry.term);
    match &entry.payload {
        Payload::Empty => {}
        Payload::Proposal { bytes } => out.data = bytes.0.clone(),
        Payload::Conf { change } => {
            out.set_entry_type(EntryType::EntryConfChangeV2);
            out.data = conf_change::to_bytes(*change).into();
        }
    }
    out
}

/// Entries in the library were put there by us: another form is a bug.
pub(super) fn entry_from_library(entry: &Entry) -> LogEntry {
    let payload = match entry.get_entry_type() {
        EntryType::EntryNormal if entry.data.is_empty() => Payload::Empty,
        EntryType::EntryNormal => {
            Payload::Proposal { bytes: crate::log_store::ProposalBytes(entry.data.clone()) }
        }
        EntryType::EntryConfChangeV2 => {
            let change = conf_change::from_bytes(&entry.data);
            Payload::Conf { change: change.expect("one canonical change, proposed by us") }
        }
        EntryType::EntryConfChange => unreachable!("never proposed"),
    };
    LogEntry { index: entry.index, term: entry.term, payload }
}

pub(super) fn snapshot_to_library(snapshot: &Snapshot) -> eraftpb::Snapshot {
    let mut out = eraftpb::Snapshot { data: snapshot.state.clone(), ..Default::default() };
    let metadata = out.mut_metadata();
    (metadata.index, metadata.term) = (snapshot.at.index, snapshot.at.term);
    metadata.set_conf_state(conf_state(&snapshot.voters));
    out
}

pub(super) fn snapshot_from_library(snapshot: &eraftpb::Snapshot) -> Snapshot {
    let metadata = snapshot.get_metadata();
    let peers = |ids: &[u64]| ids.iter().copied().map(PeerId).collect();
    let conf = metadata.get_conf_state();
    Snapshot {
        at: Position { index: metadata.index, term: metadata.term },
        voters: Voters { voters: peers(conf.get_voters()), learners: peers(conf.get_learners()) },
        state: snapshot.data.clone(),
    }
}

pub(super) fn conf_state(voters: &Voters) -> ConfState {
    let ids = |peers: &std::collections::BTreeSet<PeerId>| -> Vec<u64> {
        peers.iter().map(|peer| peer.0).collect()
    };
    ConfState::from((ids(&voters.voters), ids(&voters.learners)))
}

fn kind_from(kind: MessageType) -> Option<MessageKind> {
    Some(match kind {
        MessageType::MsgAppend => MessageKind::Append,
        MessageType::MsgAppendResponse => MessageKind::AppendReply,
        MessageType::MsgRequestVote => MessageKind::Vote,
        MessageType::MsgRequestVoteResponse => MessageKind::VoteReply,
        MessageType::MsgRequestPreVote => MessageKind::PreVote,
        MessageType::MsgRequestPreVoteResponse => MessageKind::PreVoteReply,
        MessageType::MsgHeartbeat => MessageKind::Heartbeat,
        MessageType::MsgHeartbeatResponse => MessageKind::HeartbeatReply,
        MessageType::MsgSnapshot => MessageKind::Snapshot,
        MessageType::MsgTimeoutNow => MessageKind::TimeoutNow,
        _ => return None,
    })
}

fn kind_to(kind: MessageKind) -> MessageType {
    match kind {
        MessageKind::Append => MessageType::MsgAppend,
        MessageKind::AppendReply => MessageType::MsgAppendResponse,
        MessageKind::Vote => MessageType::MsgRequestVote,
        MessageKind::VoteReply => MessageType::MsgRequestVoteResponse,
        MessageKind::PreVote => MessageType::MsgRequestPreVote,
        MessageKind::PreVoteReply => MessageType::MsgRequestPreVoteResponse,
        MessageKind::Heartbeat => MessageType::MsgHeartbeat,
        MessageKind::HeartbeatReply => MessageType::MsgHeartbeatResponse,
        MessageKind::Snapshot => MessageType::MsgSnapshot,
        MessageKind::TimeoutNow => MessageType::MsgTimeoutNow,
    }
}

codec_enum!(MessageKind: u8 {
    1 => Append, 2 => AppendReply, 3 => Vote, 4 => VoteReply, 5 => PreVote, 6 => PreVoteReply,
    7 => Heartbeat, 8 => HeartbeatReply, 9 => Snapshot, 10 => TimeoutNow,
});
codec_struct!(RaftMessage {
    kind,
    from,
    to,
    term,
    log_term,
    index,
    commit,
    commit_term,
    reject,
    reject_hint,
    context,
    entries,
    snapshot,
});
