//! From which sessions come: our identity, the members, the limits.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;

use super::incoming::Incoming;
use super::tls::Tls;
use super::{RECORD_BYTES_MAX, Status, TlsSession};
use crate::identity::SecretKey;
use crate::trust::{Dial, MemberKeys, TlsIdentity, client_config, server_config};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Most received bytes until a handshake must have ended; a right one has under 4 KiB.
    pub handshake_bytes_max: usize,
    /// Longest time until a handshake must have ended.
    pub handshake_ns_max: u64,
    /// Memory of a connection for received bytes. More of it means fewer system calls for large
    /// payloads. Raised to hold two records at least.
    pub receive_bytes: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            handshake_bytes_max: 16 << 10,
            handshake_ns_max: 5_000_000_000,
            receive_bytes: 64 << 10,
        }
    }
}

/// One for a process.
#[derive(Clone)]
pub struct Endpoint {
    identity: TlsIdentity,
    keys: Arc<MemberKeys>,
    server: Arc<ServerConfig>,
    limits: SessionLimits,
}

impl Endpoint {
    pub fn new(key: &SecretKey, keys: Arc<MemberKeys>, limits: SessionLimits) -> Self {
        let identity = TlsIdentity::new(key);
        let server = server_config(&identity, keys.clone());
        Self { identity, keys, server, limits }
    }

    /// A session that we dial. `advance` then gives the first bytes to send.
    pub fn dial(&self, dial: Dial, now_ns: u64) -> TlsSession {
        // The name is part of the library's interface; it is neither sent nor checked.
        let name = ServerName::try_from("shoal").expect("a legal name");
        let config = client_config(&self.identity, dial);
        let tls = UnbufferedClientConnection::new(config, name).expect("the configuration is ours");
        self.session(Tls::Client(tls), Some(dial), now_ns)
    }

    /// A session that somebody dialled.
    pub fn accept(&self, now_ns: u64) -> TlsSession {
        let config = self.server.clone();
        let tls = UnbufferedServerConnection::new(config).expect("the configuration is ours");
        self.session(Tls::Server(tls), None, now_ns)
    }

    fn session(&self, tls: Tls, dial: Option<Dial>, now_ns: u64) -> TlsSession {
        TlsSession {
            tls,
            keys: self.keys.clone(),
            dial,
            limits: self.limits,
            deadline_ns: now_ns.saturating_add(self.limits.handshake_ns_max),
            incoming: Incoming::new(self.limits.receive_bytes),
            handshake_bytes: 0,
            status: Status::Handshaking,
            peer: None,
            staging: Vec::with_capacity(RECORD_BYTES_MAX),
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({:?})", self.limits)
    }
}
