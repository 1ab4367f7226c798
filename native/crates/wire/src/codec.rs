//! Replication messages as frames: what is small and variable lies in meta, block data in the
//! payload. Every list is bounded by the bytes that hold it, every tag is checked, and nothing may
//! be left over. The layouts are drawn in docs/formats/wire.md.

mod fields;
mod reply;
mod request;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use bytes::Bytes;
use shoal_types::{DiskId, Reply, Request};

pub use crate::cursor::Malformed;
use crate::frame::{Frame, Header, Kind, Outgoing, TooLong};
pub use fields::{COPY_ENTRIES_MAX, INSTALLED_ENTRIES_MAX};

/// Why a message was not understood. The connection is closed: its sender is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// No message of this kind has this number.
    UnknownMessage {
        kind: Kind,
        number: u8,
    },
    Malformed(Malformed),
    /// The block data is not as long as the meta part says.
    PayloadBytes {
        expected: u64,
        got: usize,
    },
    /// Compressed or encrypted blocks: reserved, not spoken by this version.
    Encoding,
}

impl From<Malformed> for CodecError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMessage { kind, number } => write!(f, "unknown {kind:?} number {number}"),
            Self::Malformed(error) => error.fmt(f),
            Self::PayloadBytes { expected, got } => {
                write!(f, "{got} bytes of block data where {expected} are announced")
            }
            Self::Encoding => write!(f, "blocks are compressed or encrypted in an unknown way"),
        }
    }
}

impl std::error::Error for CodecError {}

/// Appends `request`, addressed to the store on `disk`.
pub fn encode_request(
    out: &mut Outgoing,
    request_id: u64,
    disk: DiskId,
    message: &Request,
) -> Result<(), TooLong> {
    let header = Header { store: disk, ..Header::new(Kind::Request, request_id) };
    let data = request::payload(message);
    out.push_with(
        header,
        |meta| request::encode(meta, message),
        |payload| {
            if let Some(data) = data {
                payload.push(data);
            }
        },
    )
}

/// Appends the answer to request `request_id` of the store on `disk`.
pub fn encode_reply(
    out: &mut Outgoing,
    request_id: u64,
    disk: DiskId,
    message: &Reply,
) -> Result<(), TooLong> {
    let flags = crate::frame::flags::REPLY;
    let header = Header { store: disk, flags, ..Header::new(Kind::Reply, request_id) };
    out.push_with(
        header,
        |meta| reply::encode(meta, message),
        |payload| reply::payload(message, |data| payload.push(data)),
    )
}

pub fn decode_request(frame: &Frame<'_>) -> Result<Request, CodecError> {
    debug_assert_eq!(frame.header.kind, Kind::Request);
    request::decode(frame.meta, &frame.payload)
}

pub fn decode_reply(frame: &Frame<'_>) -> Result<Reply, CodecError> {
    debug_assert_eq!(frame.header.kind, Kind::Reply);
    reply::decode(frame.meta, &frame.payload)
}

/// Hands out the payload block by block, in the order in which meta names the blocks.
pub(crate) struct Blocks<'a> {
    payload: &'a Bytes,
    at: usize,
}

impl<'a> Blocks<'a> {
    fn new(payload: &'a Bytes) -> Self {
        Self { payload, at: 0 }
    }

    /// The next `bytes` bytes, without a copy.
    fn take(&mut self, bytes: usize) -> Result<Bytes, CodecError> {
        let end = self.at + bytes;
        if end > self.payload.len() {
            return Err(CodecError::PayloadBytes { expected: end as u64, got: self.payload.len() });
        }
        let data = self.payload.slice(self.at..end);
        self.at = end;
        Ok(data)
    }

    fn finish(self) -> Result<(), CodecError> {
        if self.at == self.payload.len() {
            return Ok(());
        }
        Err(CodecError::PayloadBytes { expected: self.at as u64, got: self.payload.len() })
    }
}
