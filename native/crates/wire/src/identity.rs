//! Who a peer is: an Ed25519 key, the certificate that shows it, the record by which the cluster's
//! authority vouches for it, and the token by which a stranger becomes a member.

pub mod certificate;
pub mod file;
pub mod join;
mod membership;
mod public_key;
mod secret_key;
#[cfg(test)]
mod tests;
mod token;

pub use membership::{MEMBERSHIP_BYTES, Membership};
pub use public_key::PublicKey;
pub use secret_key::{NoEntropy, SecretKey};
pub use token::{JoinToken, TOKEN_ADDRESSES_MAX, TokenError, TokenSecret};

use aws_lc_rs::digest::{SHA256, digest};

/// First `N` bytes of SHA-256 of `parts` joined: checksum of what people copy by hand.
fn short_hash<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let hash = digest(&SHA256, &parts.concat());
    *hash.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}
