//! Who may talk to us: the members' keys, and the TLS verifiers that ask for nothing else.

mod config;
mod member_keys;
mod verifier;

pub use config::{ALPN_JOIN, ALPN_PEER, Dial, TlsIdentity, client_config, server_config};
pub use member_keys::{MemberKeys, PeerClass};
