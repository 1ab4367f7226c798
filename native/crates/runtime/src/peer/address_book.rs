//! Who carries which disk, and where to reach whom; a copy of what the cluster state says.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use shoal_types::{DiskId, PeerId};
use shoal_wire::identity::PublicKey;

/// How to reach one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    pub peer: PeerId,
    pub key: PublicKey,
    /// `host:port` of the data plane, best first.
    pub addresses: Vec<String>,
}

#[derive(Debug, Default)]
struct Tables {
    peers: HashMap<PeerId, PeerAddress>,
    owners: HashMap<DiskId, PeerId>,
}

/// Shared by all threads; replaced whole when the cluster state changes.
#[derive(Debug, Default)]
pub struct AddressBook {
    tables: RwLock<Tables>,
}

impl AddressBook {
    pub fn replace(
        &self,
        peers: impl IntoIterator<Item = PeerAddress>,
        owners: impl IntoIterator<Item = (DiskId, PeerId)>,
    ) {
        let peers = peers.into_iter().map(|peer| (peer.peer, peer)).collect();
        let tables = Tables { peers, owners: owners.into_iter().collect() };
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = tables;
    }

    pub fn peer(&self, peer: PeerId) -> Option<PeerAddress> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.peers.get(&peer).cloned()
    }

    /// The peer that carries `disk`.
    pub fn owner(&self, disk: DiskId) -> Option<PeerAddress> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.peers.get(tables.owners.get(&disk)?).cloned()
    }
}
