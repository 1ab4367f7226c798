//! The file that holds a secret key: one line of text, mode 0600.
//!
//! ```text
//! shoal-key-1 ROLE BASE64URL\n        ROLE: peer | authority
//!     BASE64URL of   32  seed
//!                    32  public key
//!                     8  SHA-256("shoal-key-1 ROLE" | seed | public key), first bytes
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::{SecretKey, short_hash};

const FORMAT: &str = "shoal-key-1";
const BODY_BYTES: usize = 72;
/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256;
/// Bits of the mode that let others than the owner in.
const OTHERS: u32 = 0o077;

/// What a key is for. A file of one role is not taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Identity of one peer.
    Peer,
    /// Signs memberships of a whole cluster.
    Authority,
}

#[derive(Debug)]
pub enum KeyFileError {
    Io(io::Error),
    /// Others than the owner may read or write it: `chmod 600`.
    Mode(u32),
    /// Not a key file, or a later format.
    Format,
    /// A key of the other role.
    Role,
    /// Damaged: the checksum or the public key does not fit.
    Checksum,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Authority => "authority",
        }
    }
}

/// The file's content.
pub fn encode(key: &SecretKey, role: Role) -> Zeroizing<String> {
    let mut body = Zeroizing::new([0; BODY_BYTES]);
    body[..32].copy_from_slice(key.seed());
    body[32..64].copy_from_slice(&key.public().0);
    let checksum = checksum(role, &body[..64]);
    body[64..].copy_from_slice(&checksum);
    let text = Zeroizing::new(Base64UrlUnpadded::encode_string(&*body));
    Zeroizing::new(format!("{FORMAT} {} {}\n", role.name(), *text))
}

pub fn parse(text: &str, role: Role) -> Result<SecretKey, KeyFileError> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let rest = line.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' '));
    let (name, encoded) = rest.and_then(|rest| rest.split_once(' ')).ok_or(KeyFileError::Format)?;
    if name != role.name() {
        let other = [Role::Peer, Role::Authority].iter().any(|other| other.name() == name);
        return Err(if other { KeyFileError::Role } else { KeyFileError::Format });
    }
    let mut body = Zeroizing::new([0; BODY_BYTES]);
    let decoded = Base64UrlUnpadded::decode(encoded, &mut *body);
    if decoded.map_or(0, <[u8]>::len) != BODY_BYTES {
        return Err(KeyFileError::Checksum);
    }
    let (keys, sum) = body.split_at(64);
    if checksum(role, keys) != sum {
        return Err(KeyFileError::Checksum);
    }
    let key = SecretKey::from_seed(keys.first_chunk().expect("64 bytes"));
    if key.public().0 != keys[32..] {
        return Err(KeyFileError::Checksum);
    }
    Ok(key)
}

/// Writes a new file, durably. Fails if there is one: a key is never replaced by accident.
pub fn create(path: &Path, key: &SecretKey, role: Role) -> Result<(), KeyFileError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(encode(key, role).as_bytes())?;
    file.sync_all()?;
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

pub fn load(path: &Path, role: Role) -> Result<SecretKey, KeyFileError> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    if mode & OTHERS != 0 {
        return Err(KeyFileError::Mode(mode & 0o777));
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    parse(&text, role)
}

fn checksum(role: Role, keys: &[u8]) -> [u8; 8] {
    short_hash(&[FORMAT.as_bytes(), b" ", role.name().as_bytes(), keys])
}

impl From<io::Error> for KeyFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Mode(mode) => write!(f, "mode is {mode:o}: others may read the key; chmod 600"),
            Self::Format => write!(f, "not a key file of a format known here"),
            Self::Role => write!(f, "a key of another role"),
            Self::Checksum => write!(f, "the key file is damaged"),
        }
    }
}

impl std::error::Error for KeyFileError {}
