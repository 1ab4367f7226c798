//! Reading and writing of little-endian fields within bounds.

use std::fmt;

/// What is wrong with a run of bytes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end inside a field.
    Truncated,
    /// Bytes are left over after the last field.
    Trailing,
    /// A field holds a value that has no meaning.
    Value { field: &'static str, value: u64 },
    /// A list announces more entries than are allowed, or than fit in what is left.
    TooMany { field: &'static str, count: u64 },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the bytes end inside a field"),
            Self::Trailing => write!(f, "bytes are left over after the last field"),
            Self::Value { field, value } => write!(f, "{field} is {value}, which has no meaning"),
            Self::TooMany { field, count } => write!(f, "{count} entries of {field} are too many"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Takes fields off the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn flag(&mut self, field: &'static str) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(Malformed::Value { field, value: value.into() }),
        }
    }

    /// A u32 count of entries of at least `entry_bytes` each. NOTHING IS ALLOCATED BY A COUNT
    /// BEFORE IT PASSED HERE.
    pub fn count(&mut self, field: &'static str, entry_bytes: usize) -> Result<usize, Malformed> {
        let count = self.u32()?;
        let fits = self.remaining() / entry_bytes;
        if count as usize > fits {
            return Err(Malformed::TooMany { field, count: count.into() });
        }
        Ok(count as usize)
    }

    /// A list with its count in front.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        entry_bytes: usize,
        mut entry: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count(field, entry_bytes)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(entry(self)?);
        }
        Ok(list)
    }

    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }
}

/// Appends fields to a vector.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// The count of a list. A list of 2^32 entries cannot be sent at all: the frame is bounded.
    fn put_count(&mut self, count: usize) {
        self.put_u32(u32::try_from(count).expect("list longer than any frame"));
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
