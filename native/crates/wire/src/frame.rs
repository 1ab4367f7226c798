//! Frames: what travels inside a TLS session. Framing does not trust TLS for its own integrity:
//! header and meta carry CRCs of their own, block data is covered end to end by the block CRCs
//! that the meta part holds.
//!
//! ```text
//! offset size
//!      0    2  magic        53 48 ("SH")
//!      2    1  version      FRAME_VERSION; offsets 0..4 mean the same in every version
//!      3    1  kind         see `Kind`
//!      4    2  flags        bit 0 REPLY, bit 1 MORE; others zero
//!      6    2  zero
//!      8    8  request id   chosen by the asker, repeated by the answer
//!     16    8  store        disk id that a replication frame is for; else zero
//!     24    4  meta bytes
//!     28    4  payload bytes
//!     32    4  CRC-32C of meta
//!     36    4  CRC-32C of bytes 0..36
//!     40       meta, then payload
//! ```
//! All numbers are little endian.

mod decoder;
mod gate;
mod kind;
mod outgoing;
#[cfg(test)]
mod tests;

use std::fmt;

use shoal_types::DiskId;
use shoal_types::checksum::crc32c;

pub use decoder::{Frame, FrameDecoder};
pub use gate::Gate;
pub use kind::Kind;
pub use outgoing::{Outgoing, TooLong};

pub const FRAME_MAGIC: [u8; 2] = *b"SH";
pub const FRAME_VERSION: u8 = 1;
pub const HEADER_BYTES: usize = 40;
const HEADER_CRC_AT: usize = 36;

/// Most bytes of meta in a request between heads and members.
pub const REQUEST_META_BYTES_MAX: u32 = 256 << 10;
/// Most bytes of meta in an answer: lists of entries are paged by it.
pub const REPLY_META_BYTES_MAX: u32 = 1 << 20;
/// Most opaque bytes of one consensus, cluster state or API frame; more is sent as MORE frames.
pub const SERVICE_BYTES_MAX: u32 = 1 << 20;
/// Most block data of one frame, in bytes.
pub const PAYLOAD_BYTES_MAX: u32 =
    shoal_types::geometry::MESSAGE_BLOCKS_MAX * shoal_types::BLOCK_BYTES as u32;
/// Most bytes of meta before a connection has proven what it is for.
pub const GREETING_BYTES_MAX: u32 = 4 << 10;

/// Bits of the header's flags.
pub mod flags {
    /// Answers the frame with this request id that went the other way.
    pub const REPLY: u16 = 1 << 0;
    /// More frames with this request id follow.
    pub const MORE: u16 = 1 << 1;
    pub(super) const KNOWN: u16 = REPLY | MORE;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub flags: u16,
    pub request_id: u64,
    pub store: DiskId,
    pub meta_bytes: u32,
    pub payload_bytes: u32,
    pub meta_crc: u32,
}

/// Why a stream of frames cannot go on. The connection is closed: after any of these the place
/// where the next frame starts is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    Magic([u8; 2]),
    Version(u8),
    HeaderCrc,
    UnknownKind(u8),
    /// This kind may not be sent (yet) on this connection.
    KindRefused(Kind),
    Flags(u16),
    MetaTooLong {
        bytes: u32,
        max: u32,
    },
    PayloadTooLong {
        bytes: u32,
        max: u32,
    },
    MetaCrc,
    /// An earlier error ended this stream.
    Dead,
}

impl Header {
    pub fn new(kind: Kind, request_id: u64) -> Self {
        Self {
            kind,
            flags: 0,
            request_id,
            store: DiskId(0),
            meta_bytes: 0,
            payload_bytes: 0,
            meta_crc: 0,
        }
    }

    pub fn is_reply(&self) -> bool {
        self.flags & flags::REPLY != 0
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&FRAME_MAGIC);
        bytes[2] = FRAME_VERSION;
        bytes[3] = self.kind as u8;
        bytes[4..6].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.request_id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.store.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.meta_bytes.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.meta_crc.to_le_bytes());
        let crc = crc32c(&bytes[..HEADER_CRC_AT]);
        bytes[HEADER_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; whether it may come now is the gate's question.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [magic0, magic1, version, kind, ..] = *bytes;
        if [magic0, magic1] != FRAME_MAGIC {
            return Err(FrameError::Magic([magic0, magic1]));
        }
        if version != FRAME_VERSION {
            return Err(FrameError::Version(version));
        }
        let (fields, crc) = bytes.split_at(HEADER_CRC_AT);
        if crc32c(fields).to_le_bytes() != crc {
            return Err(FrameError::HeaderCrc);
        }
        let kind = Kind::from_u8(kind).ok_or(FrameError::UnknownKind(kind))?;
        let header = Self {
            kind,
            flags: u16::from_le_bytes(field(bytes, 4)),
            request_id: u64::from_le_bytes(field(bytes, 8)),
            store: DiskId(u64::from_le_bytes(field(bytes, 16))),
            meta_bytes: u32::from_le_bytes(field(bytes, 24)),
            payload_bytes: u32::from_le_bytes(field(bytes, 28)),
            meta_crc: u32::from_le_bytes(field(bytes, 32)),
        };
        if header.flags & !flags::KNOWN != 0 || field(bytes, 6) != [0; 2] {
            return Err(FrameError::Flags(header.flags));
        }
        Ok(header)
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a field lies inside the header")
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(got) => write!(f, "not a frame: it starts with {got:02x?}"),
            Self::Version(got) => write!(f, "frame version {got} is not spoken here"),
            Self::HeaderCrc => write!(f, "the frame's header fails its checksum"),
            Self::UnknownKind(kind) => write!(f, "unknown kind of frame {kind}"),
            Self::KindRefused(kind) => write!(f, "a {kind:?} frame may not come here"),
            Self::Flags(flags) => write!(f, "unknown flags {flags:#06x}"),
            Self::MetaTooLong { bytes, max } => write!(f, "meta of {bytes} bytes, {max} allowed"),
            Self::PayloadTooLong { bytes, max } => {
                write!(f, "payload of {bytes} bytes, {max} allowed")
            }
            Self::MetaCrc => write!(f, "the frame's meta fails its checksum"),
            Self::Dead => write!(f, "an earlier error ended this stream"),
        }
    }
}

impl std::error::Error for FrameError {}
