//! A connection whose two ends know each other: TLS is up and the hello was accepted.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use shoal_wire::frame::{Frame, Kind};
use shoal_wire::hello::Greeting;
use shoal_wire::link::Link;
use shoal_wire::session::SendBuf;

/// Ready to be adopted by a ring thread.
pub struct Established {
    pub socket: OwnedFd,
    pub link: Link,
    pub greeting: Greeting,
    /// Sealed and not sent yet.
    pub unsent: SendBuf,
    /// Came in with the end of the hello.
    pub early: Vec<EarlyFrame>,
}

/// A frame, copied out of the decoder.
pub struct EarlyFrame {
    pub kind: Kind,
    pub wire_id: u64,
    pub flags: u16,
    pub meta: Vec<u8>,
    pub payload: Bytes,
}

impl EarlyFrame {
    pub fn of(frame: &Frame<'_>) -> Self {
        let header = frame.header;
        Self {
            kind: header.kind,
            wire_id: header.request_id,
            flags: header.flags,
            meta: frame.meta.to_vec(),
            payload: frame.payload.clone(),
        }
    }
}
