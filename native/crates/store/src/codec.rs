//! Bounded reading of little-endian bytes that came from outside, and the odd widths for writing.

use shoal_types::{HeadEpoch, PgEpoch, Seq, Version};

/// Reads from the front; `None` once the bytes do not suffice, never a panic.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(front)
    }

    fn uint(&mut self, len: usize) -> Option<u64> {
        let mut wide = [0u8; 8];
        wide[..len].copy_from_slice(self.bytes(len)?);
        Some(u64::from_le_bytes(wide))
    }

    pub fn array16(&mut self) -> Option<[u8; 16]> {
        self.bytes(16)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.uint(1).map(|v| v as u8)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.uint(2).map(|v| v as u16)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.uint(4).map(|v| v as u32)
    }

    pub fn u40(&mut self) -> Option<u64> {
        self.uint(5)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.uint(8)
    }

    /// head_epoch u32, seq u48.
    pub fn version(&mut self) -> Option<Version> {
        let head_epoch = HeadEpoch(self.u32()?);
        let seq = Seq(self.uint(6)?);
        Some(Version { head_epoch, seq })
    }

    pub fn pg_epoch(&mut self) -> Option<PgEpoch> {
        self.u32().map(PgEpoch)
    }
}

/// Widths that `BufMut` lacks.
pub trait PutLe {
    fn put_u40(&mut self, value: u64);
    fn put_version(&mut self, version: Version);
}

impl PutLe for Vec<u8> {
    fn put_u40(&mut self, value: u64) {
        assert!(value >> 40 == 0, "40 bits");
        self.extend_from_slice(&value.to_le_bytes()[..5]);
    }

    fn put_version(&mut self, version: Version) {
        assert!(version.seq <= Seq::MAX, "48 bits");
        self.extend_from_slice(&version.head_epoch.0.to_le_bytes());
        self.extend_from_slice(&version.seq.0.to_le_bytes()[..6]);
    }
}

/// Metadata checksums start from the store's uuid: what an earlier store left on the disk, or a
/// client wrote as data, never passes as ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal(u32);

impl Seal {
    pub fn new(store_uuid: &[u8; 16]) -> Self {
        Self(shoal_types::checksum::crc32c(store_uuid))
    }

    pub fn sum(self, bytes: &[u8]) -> u32 {
        shoal_types::checksum::crc32c_seeded(self.0, bytes)
    }
}
