//! Turns decrypted bytes, cut anywhere, into frames.

use bytes::Bytes;
use shoal_types::AlignedBuf;
use shoal_types::buffer::BufferPool;
use shoal_types::checksum::crc32c;

use super::{FrameError, Gate, HEADER_BYTES, Header};

/// Meta memory above this is given back after the frame that needed it, in bytes.
const META_KEPT_BYTES_MAX: usize = 64 << 10;

/// A whole frame. `payload` starts on a `BUFFER_ALIGN` boundary, fit for O_DIRECT.
#[derive(Debug)]
pub struct Frame<'a> {
    pub header: Header,
    pub meta: &'a [u8],
    pub payload: Bytes,
}

/// Holds at most one unfinished frame, so its memory is bounded by the limits of `Kind`. After an
/// error it is dead: a stream that lost its place is never picked up again.
#[derive(Debug)]
pub struct FrameDecoder {
    gate: Gate,
    pool: BufferPool,
    state: State,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    meta: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Header,
    Meta(Header),
    Payload(Header, AlignedBuf),
    Dead,
}

impl FrameDecoder {
    pub fn new(gate: Gate, pool: BufferPool) -> Self {
        let (state, header) = (State::Header, [0; HEADER_BYTES]);
        Self { gate, pool, state, header, header_bytes: 0, meta: Vec::new() }
    }

    /// Holds from the next header on.
    pub fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
    }

    /// Takes bytes off the front of `input`. `Some` as soon as a frame is whole; `None` when the
    /// input is used up. Call again until then.
    pub fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<Frame<'a>>, FrameError> {
        match self.advance(input) {
            Ok(None) => Ok(None),
            Ok(Some((header, payload))) => Ok(Some(Frame { header, meta: &self.meta, payload })),
            Err(error) => {
                self.state = State::Dead;
                self.meta = Vec::new();
                Err(error)
            }
        }
    }

    /// Whether a frame has begun and is not whole: a stream that ends now was cut.
    pub fn is_inside_frame(&self) -> bool {
        self.header_bytes > 0 || !matches!(self.state, State::Header)
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<(Header, Bytes)>, FrameError> {
        loop {
            match std::mem::replace(&mut self.state, State::Dead) {
                State::Dead => return Err(FrameError::Dead),
                State::Header => {
                    let Some(header) = self.take_header(input)? else { return Ok(None) };
                    self.state = State::Meta(header);
                }
                State::Meta(header) => {
                    if !self.take_meta(&header, input)? {
                        self.state = State::Meta(header);
                        return Ok(None);
                    }
                    if header.payload_bytes == 0 {
                        self.state = State::Header;
                        return Ok(Some((header, Bytes::new())));
                    }
                    let payload = self.pool.take(header.payload_bytes as usize);
                    self.state = State::Payload(header, payload);
                }
                State::Payload(header, mut payload) => {
                    let missing = header.payload_bytes as usize - payload.len();
                    payload.extend_from_slice(take(input, missing));
                    if payload.len() < header.payload_bytes as usize {
                        self.state = State::Payload(header, payload);
                        return Ok(None);
                    }
                    self.state = State::Header;
                    return Ok(Some((header, payload.freeze())));
                }
            }
        }
    }

    /// NOTHING IS ALLOCATED for a frame before its header passed CRC, gate and limits.
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, FrameError> {
        let bytes = take(input, HEADER_BYTES - self.header_bytes);
        self.header[self.header_bytes..][..bytes.len()].copy_from_slice(bytes);
        self.header_bytes += bytes.len();
        if self.header_bytes < HEADER_BYTES {
            self.state = State::Header;
            return Ok(None);
        }
        self.header_bytes = 0;
        let header = Header::decode(&self.header)?;
        self.gate.admit(&header)?;
        if self.meta.capacity() > META_KEPT_BYTES_MAX {
            self.meta = Vec::new();
        }
        self.meta.clear();
        self.meta.reserve_exact(header.meta_bytes as usize);
        Ok(Some(header))
    }

    fn take_meta(&mut self, header: &Header, input: &mut &[u8]) -> Result<bool, FrameError> {
        let missing = header.meta_bytes as usize - self.meta.len();
        self.meta.extend_from_slice(take(input, missing));
        if self.meta.len() < header.meta_bytes as usize {
            return Ok(false);
        }
        if crc32c(&self.meta) != header.meta_crc {
            return Err(FrameError::MetaCrc);
        }
        Ok(true)
    }
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (head, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    head
}
