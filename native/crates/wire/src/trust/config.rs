//! TLS as it is spoken between peers: version 1.3, both sides shown, AES-GCM, nothing resumed.

use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

use super::MemberKeys;
use super::verifier::{ClientVerifier, ServerVerifier};
use crate::identity::{PublicKey, SecretKey, certificate};

/// Names what a connection is for, before the hello: members talk under the first, and strangers
/// can be let in under the second alone.
pub const ALPN_PEER: &[u8] = b"shoal/1";
pub const ALPN_JOIN: &[u8] = b"shoal-join/1";

/// Whom a connection is dialled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// The member with this key, and nobody else.
    Member(PublicKey),
    /// Whoever answers at an address from a token. It must show its membership, signed by the
    /// authority that the token names, before it is told anything.
    Join,
}

/// Our key and certificate, ready for handshakes.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    certified: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

impl TlsIdentity {
    pub fn new(key: &SecretKey) -> Self {
        let pkcs8 = PrivatePkcs8KeyDer::from(key.to_pkcs8().to_vec());
        let signer = aws_lc_rs::sign::any_eddsa_type(&pkcs8).expect("an Ed25519 key is one");
        let chain = vec![CertificateDer::from(certificate::self_signed(key))];
        Self { certified: Arc::new(CertifiedKey::new(chain, signer)), provider: provider() }
    }
}

/// One for a process: members of `keys` are let in, and strangers while it says so.
pub fn server_config(identity: &TlsIdentity, keys: Arc<MemberKeys>) -> Arc<ServerConfig> {
    let algorithms = identity.provider.signature_verification_algorithms;
    let mut config = ServerConfig::builder_with_provider(identity.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3 suites")
        .with_client_cert_verifier(Arc::new(ClientVerifier { keys, algorithms }))
        .with_cert_resolver(Arc::new(Shown(identity.certified.clone())));
    config.alpn_protocols = vec![ALPN_PEER.to_vec(), ALPN_JOIN.to_vec()];
    // NOTHING IS RESUMED: each handshake asks the members' set anew.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}

/// One for each dial.
pub fn client_config(identity: &TlsIdentity, dial: Dial) -> Arc<ClientConfig> {
    let algorithms = identity.provider.signature_verification_algorithms;
    let (expected, alpn) = match dial {
        Dial::Member(key) => (Some(key), ALPN_PEER),
        Dial::Join => (None, ALPN_JOIN),
    };
    let mut config = ClientConfig::builder_with_provider(identity.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3 suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier { expected, algorithms }))
        .with_client_cert_resolver(Arc::new(Shown(identity.certified.clone())));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// ChaCha20 is left out on purpose: with AES in every processor that we run on it costs
/// nearly half of the throughput.
fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![
        aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
        aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
    ];
    let kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519];
    Arc::new(CryptoProvider { cipher_suites, kx_groups, ..aws_lc_rs::default_provider() })
}

/// Always shows the one certificate that we have.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        schemes.contains(&SignatureScheme::ED25519).then(|| self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
