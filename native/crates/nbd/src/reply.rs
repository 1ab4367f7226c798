//! Answers of the transmission phase, as bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::constants::{
    BASE_ALLOCATION_ID, SIMPLE_REPLY_MAGIC, STATE_HOLE, STATE_ZERO, STRUCTURED_REPLY_MAGIC, chunk,
};
use crate::error::Errno;
use crate::flights::Flight;
use crate::limits::{EXTENTS_MAX, HOLE_BYTES_MIN};
use crate::outbox::Outbox;

/// A run of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadPart {
    Data(Bytes),
    /// This many bytes that read as zeros.
    Hole(u32),
}

impl ReadPart {
    pub fn len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Hole(count) => u64::from(*count),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_hole_chunk(&self) -> bool {
        matches!(self, Self::Hole(count) if *count >= HOLE_BYTES_MIN)
    }
}

/// A run of equal allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub length: u64,
    /// Nothing is stored: a write may meet ENOSPC.
    pub hole: bool,
    /// Reads as zeros.
    pub zero: bool,
}

impl Extent {
    fn state(self) -> u32 {
        let hole = if self.hole { STATE_HOLE } else { 0 };
        let zero = if self.zero { STATE_ZERO } else { 0 };
        hole | zero
    }
}

/// ```text
/// u32 magic   0x67446698
/// u32 error   0 = done
/// u64 cookie
/// ```
pub fn simple(out: &mut Outbox, cookie: u64, error: u32) {
    out.put(16, |buf| {
        buf.put_u32(SIMPLE_REPLY_MAGIC);
        buf.put_u32(error);
        buf.put_u64(cookie);
    });
}

/// The simple answer to a read: header, then all bytes.
pub fn simple_read(out: &mut Outbox, cookie: u64, parts: Vec<ReadPart>) {
    simple(out, cookie, 0);
    for part in parts {
        push_part(out, part);
    }
}

/// ```text
/// u32 magic   0x668e33ef
/// u16 flags   bit 0: last chunk of this answer
/// u16 type
/// u64 cookie
/// u32 length  of the chunk's payload; its fixed part is written by `fixed`
/// ```
fn chunk(
    out: &mut Outbox,
    cookie: u64,
    (kind, done): (u16, bool),
    length: u64,
    fixed: impl FnOnce(&mut BytesMut),
) {
    let inline = if kind == chunk::OFFSET_DATA { 8 } else { length as usize };
    out.put(20 + inline, |buf| {
        buf.put_u32(STRUCTURED_REPLY_MAGIC);
        buf.put_u16(if done { chunk::FLAG_DONE } else { 0 });
        buf.put_u16(kind);
        buf.put_u64(cookie);
        buf.put_u32(u32::try_from(length).expect("chunks are bounded"));
        fixed(buf);
    });
}

pub fn done(out: &mut Outbox, cookie: u64) {
    chunk(out, cookie, (chunk::NONE, true), 0, |_| {});
}

/// `u32 error, u16 length, message`
pub fn error(out: &mut Outbox, cookie: u64, errno: Errno) {
    let text = errno.message();
    chunk(out, cookie, (chunk::ERROR, true), 6 + text.len() as u64, |buf| {
        put_error(buf, errno);
    });
}

/// `u32 error, u16 length, message, u64 offset`
pub fn error_at(out: &mut Outbox, cookie: u64, errno: Errno, offset: u64) {
    let text = errno.message();
    chunk(out, cookie, (chunk::ERROR_OFFSET, false), 14 + text.len() as u64, |buf| {
        put_error(buf, errno);
        buf.put_u64(offset);
    });
}

fn put_error(buf: &mut bytes::BytesMut, errno: Errno) {
    let text = errno.message();
    buf.put_u32(errno.code());
    buf.put_u16(text.len() as u16);
    buf.put_slice(text.as_bytes());
}

/// Content of a read as chunks: one for each run of data, one for each hole worth it. With
/// `whole` (the client forbids fragments) exactly one. The last one ends the answer if `last`.
pub fn read_chunks(
    out: &mut Outbox,
    cookie: u64,
    mut offset: u64,
    parts: Vec<ReadPart>,
    (whole, last): (bool, bool),
) {
    let mut parts = parts.into_iter().filter(|part| !part.is_empty()).peekable();
    while let Some(first) = parts.next() {
        let hole = first.is_hole_chunk() && !whole;
        let mut length = first.len();
        let mut run = vec![first];
        while let Some(part) = parts.next_if(|part| whole || part.is_hole_chunk() == hole) {
            length += part.len();
            run.push(part);
        }
        let done = last && parts.peek().is_none();
        if hole {
            put_hole(out, cookie, offset, length, done);
        } else {
            put_data(out, cookie, offset, length, done);
            run.into_iter().for_each(|part| push_part(out, part));
        }
        offset += length;
    }
}

/// `u64 offset`, then the data
fn put_data(out: &mut Outbox, cookie: u64, offset: u64, length: u64, done: bool) {
    chunk(out, cookie, (chunk::OFFSET_DATA, done), 8 + length, |buf| buf.put_u64(offset));
}

/// `u64 offset, u32 length`
fn put_hole(out: &mut Outbox, cookie: u64, offset: u64, length: u64, done: bool) {
    chunk(out, cookie, (chunk::OFFSET_HOLE, done), 12, |buf| {
        buf.put_u64(offset);
        buf.put_u32(u32::try_from(length).expect("within a request"));
    });
}

fn push_part(out: &mut Outbox, part: ReadPart) {
    match part {
        ReadPart::Data(data) => out.push(data),
        ReadPart::Hole(count) => out.push_zeros(u64::from(count)),
    }
}

/// `u32 context`, then `u32 length, u32 state` for each extent. Equal neighbours are merged,
/// and the list ends with the request.
pub fn block_status(out: &mut Outbox, flight: &Flight, one: bool, extents: &[Extent]) {
    let most = if one { 1 } else { EXTENTS_MAX };
    let list = clip(extents, u64::from(flight.length), most);
    assert!(!list.is_empty(), "an answer names at least one extent");
    let length = 4 + 8 * list.len() as u64;
    chunk(out, flight.cookie, (chunk::BLOCK_STATUS, true), length, |buf| {
        buf.put_u32(BASE_ALLOCATION_ID);
        for (length, state) in list {
            buf.put_u32(length);
            buf.put_u32(state);
        }
    });
}

fn clip(extents: &[Extent], mut room: u64, most: usize) -> Vec<(u32, u32)> {
    let mut list: Vec<(u32, u32)> = Vec::new();
    for extent in extents {
        let length = extent.length.min(room) as u32;
        room -= u64::from(length);
        let same = list.last().is_some_and(|(_, state)| *state == extent.state());
        if length == 0 {
            continue;
        } else if same {
            list.last_mut().expect("same as the last").0 += length;
        } else if list.len() == most {
            break;
        } else {
            list.push((length, extent.state()));
        }
    }
    list
}
