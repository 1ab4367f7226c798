//! What the store asks of its disk, and how the disk answers. The driver (runtime or simulator)
//! carries these out in any order, as many at once as it likes.

use std::fmt;

use bytes::Bytes;
use shoal_types::{StoreError, StoreReply};

/// Names one disk command; never used twice by one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IoId(pub u64);

/// One disk command. Offsets and lengths are multiples of 4096 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskIo {
    pub id: IoId,
    pub kind: IoKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IoKind {
    /// Answered by `Ok(Some(bytes))` of exactly `len` bytes.
    Read { offset: u64, len: u64 },
    /// The buffers lie one behind the other from `offset`; each is a multiple of 4096 bytes long.
    /// `durable`: answered only when these bytes are on stable media (RWF_DSYNC, or a cache that
    /// does not lose them). Otherwise the next `Sync` makes them so.
    Write { offset: u64, bufs: Vec<Bytes>, durable: bool },
    /// Answered when every write answered before it was issued is on stable media.
    Sync,
    /// A hint that these bytes are not needed; may do nothing.
    Discard { offset: u64, len: u64 },
}

/// A disk command failed. The store never tries it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoError {
    /// errno of the failure.
    pub code: i32,
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.code).fmt(f)
    }
}

/// What `Store::poll` hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Io(DiskIo),
    /// The op of this token is over; what it promised durable is durable.
    Done {
        token: u64,
        result: Result<StoreReply, StoreError>,
    },
}
