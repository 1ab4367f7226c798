//! Who we are, and whom we believe; shared by everything that dials or accepts.
//! With it comes what all connections share.

use std::sync::{Arc, PoisonError, RwLock};

use shoal_types::buffer::BufferPool;
use shoal_wire::hello::Greeter;
use shoal_wire::session::Endpoint;
use shoal_wire::trust::MemberKeys;

/// What a member says of itself.
#[derive(Clone, Debug)]
pub struct Membership {
    pub greeter: Greeter,
    /// The signed membership record, shown to strangers that join.
    pub credential: Vec<u8>,
}

/// One for a process. Outside of a cluster there is no membership, and nothing is accepted.
pub struct TrustRoot {
    pub endpoint: Endpoint,
    pub keys: Arc<MemberKeys>,
    /// Payload memory of all connections.
    pub pool: BufferPool,
    membership: RwLock<Option<Membership>>,
}

impl TrustRoot {
    pub fn new(endpoint: Endpoint, keys: Arc<MemberKeys>, pool: BufferPool) -> Self {
        Self { endpoint, keys, pool, membership: RwLock::new(None) }
    }

    pub fn membership(&self) -> Option<Membership> {
        self.membership.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_membership(&self, membership: Option<Membership>) {
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = membership;
    }
}
