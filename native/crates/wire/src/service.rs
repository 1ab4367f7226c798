//! Small frames that belong to no purpose, and opaque ones that belong to other parts.

use bytes::Bytes;

use crate::Malformed;
use crate::cursor::{Put, Reader};
use crate::frame::{Header, Kind, Outgoing, SERVICE_BYTES_MAX, TooLong, flags};

/// Why the sender will close; the receiver dials again only where that helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GoawayReason {
    /// The process stops: dial again after a while.
    Shutdown = 1,
    /// Nothing was sent for long: dial again when needed.
    Idle = 2,
    /// The receiver's peer was removed from the cluster: do not dial again.
    Removed = 3,
    /// The store that this connection is for is gone from here: ask for a newer map.
    StoreGone = 4,
    /// Too many connections or too much memory in use: dial again later.
    Overload = 5,
    /// The receiver sent something that may not be sent.
    Violation = 6,
}

impl GoawayReason {
    const ALL: [Self; 6] = [
        Self::Shutdown,
        Self::Idle,
        Self::Removed,
        Self::StoreGone,
        Self::Overload,
        Self::Violation,
    ];

    pub fn decode(meta: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(meta);
        let number = reader.u8()?;
        reader.finish()?;
        Self::ALL
            .into_iter()
            .find(|reason| *reason as u8 == number)
            .ok_or(Malformed::Value { field: "goaway", value: number.into() })
    }
}

pub fn goaway(out: &mut Outgoing, reason: GoawayReason) {
    let header = Header::new(Kind::Goaway, 0);
    out.push_with(header, |meta| meta.put_u8(reason as u8), |_| ()).expect("one byte fits");
}

pub fn ping(out: &mut Outgoing, request_id: u64) {
    out.push(Header::new(Kind::Ping, request_id), &[]).expect("an empty frame fits");
}

pub fn pong(out: &mut Outgoing, request_id: u64) {
    let header = Header { flags: flags::REPLY, ..Header::new(Kind::Pong, request_id) };
    out.push(header, &[]).expect("an empty frame fits");
}

/// Appends opaque bytes of another part (`Raft`, `Meta`, `Api`), cut into MORE frames where one is
/// too short for them.
pub fn opaque(
    out: &mut Outgoing,
    kind: Kind,
    request_id: u64,
    reply: bool,
    bytes: &[u8],
) -> Result<(), TooLong> {
    let own = if reply { flags::REPLY } else { 0 };
    let mut rest = bytes;
    loop {
        let (part, after) = rest.split_at(rest.len().min(SERVICE_BYTES_MAX as usize));
        let more = if after.is_empty() { 0 } else { flags::MORE };
        out.push(Header { flags: own | more, ..Header::new(kind, request_id) }, part)?;
        if after.is_empty() {
            return Ok(());
        }
        rest = after;
    }
}

/// Puts the MORE frames of one sender together again, within a bound.
#[derive(Debug)]
pub struct Joiner {
    bytes_max: usize,
    open: Option<(Kind, u64, Vec<u8>)>,
}

/// The parts do not belong together, or are longer than allowed: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadParts;

impl Joiner {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, open: None }
    }

    /// `Some` when the message is whole. The parts of one message come without others between.
    pub fn push(&mut self, header: &Header, part: &[u8]) -> Result<Option<Bytes>, BadParts> {
        let (kind, id) = (header.kind, header.request_id);
        let more = header.flags & flags::MORE != 0;
        let mut bytes = match self.open.take() {
            None if !more && part.len() <= self.bytes_max => {
                return Ok(Some(Bytes::copy_from_slice(part)));
            }
            None => Vec::new(),
            Some((open_kind, open_id, bytes)) if (open_kind, open_id) == (kind, id) => bytes,
            Some(_) => return Err(BadParts),
        };
        // An empty part would never end the message: it can only be an attack on our time.
        if bytes.len() + part.len() > self.bytes_max || (more && part.is_empty()) {
            return Err(BadParts);
        }
        bytes.extend_from_slice(part);
        if !more {
            return Ok(Some(bytes.into()));
        }
        self.open = Some((kind, id, bytes));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameDecoder, Gate};
    use crate::testing::Rng;
    use shoal_types::buffer::BufferPool;

    fn through(out: &Outgoing, joiner: &mut Joiner) -> Vec<Result<Option<Bytes>, BadParts>> {
        let bytes = out.to_vec();
        let mut decoder = FrameDecoder::new(Gate::RAFT, BufferPool::new(0));
        let (mut input, mut results) = (&bytes[..], Vec::new());
        while let Some(frame) = decoder.next(&mut input).expect("right") {
            results.push(joiner.push(&frame.header, frame.meta));
        }
        results
    }

    #[test]
    fn goaway_reasons_come_back_and_others_are_refused() {
        for number in 0..=255u8 {
            match GoawayReason::decode(&[number]) {
                Ok(reason) => assert_eq!(reason as u8, number),
                Err(error) => assert!(!(1..=6).contains(&number), "{error}"),
            }
        }
        assert_eq!(GoawayReason::decode(&[]), Err(Malformed::Truncated));
        assert_eq!(GoawayReason::decode(&[1, 0]), Err(Malformed::Trailing));
    }

    #[test]
    fn long_messages_are_cut_and_joined() {
        let max = SERVICE_BYTES_MAX as usize;
        for length in [0, 1, max, max + 1, 3 * max, 3 * max + 17] {
            let message = Rng::new(length as u64).bytes(length);
            let mut out = Outgoing::new();
            opaque(&mut out, Kind::Raft, 7, true, &message).expect("fits");
            let results = through(&out, &mut Joiner::new(4 << 20));
            assert_eq!(results.len(), length.div_ceil(max).max(1));
            assert_eq!(results.last(), Some(&Ok(Some(Bytes::from(message)))));
        }
    }

    #[test]
    fn parts_that_are_too_long_or_mixed_are_refused() {
        let mut out = Outgoing::new();
        opaque(&mut out, Kind::Raft, 1, false, &vec![1; 3 << 20]).expect("fits");
        let results = through(&out, &mut Joiner::new(2 << 20));
        assert!(results.contains(&Err(BadParts)));
        assert_eq!(through(&out, &mut Joiner::new(100))[0], Err(BadParts));

        let more = |id| Header { flags: flags::MORE, ..Header::new(Kind::Raft, id) };
        let mut joiner = Joiner::new(100);
        assert_eq!(joiner.push(&more(1), b"a"), Ok(None));
        assert_eq!(joiner.push(&more(2), b"b"), Err(BadParts));
        assert_eq!(Joiner::new(100).push(&more(1), b""), Err(BadParts));
    }

    #[test]
    fn ping_and_pong_have_no_meta() {
        let mut out = Outgoing::new();
        ping(&mut out, 5);
        pong(&mut out, 5);
        goaway(&mut out, GoawayReason::Idle);
        let bytes = out.to_vec();
        let mut decoder = FrameDecoder::new(Gate::META, BufferPool::new(0));
        let mut input = &bytes[..];
        for kind in [Kind::Ping, Kind::Pong, Kind::Goaway] {
            let frame = decoder.next(&mut input).expect("right").expect("whole");
            assert_eq!(frame.header.kind, kind);
        }
    }
}
