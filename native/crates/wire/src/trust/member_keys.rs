//! The allowed set: which key belongs to which peer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use shoal_types::PeerId;

use crate::identity::PublicKey;

/// What the key of a connection's other side makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerClass {
    Member(PeerId),
    /// Owns this key and is not a member: may show a token, nothing else.
    Stranger(PublicKey),
}

/// Shared by all connections of a process and replaced as a whole with each new map. A removed
/// peer fails its next handshake; its open connections are found with `class_of` and closed.
#[derive(Debug, Default)]
pub struct MemberKeys {
    peers: RwLock<Arc<HashMap<PublicKey, PeerId>>>,
    joins_open: AtomicBool,
}

impl MemberKeys {
    pub fn new(members: impl IntoIterator<Item = (PublicKey, PeerId)>) -> Arc<Self> {
        let keys = Self::default();
        keys.replace(members);
        Arc::new(keys)
    }

    pub fn replace(&self, members: impl IntoIterator<Item = (PublicKey, PeerId)>) {
        let peers = Arc::new(members.into_iter().collect());
        *self.peers.write().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    /// Whether strangers get as far as showing a token: only while the cluster has an open one.
    pub fn set_joins_open(&self, open: bool) {
        self.joins_open.store(open, Ordering::Release);
    }

    pub fn joins_open(&self) -> bool {
        self.joins_open.load(Ordering::Acquire)
    }

    pub fn class_of(&self, key: PublicKey) -> PeerClass {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner).clone();
        peers.get(&key).map_or(PeerClass::Stranger(key), |peer| PeerClass::Member(*peer))
    }

    pub fn key_of(&self, peer: PeerId) -> Option<PublicKey> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner).clone();
        peers.iter().find(|(_, id)| **id == peer).map(|(key, _)| *key)
    }
}
