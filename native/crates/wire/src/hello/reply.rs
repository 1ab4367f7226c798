//! The answer to a hello.

use std::fmt;

use shoal_types::PeerId;

use super::{LAYOUT, MAGIC, VARIABLE_BYTES_MAX, read_start, read_variable};
use crate::Malformed;
use crate::cursor::{Put, Reader};

/// Why a hello was refused; says no more than its reader may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloRefusal {
    /// No version is spoken by both: upgrade the older side.
    NoCommonProtocol {
        lowest: u16,
        highest: u16,
    },
    /// The dialling side requires these features, which the answering one does not have.
    FeaturesUnknown {
        bits: u64,
    },
    /// The answering side requires these features.
    FeaturesRequired {
        bits: u64,
    },
    WrongCluster,
    /// The cluster was recovered or imported since: the dialling side must fetch the new map.
    WrongIncarnation,
    /// The peer id does not belong to the key that the connection was made with.
    WrongPeer,
    /// Not a member, and not here to join; or no token is open.
    Stranger,
    /// The purpose (or this store) is not served here now.
    NotServed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloReply {
    Accepted {
        protocol: u16,
        features: u64,
        peer: PeerId,
        nonce: u64,
        /// `Membership` record of the answering side, on a connection with purpose join.
        credential: Vec<u8>,
    },
    Refused(HelloRefusal),
}

impl HelloReply {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&MAGIC);
        out.put_u8(LAYOUT);
        match self {
            Self::Accepted { protocol, features, peer, nonce, credential } => {
                assert!(credential.len() <= VARIABLE_BYTES_MAX, "a credential is short");
                put_fields(&mut out, 0, (*protocol, *protocol), *features, (*peer, *nonce));
                out.put_u16(credential.len() as u16);
                out.put(credential);
            }
            Self::Refused(refusal) => {
                let (number, protocols, features) = refusal.fields();
                put_fields(&mut out, number, protocols, features, (PeerId(0), 0));
                out.put_u16(0);
            }
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        read_start(&mut reader)?;
        let number = reader.u8()?;
        if reader.u8()? != 0 {
            return Err(Malformed::Value { field: "zero", value: 1 });
        }
        let (lowest, highest) = (reader.u16()?, reader.u16()?);
        let (features, peer, nonce) = (reader.u64()?, PeerId(reader.u64()?), reader.u64()?);
        let credential = read_variable(&mut reader, "credential")?;
        // What is left was added by a later version.
        if reader.remaining() > VARIABLE_BYTES_MAX {
            return Err(Malformed::Trailing);
        }
        if number != 0 {
            let refusal = HelloRefusal::from_fields(number, lowest, highest, features)?;
            return Ok(Self::Refused(refusal));
        }
        if lowest != highest {
            return Err(Malformed::Value { field: "protocol", value: highest.into() });
        }
        let credential = credential.to_vec();
        Ok(Self::Accepted { protocol: lowest, features, peer, nonce, credential })
    }
}

fn put_fields(
    out: &mut Vec<u8>,
    number: u8,
    protocols: (u16, u16),
    features: u64,
    (peer, nonce): (PeerId, u64),
) {
    out.put_u8(number);
    out.put_u8(0);
    out.put_u16(protocols.0);
    out.put_u16(protocols.1);
    out.put_u64(features);
    out.put_u64(peer.0);
    out.put_u64(nonce);
}

impl HelloRefusal {
    /// Number, protocols and feature bits as they are sent.
    fn fields(self) -> (u8, (u16, u16), u64) {
        match self {
            Self::NoCommonProtocol { lowest, highest } => (1, (lowest, highest), 0),
            Self::FeaturesUnknown { bits } => (2, (0, 0), bits),
            Self::FeaturesRequired { bits } => (3, (0, 0), bits),
            Self::WrongCluster => (4, (0, 0), 0),
            Self::WrongIncarnation => (5, (0, 0), 0),
            Self::WrongPeer => (6, (0, 0), 0),
            Self::Stranger => (7, (0, 0), 0),
            Self::NotServed => (8, (0, 0), 0),
        }
    }

    fn from_fields(number: u8, lowest: u16, highest: u16, bits: u64) -> Result<Self, Malformed> {
        Ok(match number {
            1 => Self::NoCommonProtocol { lowest, highest },
            2 => Self::FeaturesUnknown { bits },
            3 => Self::FeaturesRequired { bits },
            4 => Self::WrongCluster,
            5 => Self::WrongIncarnation,
            6 => Self::WrongPeer,
            7 => Self::Stranger,
            8 => Self::NotServed,
            value => return Err(Malformed::Value { field: "refusal", value: value.into() }),
        })
    }
}

impl fmt::Display for HelloRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommonProtocol { lowest, highest } => {
                write!(f, "the other side speaks protocols {lowest} to {highest} only")
            }
            Self::FeaturesUnknown { bits } => {
                write!(f, "the other side lacks features that are required here: {bits:#x}")
            }
            Self::FeaturesRequired { bits } => {
                write!(f, "the other side requires features that are unknown here: {bits:#x}")
            }
            Self::WrongCluster => write!(f, "the other side belongs to another cluster"),
            Self::WrongIncarnation => write!(f, "the cluster was recovered since"),
            Self::WrongPeer => write!(f, "the peer id does not belong to this key"),
            Self::Stranger => write!(f, "not a member of this cluster"),
            Self::NotServed => write!(f, "the other side does not serve this now"),
        }
    }
}

impl std::error::Error for HelloRefusal {}
