//! What services tell each other, over one mutually authenticated connection per pair.

use bytes::Bytes;
use shoal_types::{DiskId, HeadEpoch, VolumeId};

use crate::codec::{Codec, DecodeError, Reader, codec_enum};
use crate::follow::{FollowReply, FollowRequest};
use crate::hex::{Hex, ProcessNonce, ProposalId};
use crate::raft::MESSAGE_BYTES_MAX;
use crate::state::{Outcome, Proposal};

/// One version byte, one tag byte, the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceMessage {
    /// `RaftMessage`, encoded.
    Raft {
        bytes: Bytes,
    },
    Propose {
        proposal: Proposal,
    },
    TakeHead {
        id: ProposalId,
        volume: VolumeId,
        process: ProcessNonce,
        generation: u64,
        expected: HeadEpoch,
    },
    /// To the proposer: it was not proposed. (An applied one reaches it through the log.)
    NotProposed {
        id: ProposalId,
        why: ProposeRefused,
    },
    Read {
        request: u64,
    },
    /// Whoever has applied up to here sees everything committed before the read was asked.
    ReadAnswer {
        request: u64,
        index: u64,
    },
    Renew {
        sequence: u64,
        process: ProcessNonce,
    },
    Granted {
        sequence: u64,
        duration_ms: u64,
        applied: u64,
    },
    /// The sender's heads stopped answering BEFORE this was sent.
    EndSession {
        process: ProcessNonce,
    },
    Report {
        disk: DiskId,
        kind: ReportKind,
    },
    /// Others reach what the receiver reports: its own connections are at fault.
    Blamed {
        disk: DiskId,
    },
    Follow {
        request: FollowRequest,
    },
    Followed {
        reply: FollowReply,
    },
    /// "Ask that one": the sender does not lead, or does not vote. 0: it knows nobody.
    NotLeader {
        leader: u64,
    },
    /// The sender has voted and lost its log: it must not vote again.
    LostLog {},
    /// The sender votes and cannot admit peers yet.
    KeyWanted {},
    /// The cluster was recovered since: what the receiver takes for it is over. It follows anew.
    Superseded {
        incarnation: u32,
    },
    /// The authority's secret key, to a voter.
    Key {
        seed: Hex<32>,
    },
}

/// What is wrong with a disk, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// No connection, or no answer in time.
    Unreachable,
    /// Its store said so: fenced after an error, or full for what others have taken.
    StoreOut,
    /// Its store lost writes: wiped, rolled back, damaged.
    StoreUnfit,
    /// Its owner says that the disk answers far more slowly than it used to.
    StoreSlow,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposeRefused {
    NotLeader {
        leader: u64,
    },
    Busy,
    TooLarge,
    /// Only the leader itself proposes this.
    Judged,
    /// Decided without the log: it would be refused.
    Rejected {
        outcome: Outcome,
    },
}

const VERSION: u8 = 1;

impl ServiceMessage {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.put(&mut out);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MESSAGE_BYTES_MAX + 64 {
            let (value, max) = (bytes.len() as u64, MESSAGE_BYTES_MAX as u64);
            return Err(DecodeError::TooLong { what: "message", value, max });
        }
        let mut reader = Reader::new(bytes);
        let version = u8::get(&mut reader)?;
        if version != VERSION {
            let found = u64::from(version);
            return Err(DecodeError::Incompatible { what: "service version", found });
        }
        let message = Self::get(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

codec_enum!(ServiceMessage: u8 {
    1 => Raft { bytes },
    2 => Propose { proposal },
    3 => TakeHead { id, volume, process, generation, expected },
    4 => NotProposed { id, why },
    5 => Read { request },
    6 => ReadAnswer { request, index },
    7 => Renew { sequence, process },
    8 => Granted { sequence, duration_ms, applied },
    9 => EndSession { process },
    10 => Report { disk, kind },
    11 => Blamed { disk },
    12 => Follow { request },
    13 => Followed { reply },
    14 => NotLeader { leader },
    15 => LostLog {},
    16 => KeyWanted {},
    17 => Key { seed },
    18 => Superseded { incarnation },
});
codec_enum!(ReportKind: u8 { 1 => Unreachable, 2 => StoreOut, 3 => StoreUnfit, 4 => StoreSlow });
codec_enum!(ProposeRefused: u8 {
    1 => NotLeader { leader }, 2 => Busy, 3 => TooLarge, 4 => Judged, 5 => Rejected { outcome },
});
