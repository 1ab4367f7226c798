//! What a frame is for.

/// Numbers are part of the wire format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// First frame of the dialler: `hello::Hello`.
    Hello = 1,
    /// Its answer, first frame of the other side: `hello::HelloReply`.
    HelloReply = 2,
    /// `join::JoinRequest`, on a connection with purpose join alone.
    Join = 3,
    /// `join::JoinReply`.
    JoinReply = 4,
    /// "Are you there": no meta; answered by `Pong` with the same request id.
    Ping = 5,
    Pong = 6,
    /// The sender will close: `service::Goaway`.
    Goaway = 7,
    /// `shoal_types::Request` to the store that the header names.
    Request = 16,
    /// `shoal_types::Reply`.
    Reply = 17,
    /// Opaque to this crate: consensus messages between voters.
    Raft = 32,
    /// Opaque: questions to the cluster state and their answers (flag REPLY).
    Meta = 33,
    /// Opaque: API requests forwarded to another peer and their answers (flag REPLY).
    Api = 34,
}

impl Kind {
    pub const ALL: [Self; 12] = [
        Self::Hello,
        Self::HelloReply,
        Self::Join,
        Self::JoinReply,
        Self::Ping,
        Self::Pong,
        Self::Goaway,
        Self::Request,
        Self::Reply,
        Self::Raft,
        Self::Meta,
        Self::Api,
    ];

    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Most bytes of meta that a frame of this kind may have.
    pub fn meta_bytes_max(self) -> u32 {
        use super::{
            GREETING_BYTES_MAX, REPLY_META_BYTES_MAX, REQUEST_META_BYTES_MAX, SERVICE_BYTES_MAX,
        };
        match self {
            Self::Hello | Self::HelloReply | Self::Join | Self::JoinReply | Self::Goaway => {
                GREETING_BYTES_MAX
            }
            Self::Ping | Self::Pong => 0,
            Self::Request => REQUEST_META_BYTES_MAX,
            Self::Reply => REPLY_META_BYTES_MAX,
            Self::Raft | Self::Meta | Self::Api => SERVICE_BYTES_MAX,
        }
    }

    /// Most bytes of block data that a frame of this kind may have.
    pub fn payload_bytes_max(self) -> u32 {
        match self {
            Self::Request | Self::Reply => super::PAYLOAD_BYTES_MAX,
            _ => 0,
        }
    }
}
