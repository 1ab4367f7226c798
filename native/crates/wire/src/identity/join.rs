//! How a stranger becomes a member: it checks who answers, proves its token, and gets a membership.
//!
//! The secret itself never travels. The proof is a signature that names the joiner's own key, so
//! it is worth nothing to whoever sees it, and any peer may pass it on to the leader.
//!
//! ```text
//! request                                    reply
//! offset size                                offset size
//!      0   32  token's public key                 0    1  0 welcome, else `JoinRefusal`
//!     32   64  signature of the token's key       1  136  membership record (if welcome)
//!     96    2  bytes of details                        2  bytes of details
//!     98       details: opaque to this crate              details
//! ```

use super::{MEMBERSHIP_BYTES, Membership, PublicKey, TokenSecret, short_hash};
use crate::Malformed;
use crate::cursor::{Put, Reader};
use crate::hello::ClusterId;
use crate::identity::JoinToken;

/// Most bytes of details in either direction.
pub const DETAILS_BYTES_MAX: usize = 3 << 10;
const DOMAIN: &[u8] = b"shoal join 1\0";

/// What the joiner sends once it trusts the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// Names the token.
    pub token: PublicKey,
    pub proof: [u8; 64],
    /// What the control plane wants to know of a new peer: name, addresses, disks.
    pub details: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinReply {
    Welcome { membership: [u8; MEMBERSHIP_BYTES], details: Vec<u8> },
    Refused(JoinRefusal),
}

/// Told to whoever proved that it has the token; all others hear `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum JoinRefusal {
    /// No such token, or the proof is wrong.
    Unknown = 1,
    /// The token was used.
    Used = 2,
    Expired = 3,
    /// The cluster cannot decide now: try again.
    Unavailable = 4,
    /// The cluster does not take peers of this version.
    Version = 5,
    /// This key was a member's and was removed: make a new identity.
    Removed = 6,
}

impl JoinRequest {
    pub fn new(
        cluster: &ClusterId,
        secret: &TokenSecret,
        joiner: &PublicKey,
        details: Vec<u8>,
    ) -> Self {
        let key = secret.key();
        let token = key.public();
        let proof = key.sign(&statement(cluster, &token, joiner, &details));
        Self { token, proof, details }
    }

    /// Whether the token's owner asks to make `joiner` (the key that the connection was made
    /// with) a member of this cluster. That the token is known, unused and not expired is the
    /// cluster state's to say.
    pub fn is_proven(&self, cluster: &ClusterId, joiner: &PublicKey) -> bool {
        let statement = statement(cluster, &self.token, joiner, &self.details);
        self.token.verifies(&statement, &self.proof)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(98 + self.details.len());
        out.put(&self.token.0);
        out.put(&self.proof);
        put_details(&mut out, &self.details);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (token, proof) = (PublicKey(reader.array()?), reader.array()?);
        let details = read_details(&mut reader)?;
        reader.finish()?;
        Ok(Self { token, proof, details })
    }
}

impl JoinReply {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Welcome { membership, details } => {
                out.put_u8(0);
                out.put(membership);
                put_details(&mut out, details);
            }
            Self::Refused(refusal) => out.put_u8(*refusal as u8),
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let reply = match reader.u8()? {
            0 => {
                let membership = reader.array()?;
                Self::Welcome { membership, details: read_details(&mut reader)? }
            }
            1 => Self::Refused(JoinRefusal::Unknown),
            2 => Self::Refused(JoinRefusal::Used),
            3 => Self::Refused(JoinRefusal::Expired),
            4 => Self::Refused(JoinRefusal::Unavailable),
            5 => Self::Refused(JoinRefusal::Version),
            6 => Self::Refused(JoinRefusal::Removed),
            value => return Err(Malformed::Value { field: "refusal", value: value.into() }),
        };
        reader.finish()?;
        Ok(reply)
    }
}

impl JoinToken {
    /// The joiner's check of the peer that answered, BEFORE IT IS TOLD ANYTHING: its credential
    /// must be signed by the token's authority, for the token's cluster and for the very key that
    /// the connection was made with.
    pub fn vouches_for(&self, credential: &[u8], answered: &PublicKey) -> Option<Membership> {
        let membership = Membership::verify(credential, &self.authority).ok()?;
        let right = membership.cluster == self.cluster && membership.key == *answered;
        right.then_some(membership)
    }

    /// The joiner's check of what it got: its own key, the same cluster, the same authority.
    pub fn welcomes(&self, membership: &[u8], joiner: &PublicKey) -> Option<Membership> {
        self.vouches_for(membership, joiner)
    }
}

fn statement(
    cluster: &ClusterId,
    token: &PublicKey,
    joiner: &PublicKey,
    details: &[u8],
) -> Vec<u8> {
    let hash: [u8; 32] = short_hash(&[details]);
    [DOMAIN, cluster, &token.0, &joiner.0, &hash].concat()
}

fn put_details(out: &mut Vec<u8>, details: &[u8]) {
    assert!(details.len() <= DETAILS_BYTES_MAX, "details are bounded by their writer");
    out.put_u16(details.len() as u16);
    out.put(details);
}

fn read_details(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let bytes = reader.u16()?.into();
    if bytes > DETAILS_BYTES_MAX {
        return Err(Malformed::TooMany { field: "details", count: bytes as u64 });
    }
    Ok(reader.bytes(bytes)?.to_vec())
}
