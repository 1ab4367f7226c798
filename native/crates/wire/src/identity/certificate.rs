//! The certificate that carries a peer's key through a TLS handshake. It says nothing else, so it
//! has one fixed form: the bytes before and after the key are constants. Reading one from a
//! stranger is a comparison, not a parse, and no X.509 code sees outside bytes.
//!
//! ```text
//! Certificate
//!   TBSCertificate  version 3, serial 1, Ed25519, issuer and subject CN=shoal,
//!                   valid 1970-01-01 to 9999-12-31 (no date is ever checked)
//!     key           32 bytes at KEY_AT
//!   algorithm       Ed25519
//!   signature       64 bytes, by the key itself; not checked: the handshake proves possession
//! ```

use super::{PublicKey, SecretKey};

const SIGNED_BYTES: usize = 132;
const SIGNED_AT: usize = 3;
const KEY_AT: usize = SIGNED_AT + SIGNED_BYTES - 32;
const SIGNATURE_AT: usize = SIGNED_AT + SIGNED_BYTES + 10;
pub const CERTIFICATE_BYTES: usize = SIGNATURE_AT + 64;

/// Ed25519 SubjectPublicKeyInfo up to the key.
const KEY_INFO_START: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Everything before the key.
const START: [u8; KEY_AT] = *b"\x30\x81\xce\
    \x30\x81\x81\
    \xa0\x03\x02\x01\x02\
    \x02\x01\x01\
    \x30\x05\x06\x03\x2b\x65\x70\
    \x30\x10\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05shoal\
    \x30\x20\x17\x0d700101000000Z\x18\x0f99991231235959Z\
    \x30\x10\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05shoal\
    \x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// Between the key and the signature.
const MIDDLE: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00];

/// The certificate of `key`: a pure function of it.
pub fn self_signed(key: &SecretKey) -> Vec<u8> {
    let mut der = Vec::with_capacity(CERTIFICATE_BYTES);
    der.extend_from_slice(&START);
    der.extend_from_slice(&key.public().0);
    let signature = key.sign(&der[SIGNED_AT..]);
    der.extend_from_slice(&MIDDLE);
    der.extend_from_slice(&signature);
    der
}

/// The key of a certificate, if it is one of ours.
pub fn public_key(der: &[u8]) -> Option<PublicKey> {
    if der.len() != CERTIFICATE_BYTES {
        return None;
    }
    let (start, rest) = der.split_at(KEY_AT);
    let (key, rest) = rest.split_first_chunk()?;
    let ours = start == START && rest[..MIDDLE.len()] == MIDDLE;
    ours.then_some(PublicKey(*key))
}

/// SubjectPublicKeyInfo of `key`.
pub fn key_info(key: &PublicKey) -> [u8; 44] {
    let mut der = [0; 44];
    der[..12].copy_from_slice(&KEY_INFO_START);
    der[12..].copy_from_slice(&key.0);
    der
}
