//! Reads outside bytes without ever looking past their end.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before the value does.
    Short {
        wanted: usize,
        left: usize,
    },
    /// Bytes are left over after the value.
    Trailing {
        left: usize,
    },
    /// A tag that this version does not know.
    UnknownTag {
        what: &'static str,
        tag: u32,
    },
    /// A value no encoder writes (bool 2, text that is not UTF-8, keys out of order...).
    Malformed {
        what: &'static str,
    },
    /// A count or size above its bound.
    TooLong {
        what: &'static str,
        value: u64,
        max: u64,
    },
    /// Magic number, version or feature mask of something else, or of something newer.
    Incompatible {
        what: &'static str,
        found: u64,
    },
    Checksum {
        stored: u32,
        computed: u32,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { wanted, left } => write!(f, "{wanted} bytes wanted, {left} left"),
            Self::Trailing { left } => write!(f, "{left} bytes left over"),
            Self::UnknownTag { what, tag } => write!(f, "unknown {what} tag {tag}"),
            Self::Malformed { what } => write!(f, "malformed {what}"),
            Self::TooLong { what, value, max } => write!(f, "{what} {value} above {max}"),
            Self::Incompatible { what, found } => write!(f, "incompatible {what} {found:#x}"),
            Self::Checksum { stored, computed } => {
                write!(f, "checksum {stored:#010x} stored, {computed:#010x} computed")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// A cursor over borrowed bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, tail)) = self.bytes.split_at_checked(len) else {
            return Err(DecodeError::Short { wanted: len, left: self.bytes.len() });
        };
        self.bytes = tail;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0u8; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A u32 count of elements that take at least one byte each.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        if count > self.bytes.len() {
            return Err(DecodeError::Short { wanted: count, left: self.bytes.len() });
        }
        Ok(count)
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }
}
