//! Certificate verifiers that know two things: the shape of our certificates, and the set of keys
//! that may connect. No names, no chains, no dates: a clock that is wrong locks nobody out.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::{MemberKeys, PeerClass};
use crate::identity::{PublicKey, certificate};

const SCHEMES: [SignatureScheme; 1] = [SignatureScheme::ED25519];

/// The dialling side's verifier: exactly one key will do, or (to join) any.
pub struct ServerVerifier {
    pub expected: Option<PublicKey>,
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// The accepting side's verifier: members, and strangers while a token is open.
pub struct ClientVerifier {
    pub keys: Arc<MemberKeys>,
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// The key of a certificate chain that is one certificate of ours.
fn key_of(end: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<PublicKey, Error> {
    if !others.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    certificate::public_key(end).ok_or_else(|| CertificateError::BadEncoding.into())
}

/// POSSESSION OF THE KEY IS PROVEN HERE, by a signature over this very handshake.
fn verify_signature(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    if !SCHEMES.contains(&dss.scheme) {
        return Err(CertificateError::BadSignature.into());
    }
    let key = key_of(cert, &[])?;
    let spki = SubjectPublicKeyInfoDer::from(certificate::key_info(&key).to_vec());
    verify_tls13_signature_with_raw_key(message, &spki, dss, algorithms)
}

fn tls12_is_not_spoken() -> Error {
    Error::General("TLS 1.2 is not spoken".into())
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key_of(end, others)?;
        match self.expected {
            Some(expected) if expected != key => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_is_not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.keys.class_of(key_of(end, others)?) {
            PeerClass::Member(_) => Ok(ClientCertVerified::assertion()),
            PeerClass::Stranger(_) if self.keys.joins_open() => Ok(ClientCertVerified::assertion()),
            PeerClass::Stranger(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_is_not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerVerifier({:?})", self.expected)
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientVerifier")
    }
}
