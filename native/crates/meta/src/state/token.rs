//! Join tokens: only the hash is known here, so that a stolen state admits nobody.

use serde::Serialize;
use shoal_types::PeerId;

use crate::codec::codec_struct;
use crate::hex::TokenHash;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    pub hash: TokenHash,
    /// Cluster time.
    pub expires_ms: u64,
    /// Single use: the peer that it admitted. Kept until it expires, to tell "used" from "unknown".
    pub used_by: Option<PeerId>,
    /// Admits a witness only.
    pub witness: bool,
}

codec_struct!(Token { hash, expires_ms, used_by, witness });
