//! The device file: what a device is, for whoever must take it back or remove it when its server
//! is gone. 160 bytes, little-endian, drawn in docs/formats/ublk.md.

use std::fmt;

use shoal_types::VolumeId;
use shoal_types::checksum::crc32c;

use crate::device_info::{DeviceInfo, OwnerTag};
use crate::device_spec::{DeviceSpec, SpecError};

const MAGIC: &[u8; 8] = b"SHOALDEV";
const VERSION: u16 = 1;
pub const RECORD_BYTES: usize = 160;
/// Longest volume name, in bytes.
pub const NAME_BYTES_MAX: usize = 63;

const FLAG_READ_ONLY: u16 = 1;
const FLAG_FENCED: u16 = 2;
const FLAG_USER_COPY: u16 = 4;
const FLAGS_KNOWN: u16 = FLAG_READ_ONLY | FLAG_FENCED | FLAG_USER_COPY;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceRecord {
    pub device: u32,
    pub volume: VolumeId,
    pub name: String,
    /// Incarnation of the cluster and generation of the attachment: a head is taken again only
    /// under both.
    pub incarnation: u64,
    pub generation: u64,
    pub size_bytes: u64,
    pub logical_block_bytes: u32,
    pub queues: u16,
    pub depth: u16,
    pub max_io_bytes: u32,
    pub max_trim_bytes: u32,
    pub read_only: bool,
    /// Answers EIO until it is detached, whoever serves it.
    pub fenced: bool,
    pub user_copy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordError {
    /// Not a device file, or cut short.
    Shape,
    Version(u16),
    Checksum,
    /// Unknown flags: written by a newer program.
    Flags(u16),
    Name,
    Spec(SpecError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => write!(f, "not a device file"),
            Self::Version(version) => write!(f, "device file of version {version}"),
            Self::Checksum => write!(f, "device file with a wrong checksum"),
            Self::Flags(flags) => write!(f, "device file with unknown flags {flags:#x}"),
            Self::Name => write!(f, "device file without a proper volume name"),
            Self::Spec(error) => write!(f, "device file: {error}"),
        }
    }
}

impl std::error::Error for RecordError {}

impl DeviceRecord {
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        assert!(is_name(self.name.as_bytes()), "volume name {:?}", self.name);
        let flag = |on: bool, flag: u16| if on { flag } else { 0 };
        let flags = flag(self.read_only, FLAG_READ_ONLY)
            | flag(self.fenced, FLAG_FENCED)
            | flag(self.user_copy, FLAG_USER_COPY);
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&flags.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.device.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.volume.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.size_bytes.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.logical_block_bytes.to_le_bytes());
        bytes[52..54].copy_from_slice(&self.queues.to_le_bytes());
        bytes[54..56].copy_from_slice(&self.depth.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.max_io_bytes.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.max_trim_bytes.to_le_bytes());
        bytes[64] = self.name.len() as u8;
        bytes[65..65 + self.name.len()].copy_from_slice(self.name.as_bytes());
        let sum = crc32c(&bytes[..RECORD_BYTES - 4]);
        bytes[RECORD_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let bytes: &[u8; RECORD_BYTES] = bytes.try_into().map_err(|_| RecordError::Shape)?;
        if &bytes[..8] != MAGIC {
            return Err(RecordError::Shape);
        }
        let version = u16_at(bytes, 8);
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        if crc32c(&bytes[..RECORD_BYTES - 4]) != u32_at(bytes, RECORD_BYTES - 4) {
            return Err(RecordError::Checksum);
        }
        let flags = u16_at(bytes, 10);
        if flags & !FLAGS_KNOWN != 0 {
            return Err(RecordError::Flags(flags & !FLAGS_KNOWN));
        }
        let record = Self {
            device: u32_at(bytes, 12),
            volume: VolumeId(u64_at(bytes, 16)),
            name: name_in(bytes)?,
            incarnation: u64_at(bytes, 24),
            generation: u64_at(bytes, 32),
            size_bytes: u64_at(bytes, 40),
            logical_block_bytes: u32_at(bytes, 48),
            queues: u16_at(bytes, 52),
            depth: u16_at(bytes, 54),
            max_io_bytes: u32_at(bytes, 56),
            max_trim_bytes: u32_at(bytes, 60),
            read_only: flags & FLAG_READ_ONLY != 0,
            fenced: flags & FLAG_FENCED != 0,
            user_copy: flags & FLAG_USER_COPY != 0,
        };
        record.spec(OwnerTag(0)).check().map_err(RecordError::Spec)?;
        Ok(record)
    }

    /// What to serve, and how, when the device is taken back.
    pub fn spec(&self, owner: OwnerTag) -> DeviceSpec {
        DeviceSpec {
            size_bytes: self.size_bytes,
            logical_block_bytes: self.logical_block_bytes,
            read_only: self.read_only,
            queues: self.queues,
            depth: self.depth,
            max_io_bytes: self.max_io_bytes,
            max_trim_bytes: self.max_trim_bytes,
            owner,
            user_copy: self.user_copy,
        }
    }

    /// Does the kernel's device have the shape that was recorded? A number may be reused.
    pub fn matches(&self, info: &DeviceInfo) -> bool {
        let (ours, theirs) = (self.spec(OwnerTag(0)), info);
        self.device == theirs.device
            && ours.queues == theirs.queues
            && ours.depth == theirs.depth
            && ours.max_io_bytes == theirs.max_io_bytes
            && theirs.features.missing(ours.features()).is_empty()
    }
}

fn name_in(bytes: &[u8; RECORD_BYTES]) -> Result<String, RecordError> {
    let (text, rest) =
        bytes[65..128].split_at_checked(usize::from(bytes[64])).ok_or(RecordError::Name)?;
    if !is_name(text) || rest.iter().any(|byte| *byte != 0) {
        return Err(RecordError::Name);
    }
    Ok(String::from_utf8(text.to_vec()).expect("names are ASCII"))
}

/// `[a-z0-9][a-z0-9._-]{0,62}`: never a path.
fn is_name(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.first().is_some_and(plain)
        && name.iter().all(|byte| plain(byte) || b"._-".contains(byte))
}

fn u16_at(bytes: &[u8; RECORD_BYTES], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

fn u32_at(bytes: &[u8; RECORD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8; RECORD_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
#[path = "device_record_tests.rs"]
pub(crate) mod tests;
