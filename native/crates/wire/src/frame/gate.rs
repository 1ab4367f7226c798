//! Which kinds of frame a connection may carry now.

use super::{FrameError, Header, Kind};

/// A set of kinds. A connection starts with `HELLO` or `HELLO_REPLY` and is widened once its hello
/// was accepted; what is not in the set is refused by its header, before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    kinds: u64,
}

impl Gate {
    /// What the accepting side takes first.
    pub const HELLO: Self = Self::of(&[Kind::Hello]);
    /// What the dialling side takes first.
    pub const HELLO_REPLY: Self = Self::of(&[Kind::HelloReply, Kind::Goaway]);
    /// A stranger with a token: one kind, taken once.
    pub const JOIN: Self = Self::of(&[Kind::Join, Kind::Goaway]);
    pub const JOIN_REPLY: Self = Self::of(&[Kind::JoinReply, Kind::Goaway]);
    /// Nothing more is expected.
    pub const GOODBYE: Self = Self::of(&[Kind::Goaway]);
    /// What a store takes from a head or a joining member, and what these take from it.
    pub const REQUESTS: Self = Self::service(&[Kind::Request]);
    pub const REPLIES: Self = Self::service(&[Kind::Reply]);
    pub const RAFT: Self = Self::service(&[Kind::Raft]);
    pub const META: Self = Self::service(&[Kind::Meta]);
    pub const API: Self = Self::service(&[Kind::Api]);

    pub(crate) const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u8;
            i += 1;
        }
        Self { kinds: bits }
    }

    const fn service(kinds: &[Kind]) -> Self {
        let common = Self::of(&[Kind::Ping, Kind::Pong, Kind::Goaway]);
        Self { kinds: common.kinds | Self::of(kinds).kinds }
    }

    pub fn allows(self, kind: Kind) -> bool {
        self.kinds & (1 << kind as u8) != 0
    }

    /// Refuses by the header alone: kind first, then lengths.
    pub(super) fn admit(self, header: &Header) -> Result<(), FrameError> {
        if !self.allows(header.kind) {
            return Err(FrameError::KindRefused(header.kind));
        }
        let (bytes, max) = (header.meta_bytes, header.kind.meta_bytes_max());
        if bytes > max {
            return Err(FrameError::MetaTooLong { bytes, max });
        }
        let (bytes, max) = (header.payload_bytes, header.kind.payload_bytes_max());
        if bytes > max {
            return Err(FrameError::PayloadTooLong { bytes, max });
        }
        Ok(())
    }
}
