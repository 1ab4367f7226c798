//! What a client asks for, after all checks.

use bytes::Bytes;

use crate::Export;
use crate::constants::{REQUEST_MAGIC, cmd, cmd_flag};
use crate::error::Violation;
use crate::limits::EXTENTS_MAX;

/// Names one request of one connection until it is answered. Cookies are the client's and may
/// repeat; tags do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Transmission begins; all requests are for this export.
    Opened(Export),
    /// Must be answered exactly once, in any order.
    Request(Request),
}

/// Within the export and aligned to its minimum block size; permitted on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub tag: Tag,
    pub offset: u64,
    /// In bytes; zero for `Flush` alone. Reads and writes: at most `PAYLOAD_BYTES_MAX`.
    pub length: u32,
    pub command: Command,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answer: `Connection::reply_read`, or `read_chunk` and `reply_done`.
    Read,
    /// `data` lies in memory as on the volume: where `offset` is a multiple of 4096, so is its
    /// address, and so is the address of every later block boundary.
    Write { data: Bytes, fua: bool },
    /// Every write completed before is durable when this is answered.
    Flush,
    /// A hint.
    Trim { fua: bool },
    /// `no_hole`: keep the space; `fast`: ENOTSUP unless it is faster than writing.
    WriteZeroes { no_hole: bool, fast: bool, fua: bool },
    /// Answer: `Connection::reply_block_status`.
    BlockStatus,
    /// A hint that reads will follow.
    Cache,
}

/// A request as it comes in.
///
/// ```text
/// u32 magic   0x25609513
/// u16 flags   command flags
/// u16 command
/// u64 cookie  given back in the answer
/// u64 offset
/// u32 length  a WRITE is followed by this many bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub flags: u16,
    pub command: u16,
    pub cookie: u64,
    pub offset: u64,
    pub length: u32,
}

impl Header {
    pub const BYTES: usize = 28;

    pub fn parse(raw: &[u8; Self::BYTES]) -> Result<Self, Violation> {
        let (magic, rest) = take::<4>(raw);
        let (flags, rest) = take::<2>(rest);
        let (command, rest) = take::<2>(rest);
        let (cookie, rest) = take::<8>(rest);
        let (offset, rest) = take::<8>(rest);
        let (length, _) = take::<4>(rest);
        match u32::from_be_bytes(magic) {
            REQUEST_MAGIC => Ok(Self {
                flags: u16::from_be_bytes(flags),
                command: u16::from_be_bytes(command),
                cookie: u64::from_be_bytes(cookie),
                offset: u64::from_be_bytes(offset),
                length: u32::from_be_bytes(length),
            }),
            other => Err(Violation::BadRequestMagic(other)),
        }
    }

    /// Memory that it pins until its answer is sent, in bytes.
    pub fn cost(&self) -> u64 {
        match self.command {
            cmd::READ | cmd::WRITE => u64::from(self.length),
            cmd::BLOCK_STATUS => (EXTENTS_MAX * 8) as u64,
            _ => 0,
        }
    }

    /// What an admitted request asks for; a write comes with its payload.
    pub fn hand_out(&self, data: Option<Bytes>) -> Command {
        let fua = self.has(cmd_flag::FUA);
        match (self.command, data) {
            (cmd::READ, None) => Command::Read,
            (cmd::WRITE, Some(data)) => Command::Write { data, fua },
            (cmd::FLUSH, None) => Command::Flush,
            (cmd::TRIM, None) => Command::Trim { fua },
            (cmd::CACHE, None) => Command::Cache,
            (cmd::BLOCK_STATUS, None) => Command::BlockStatus,
            (cmd::WRITE_ZEROES, None) => Command::WriteZeroes {
                no_hole: self.has(cmd_flag::NO_HOLE),
                fast: self.has(cmd_flag::FAST_ZERO),
                fua,
            },
            (other, _) => unreachable!("command {other} was not admitted"),
        }
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// Only for slices whose length is known to suffice.
fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (head, rest) = bytes.split_first_chunk::<N>().expect("fixed layout");
    (*head, rest)
}
