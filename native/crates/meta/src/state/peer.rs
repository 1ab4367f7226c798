//! Peers and where they can be reached.

use serde::{Deserialize, Serialize};
use shoal_types::PeerId;

use super::limits::{ADDRESSES_PER_PEER_MAX, TEXT_BYTES_MAX};
use super::name::{check_name, check_text};
use super::outcome::{Fault, Kind, Rejection};
use crate::codec::{codec_enum, codec_struct};
use crate::hex::PublicKey;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    pub id: PeerId,
    pub name: String,
    /// Its identity; a connection that cannot prove it is refused.
    pub public_key: PublicKey,
    pub addresses: Vec<Address>,
    pub domains: Domains,
    pub state: Standing,
    /// Votes, stores nothing.
    pub witness: bool,
    pub joined_ms: u64,
    /// Planned absence until then (cluster time): nothing is rebuilt because of it. 0: none.
    pub maintenance_until_ms: u64,
}

/// A peer that is about to be admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPeer {
    pub name: String,
    pub public_key: PublicKey,
    pub addresses: Vec<Address>,
    #[serde(default)]
    pub domains: Domains,
    #[serde(default)]
    pub witness: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub role: AddressRole,
    /// `host:port`, or a multiaddr for gossip.
    pub address: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressRole {
    Data,
    Control,
    Gossip,
}

/// Above the peer itself; empty: none of that kind is known, and then the peer stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Domains {
    pub rack: String,
    pub zone: String,
}

/// Of a peer or a disk. `Down` moves nothing; `Out` is planned around; `Draining` is being left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    In,
    Draining,
    Out,
    Down,
}

impl NewPeer {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_name(Kind::Peer, &self.name)?;
        check_addresses(&self.addresses)?;
        self.domains.check()
    }

    pub(super) fn into_peer(self, id: PeerId, joined_ms: u64) -> Peer {
        Peer {
            id,
            name: self.name,
            public_key: self.public_key,
            addresses: self.addresses,
            domains: self.domains,
            state: Standing::In,
            witness: self.witness,
            joined_ms,
            maintenance_until_ms: 0,
        }
    }
}

impl Domains {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_text(Kind::Peer, &self.rack)?;
        check_text(Kind::Peer, &self.zone)
    }
}

pub(super) fn check_addresses(addresses: &[Address]) -> Result<(), Rejection> {
    let fits = (1..=ADDRESSES_PER_PEER_MAX).contains(&addresses.len())
        && addresses.iter().all(|a| (1..=TEXT_BYTES_MAX).contains(&a.address.len()));
    if !fits {
        return Err(Rejection::Invalid { what: Kind::Peer, fault: Fault::Address });
    }
    addresses.iter().try_for_each(|a| check_text(Kind::Peer, &a.address))
}

codec_struct!(Peer {
    id,
    name,
    public_key,
    addresses,
    domains,
    state,
    witness,
    joined_ms,
    maintenance_until_ms,
});
codec_struct!(NewPeer { name, public_key, addresses, domains, witness });
codec_struct!(Address { role, address });
codec_enum!(AddressRole: u8 { 1 => Data, 2 => Control, 3 => Gossip });
codec_struct!(Domains { rack, zone });
codec_enum!(Standing: u8 { 1 => In, 2 => Draining, 3 => Out, 4 => Down });
