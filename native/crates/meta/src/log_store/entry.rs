//! What the log holds.

use bytes::Bytes;
use shoal_types::PeerId;

use crate::codec::{Codec, DecodeError, Reader, codec_enum, codec_struct};
use crate::state::limits::PROPOSAL_BYTES_MAX;
use crate::state::{ConfChange, Voters};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub index: u64,
    pub term: u64,
    pub payload: Payload,
}

/// Membership is an own type here: what is parsed from disk and network is never protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A new leader's first entry.
    Empty,
    /// An encoded proposal, bounded by its size alone: it may come from a newer version.
    Proposal {
        bytes: ProposalBytes,
    },
    Conf {
        change: ConfChange,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalBytes(pub Bytes);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    pub term: u64,
    /// None: 0.
    pub vote: u64,
    pub commit: u64,
}

/// An entry without its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub index: u64,
    pub term: u64,
}

/// The state after all entries up to `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub at: Position,
    /// Equal to those in the state; here too, so that a snapshot is judged before it is decoded.
    pub voters: Voters,
    /// `ClusterState::encode`.
    pub state: Bytes,
}

/// What a restart finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub hard_state: HardState,
    pub snapshot: Option<Snapshot>,
    /// The entry before the first one.
    pub start: Position,
    pub entries: Vec<LogEntry>,
    /// Bytes of an append that a crash cut off; it was never acknowledged.
    pub torn_bytes: u64,
}

impl Snapshot {
    pub fn includes(&self, peer: PeerId) -> bool {
        self.voters.contains(peer)
    }
}

impl Codec for ProposalBytes {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = Bytes::get(reader)?;
        if bytes.is_empty() || bytes.len() > PROPOSAL_BYTES_MAX {
            let (value, max) = (bytes.len() as u64, PROPOSAL_BYTES_MAX as u64);
            return Err(DecodeError::TooLong { what: "proposal", value, max });
        }
        Ok(Self(bytes))
    }
}

codec_struct!(LogEntry { index, term, payload });
codec_enum!(Payload: u8 { 1 => Empty, 2 => Proposal { bytes }, 3 => Conf { change } });
codec_struct!(HardState { term, vote, commit });
codec_struct!(Position { index, term });
codec_struct!(Snapshot { at, voters, state });
