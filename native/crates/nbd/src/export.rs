//! What is served, and under which name.

use crate::constants::flag;
use crate::limits::PAYLOAD_BYTES_MAX;

/// One export as its clients see it, fixed for the life of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Canonical name: a volume's.
    pub name: String,
    /// For humans; may be empty.
    pub description: String,
    /// In bytes, a multiple of `blocks.minimum`.
    pub size: u64,
    pub blocks: BlockSizes,
    pub read_only: bool,
}

/// In bytes, powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSizes {
    /// Smallest unit and alignment of a request; others get EINVAL.
    pub minimum: u32,
    /// Requests in multiples of this need no merging.
    pub preferred: u32,
}

impl BlockSizes {
    /// The head merges parts of blocks, so any byte can be written.
    pub const BYTES: Self = Self { minimum: 1, preferred: 4096 };
    /// For volumes with a logical block size of 4096.
    pub const BLOCKS: Self = Self { minimum: 4096, preferred: 4096 };

    /// Largest payload of one request.
    pub fn payload_max(self) -> u32 {
        PAYLOAD_BYTES_MAX
    }
}

impl Export {
    /// Transmission flags. CAN_MULTI_CONN is true of every volume: a completed write is durable
    /// and seen by all connections, because one head orders them and no front end caches.
    pub(crate) fn flags(&self, structured: bool) -> u16 {
        let mut flags = flag::HAS_FLAGS
            | flag::SEND_FLUSH
            | flag::SEND_FUA
            | flag::CAN_MULTI_CONN
            | flag::SEND_CACHE;
        if self.read_only {
            flags |= flag::READ_ONLY;
        } else {
            flags |= flag::SEND_TRIM | flag::SEND_WRITE_ZEROES | flag::SEND_FAST_ZERO;
        }
        if structured {
            flags |= flag::SEND_DF;
        }
        flags
    }
}

/// A line of the answer to LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportEntry {
    pub name: String,
    pub description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    Unknown,
    /// It exists, but not for this client or not now.
    Refused,
}

/// Where a negotiation finds exports. The empty name means the default export, if there is one.
pub trait Exports {
    fn list(&self) -> Vec<ExportEntry>;
    fn find(&self, name: &str) -> Result<Export, LookupError>;
}

/// The kernel's client never asks.
pub struct NoExports;

impl Exports for NoExports {
    fn list(&self) -> Vec<ExportEntry> {
        Vec::new()
    }

    fn find(&self, _: &str) -> Result<Export, LookupError> {
        Err(LookupError::Unknown)
    }
}
