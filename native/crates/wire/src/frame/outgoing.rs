//! Frames on their way out: headers and meta in one vector, block data by reference.

use bytes::Bytes;
use shoal_types::checksum::crc32c;

use super::{HEADER_BYTES, Header, Kind};

/// One or more encoded frames. Kept and cleared by its owner, so that sending allocates nothing
/// once the vectors have grown; block data is neither copied nor summed here.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Headers and meta parts of all frames, one after the other.
    heads: Vec<u8>,
    /// Each payload, and the offset in `heads` that it follows.
    payloads: Vec<(usize, Bytes)>,
    payload_bytes: usize,
}

/// A frame does not fit the limits of its kind; nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    pub kind: Kind,
    pub meta_bytes: usize,
    pub payload_bytes: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, meta_bytes, payload_bytes } = self;
        write!(f, "{kind:?} frame of {meta_bytes} + {payload_bytes} bytes is too long")
    }
}

impl std::error::Error for TooLong {}

impl Outgoing {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn clear(&mut self) {
        self.heads.clear();
        self.payloads.clear();
        self.payload_bytes = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Bytes of all frames together.
    pub fn len(&self) -> usize {
        self.heads.len() + self.payload_bytes
    }

    /// Appends a frame whose meta is `meta`.
    pub fn push(&mut self, header: Header, meta: &[u8]) -> Result<(), TooLong> {
        self.push_with(header, |out| out.extend_from_slice(meta), |_| ())
    }

    /// Appends a frame: `meta` writes its meta part, `payload` hands over its block data.
    pub(crate) fn push_with(
        &mut self,
        header: Header,
        meta: impl FnOnce(&mut Vec<u8>),
        payload: impl FnOnce(&mut Payloads<'_>),
    ) -> Result<(), TooLong> {
        let (start, payloads_before) = (self.heads.len(), self.payloads.len());
        self.heads.extend_from_slice(&[0; HEADER_BYTES]);
        meta(&mut self.heads);
        let after = self.heads.len();
        let mut sink = Payloads { after, list: &mut self.payloads, bytes: 0 };
        payload(&mut sink);
        let (meta_bytes, payload_bytes) = (after - start - HEADER_BYTES, sink.bytes);
        let fits = meta_bytes <= header.kind.meta_bytes_max() as usize
            && payload_bytes <= header.kind.payload_bytes_max() as usize;
        if !fits {
            self.heads.truncate(start);
            self.payloads.truncate(payloads_before);
            return Err(TooLong { kind: header.kind, meta_bytes, payload_bytes });
        }
        self.payload_bytes += payload_bytes;
        let header = Header {
            meta_bytes: meta_bytes as u32,
            payload_bytes: payload_bytes as u32,
            meta_crc: crc32c(&self.heads[start + HEADER_BYTES..]),
            ..header
        };
        self.heads[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
        Ok(())
    }

    /// The bytes to send, in order.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        let mut payloads = self.payloads.iter().peekable();
        std::iter::from_fn(move || {
            if let Some((after, data)) = payloads.peek()
                && *after == at
            {
                payloads.next();
                return Some(&data[..]);
            }
            let end = payloads.peek().map_or(self.heads.len(), |(after, _)| *after);
            let part = &self.heads[at..end];
            at = end;
            (!part.is_empty()).then_some(part)
        })
    }

    /// Bytes that no honest peer sends.
    #[cfg(test)]
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        Self { heads: bytes.to_vec(), ..Self::default() }
    }

    /// All bytes in one vector, for tests and tools.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().collect::<Vec<_>>().concat()
    }
}

/// Collects the block data of one frame.
pub(crate) struct Payloads<'a> {
    after: usize,
    list: &'a mut Vec<(usize, Bytes)>,
    bytes: usize,
}

impl Payloads<'_> {
    pub fn push(&mut self, data: &Bytes) {
        if !data.is_empty() {
            self.bytes += data.len();
            self.list.push((self.after, data.clone()));
        }
    }
}
