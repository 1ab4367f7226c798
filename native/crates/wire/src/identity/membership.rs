//! The authority's word that a key belongs to a peer of the cluster.
//!
//! ```text
//! offset size
//!      0    4  magic "SHMR"
//!      4    1  format: 1
//!      5    3  zero
//!      8   16  cluster id
//!     24    8  incarnation
//!     32    8  peer id
//!     40   32  public key
//!     72   64  Ed25519 signature of the authority over DOMAIN | bytes 0..72
//! ```
//! It introduces a peer to a stranger. Between members the map says who is one, and a removal from
//! it is the revocation.

use shoal_types::PeerId;

use super::{PublicKey, SecretKey};
use crate::Malformed;
use crate::cursor::{Put, Reader};
use crate::hello::ClusterId;

pub const MEMBERSHIP_BYTES: usize = 136;
const SIGNED_BYTES: usize = 72;
const MAGIC: [u8; 4] = *b"SHMR";
const FORMAT: u8 = 1;
/// Keeps a signature for one purpose from being used for another.
const DOMAIN: &[u8] = b"shoal membership 1\0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    pub cluster: ClusterId,
    pub incarnation: u64,
    pub peer: PeerId,
    pub key: PublicKey,
}

/// Why a membership record is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembershipError {
    Malformed(Malformed),
    /// Not signed by this authority.
    Signature,
}

impl Membership {
    /// The signed record.
    pub fn sign(&self, authority: &SecretKey) -> [u8; MEMBERSHIP_BYTES] {
        let mut out = Vec::with_capacity(MEMBERSHIP_BYTES);
        out.put(&MAGIC);
        out.put_u8(FORMAT);
        out.put(&[0; 3]);
        out.put(&self.cluster);
        out.put_u64(self.incarnation);
        out.put_u64(self.peer.0);
        out.put(&self.key.0);
        let signature = authority.sign(&[DOMAIN, &out].concat());
        out.put(&signature);
        out.try_into().expect("fields fill the record")
    }

    /// The record, if this authority signed it. Whether it is of the right cluster and key is the
    /// caller's question.
    pub fn verify(record: &[u8], authority: &PublicKey) -> Result<Self, MembershipError> {
        let (membership, signature) = Self::read(record).map_err(MembershipError::Malformed)?;
        let signed = [DOMAIN, &record[..SIGNED_BYTES]].concat();
        if !authority.verifies(&signed, &signature) {
            return Err(MembershipError::Signature);
        }
        Ok(membership)
    }

    fn read(record: &[u8]) -> Result<(Self, [u8; 64]), Malformed> {
        let mut reader = Reader::new(record);
        let magic: [u8; 4] = reader.array()?;
        let format = reader.array()?;
        if magic != MAGIC || format != [FORMAT, 0, 0, 0] {
            return Err(Malformed::Value { field: "format", value: format[0].into() });
        }
        let membership = Self {
            cluster: reader.array()?,
            incarnation: reader.u64()?,
            peer: PeerId(reader.u64()?),
            key: PublicKey(reader.array()?),
        };
        let signature = reader.array()?;
        reader.finish()?;
        Ok((membership, signature))
    }
}

impl std::fmt::Display for MembershipError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Signature => write!(f, "the membership is not signed by the cluster's authority"),
        }
    }
}

impl std::error::Error for MembershipError {}
