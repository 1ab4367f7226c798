//! The join token: one line that can be pasted.
//!
//! ```text
//! shoal1-BASE64URL of
//! offset size
//!      0    1  zero
//!      1    2  bytes of all this, checksum included (tells a cut token from a mistyped one)
//!      3   16  cluster id
//!     19   32  authority's public key
//!     51   16  secret
//!     67    8  expiry, seconds since 1970
//!     75    1  number of addresses (1..=8), then each: length u8, "host:port"
//!    end    4  SHA-256("shoal1-" | all before), first bytes
//! ```

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::{PublicKey, SecretKey, short_hash};
use crate::cursor::{Put, Reader};
use crate::hello::ClusterId;
use crate::{Malformed, identity::NoEntropy};

pub const TOKEN_ADDRESSES_MAX: usize = 8;
const PREFIX: &str = "shoal1-";
const START_BYTES: usize = 3;
const CHECKSUM_BYTES: usize = 4;
/// Longest text that is looked at, in bytes, spaces included.
const TEXT_BYTES_MAX: usize = 8 << 10;
const SEED_DOMAIN: &[u8] = b"shoal token key 1\0";

/// 128 random bits. The cluster keeps only the public key that is derived from it, so that a copy
/// of the cluster state lets nobody in.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(Zeroizing<[u8; 16]>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    pub cluster: ClusterId,
    /// Who must vouch for the peer that answers.
    pub authority: PublicKey,
    pub secret: TokenSecret,
    pub expires_unix_s: u64,
    /// "host:port" of members, in the order in which to try them.
    pub addresses: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It does not start like a token.
    NotAToken,
    /// A token of another version of Shoal.
    Version,
    /// The end is missing: copy the whole line.
    Truncated,
    /// Characters are wrong, or too many.
    Mistyped,
    /// It was right and is too old: ask for a new one.
    Expired { expired_unix_s: u64 },
}

impl TokenSecret {
    pub fn generate() -> Result<Self, NoEntropy> {
        let mut bytes = Zeroizing::new([0; 16]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| NoEntropy)?;
        Ok(Self(bytes))
    }

    pub fn new(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Signs the join; its public half is the token's name in the cluster state.
    pub fn key(&self) -> SecretKey {
        let seed = Zeroizing::new(short_hash::<32>(&[SEED_DOMAIN, &*self.0]));
        SecretKey::from_seed(&seed)
    }
}

impl JoinToken {
    /// Panics if there is no address, too many, or one that no token can hold.
    pub fn encode(&self) -> Zeroizing<String> {
        assert!((1..=TOKEN_ADDRESSES_MAX).contains(&self.addresses.len()), "1 to 8 addresses");
        let mut body = Zeroizing::new(vec![0; START_BYTES]);
        body.put(&self.cluster);
        body.put(&self.authority.0);
        body.put(&*self.secret.0);
        body.put_u64(self.expires_unix_s);
        body.put_u8(self.addresses.len() as u8);
        for address in &self.addresses {
            assert!(is_address(address.as_bytes()), "{address:?} is not host:port");
            body.put_u8(address.len() as u8);
            body.put(address.as_bytes());
        }
        let bytes = (body.len() + CHECKSUM_BYTES) as u16;
        body[1..START_BYTES].copy_from_slice(&bytes.to_le_bytes());
        let checksum: [u8; CHECKSUM_BYTES] = short_hash(&[PREFIX.as_bytes(), &body]);
        body.put(&checksum);
        let text = Zeroizing::new(Base64UrlUnpadded::encode_string(&body));
        Zeroizing::new(format!("{PREFIX}{}", *text))
    }

    /// Reads a token as pasted: blanks and line ends around and inside it are ignored.
    pub fn parse(pasted: &str, now_unix_s: u64) -> Result<Self, TokenError> {
        if pasted.len() > TEXT_BYTES_MAX {
            return Err(TokenError::Mistyped);
        }
        let text: Zeroizing<String> =
            Zeroizing::new(pasted.chars().filter(|c| !c.is_ascii_whitespace()).collect());
        let encoded = strip_prefix(&text)?;
        let body = decode(encoded)?;
        let (fields, checksum) = body.split_at(body.len() - CHECKSUM_BYTES);
        if short_hash::<CHECKSUM_BYTES>(&[PREFIX.as_bytes(), fields]) != checksum {
            return Err(TokenError::Mistyped);
        }
        let token = Self::read(&fields[START_BYTES..]).map_err(|_| TokenError::Mistyped)?;
        if token.expires_unix_s <= now_unix_s {
            return Err(TokenError::Expired { expired_unix_s: token.expires_unix_s });
        }
        Ok(token)
    }

    fn read(fields: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(fields);
        let (cluster, authority) = (reader.array()?, PublicKey(reader.array()?));
        let secret = TokenSecret::new(reader.array()?);
        let expires_unix_s = reader.u64()?;
        let count = reader.u8()?.into();
        if !(1..=TOKEN_ADDRESSES_MAX).contains(&count) {
            return Err(Malformed::TooMany { field: "addresses", count: count as u64 });
        }
        let mut addresses = Vec::with_capacity(count);
        for _ in 0..count {
            let bytes = reader.u8()?.into();
            let address = reader.bytes(bytes)?;
            if !is_address(address) {
                return Err(Malformed::Value { field: "address", value: address.len() as u64 });
            }
            addresses.push(String::from_utf8_lossy(address).into_owned());
        }
        reader.finish()?;
        Ok(Self { cluster, authority, secret, expires_unix_s, addresses })
    }
}

fn strip_prefix(text: &str) -> Result<&str, TokenError> {
    if let Some(encoded) = text.strip_prefix(PREFIX) {
        return Ok(encoded);
    }
    let version = text.strip_prefix("shoal").and_then(|rest| rest.split_once('-'));
    match version {
        Some((digits, _)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Err(TokenError::Version)
        }
        _ if !text.is_empty() && PREFIX.starts_with(text) => Err(TokenError::Truncated),
        _ => Err(TokenError::NotAToken),
    }
}

/// The token's bytes, as many as they say they are.
fn decode(encoded: &str) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !encoded.bytes().all(letters) {
        return Err(TokenError::Mistyped);
    }
    let mut start = [0; START_BYTES];
    let first = encoded.get(..4).ok_or(TokenError::Truncated)?;
    Base64UrlUnpadded::decode(first, &mut start).map_err(|_| TokenError::Mistyped)?;
    let bytes = usize::from(u16::from_le_bytes([start[1], start[2]]));
    if start[0] != 0 || bytes < START_BYTES + CHECKSUM_BYTES {
        return Err(TokenError::Mistyped);
    }
    let expected = (bytes * 4).div_ceil(3);
    if encoded.len() < expected {
        return Err(TokenError::Truncated);
    }
    let body = Base64UrlUnpadded::decode_vec(encoded).map_err(|_| TokenError::Mistyped)?;
    if body.len() != bytes {
        return Err(TokenError::Mistyped);
    }
    Ok(Zeroizing::new(body))
}

/// "host:port", with a host of letters, digits, `.-_` or brackets with `:` inside (IPv6).
fn is_address(text: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b".-_:[]%".contains(b);
    let Some(colon) = text.iter().rposition(|b| *b == b':') else { return false };
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    let number = std::str::from_utf8(port).ok().and_then(|port| port.parse::<u16>().ok());
    text.len() <= 255 && text.iter().all(legal) && !host.is_empty() && number.is_some()
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSecret")
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAToken => write!(f, "not a join token: it starts with \"{PREFIX}\""),
            Self::Version => write!(f, "a join token of another version of Shoal"),
            Self::Truncated => write!(f, "the end of the token is missing: copy the whole line"),
            Self::Mistyped => write!(f, "the token is mistyped"),
            Self::Expired { .. } => write!(f, "the token has expired: ask for a new one"),
        }
    }
}

impl std::error::Error for TokenError {}
