//! Who we are, and whom we believe; shared by everything that dials or accepts.

use std::sync::{Arc, PoisonError, RwLock};

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
    membership: RwLock<Option<Membership>>,
}

impl TrustRoot {
    pub fn new(endpoint: Endpoint, keys: Arc<MemberKeys>) -> Self {
        Self { endpoint, keys, membership: RwLock::new(None) }
    }

    pub fn membership(&self) -> Option<Membership> {
        self.membership.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_membership(&self, membership: Option<Membership>) {
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = membership;
    }
}
