//! Accepted connections: to the store, to consensus, or to the admission of a new peer.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use shoal_types::DiskId;
use shoal_wire::hello::Purpose;
use shoal_wire::identity::PublicKey;
use shoal_wire::identity::join::{JoinRefusal, JoinReply, JoinRequest};

use super::Inlet;
use crate::meta_thread::{MetaHandle, MetaMessage};
use crate::peer::{Established, HandshakeError, Receptionist};
use crate::ring::Sender;
use crate::store_thread::StoreMessage;

/// Longest time that the cluster may take to admit a peer.
const JOIN_MAX: Duration = Duration::from_secs(10);
/// Refused callers that are remembered, so that each is logged once.
const REFUSED_MAX: usize = 1024;

/// The stores that are open here.
#[derive(Default)]
pub struct StoreDirectory {
    stores: RwLock<HashMap<DiskId, Sender<StoreMessage>>>,
}

impl StoreDirectory {
    pub fn insert(&self, disk: DiskId, sender: Sender<StoreMessage>) {
        self.stores.write().unwrap_or_else(PoisonError::into_inner).insert(disk, sender);
    }

    pub fn remove(&self, disk: DiskId) {
        self.stores.write().unwrap_or_else(PoisonError::into_inner).remove(&disk);
    }

    pub fn get(&self, disk: DiskId) -> Option<Sender<StoreMessage>> {
        self.stores.read().unwrap_or_else(PoisonError::into_inner).get(&disk).cloned()
    }
}

pub struct Reception {
    pub stores: Arc<StoreDirectory>,
    pub meta: MetaHandle,
    pub inlet: Inlet,
    pub refused: Mutex<HashSet<(IpAddr, String)>>,
}

impl Receptionist for Reception {
    fn serves(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Replication(disk) => self.stores.get(disk).is_some(),
            Purpose::Raft | Purpose::Meta => true,
            Purpose::Api | Purpose::Join => false,
        }
    }

    fn receive(&self, purpose: Purpose, established: Established) {
        let established = Box::new(established);
        match purpose {
            Purpose::Replication(disk) => {
                // Closed meanwhile: dropping the connection tells the other side.
                if let Some(store) = self.stores.get(disk) {
                    store.send(StoreMessage::Accepted(established));
                }
            }
            Purpose::Raft | Purpose::Meta => self.meta.send(MetaMessage::Accepted(established)),
            Purpose::Api | Purpose::Join => {}
        }
    }

    fn join(&self, request: &JoinRequest, joiner: &PublicKey) -> JoinReply {
        let (answer, decided) = sync_channel(1);
        let (request, joiner) = (request.clone(), *joiner);
        self.inlet.go_on(move |supervisor| supervisor.admit(&request, joiner, answer));
        decided.recv_timeout(JOIN_MAX).unwrap_or(JoinReply::Refused(JoinRefusal::Unavailable))
    }

    /// Said once for each caller and reason: a stranger that dials on must not fill the log.
    fn refused(&self, from: SocketAddr, why: &HandshakeError) {
        if matches!(why, HandshakeError::Ended | HandshakeError::Io(_)) {
            return;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < REFUSED_MAX && refused.insert((from.ip(), why.to_string())) {
            eprintln!("refused a connection from {}: {why}", from.ip());
        }
    }
}
