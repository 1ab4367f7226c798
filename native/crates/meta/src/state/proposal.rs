//! A command on its way through the log.

use crate::codec::{Codec, DecodeError, Reader, codec_struct};
use crate::hex::ProposalId;

use super::command::Command;
use super::limits::PROPOSAL_BYTES_MAX;

/// Everything that `apply` may not find out for itself comes with the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// A retry carries the same id, is applied once, and gets the same answer.
    pub id: ProposalId,
    /// The proposer's wall clock. Cluster time is the greatest seen; it never runs backwards.
    pub time_ms: u64,
    pub command: Command,
}

codec_struct!(Proposal { id, time_ms, command });

impl Proposal {
    /// Encoded, or its size if it is above the bound.
    pub fn encode(&self) -> Result<Vec<u8>, usize> {
        let bytes = crate::codec::encode(self);
        if bytes.len() > PROPOSAL_BYTES_MAX { Err(bytes.len()) } else { Ok(bytes) }
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > PROPOSAL_BYTES_MAX {
            let (value, max) = (bytes.len() as u64, PROPOSAL_BYTES_MAX as u64);
            return Err(DecodeError::TooLong { what: "proposal", value, max });
        }
        let mut reader = Reader::new(bytes);
        let proposal = Self::get(&mut reader)?;
        reader.finish()?;
        Ok(proposal)
    }
}
