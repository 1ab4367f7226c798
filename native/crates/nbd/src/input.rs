//! Where received bytes go: a staging area for headers and options, and the payload buffer of
//! the write that is coming in, so that its bytes are placed once and never moved.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use shoal_types::BLOCK_BYTES;
use shoal_types::buffer::{AlignedBuf, BufferPool};

use crate::limits::STAGING_BYTES;

pub struct Input {
    staging: Box<[MaybeUninit<u8>]>,
    /// `staging[start..end]` is received and not yet parsed.
    start: usize,
    end: usize,
    payload: Option<Payload>,
    /// Bytes of a refused option or write still to be thrown away.
    skip: u64,
    pool: BufferPool,
}

struct Payload {
    buf: AlignedBuf,
    /// Bytes before the payload, so that block boundaries are aligned in memory.
    lead: usize,
    missing: usize,
}

impl Input {
    pub fn new(pool: BufferPool) -> Self {
        let staging = Box::new_uninit_slice(STAGING_BYTES);
        Self { staging, start: 0, end: 0, payload: None, skip: 0, pool }
    }

    /// Where the next bytes belong, in this order; either part may be empty, not both. THE
    /// MEMORY MUST STAY PUT until `received`: nothing else may touch it meanwhile.
    pub fn targets(&mut self) -> [&mut [MaybeUninit<u8>]; 2] {
        self.compact();
        let staging = &mut self.staging[self.end..];
        match &mut self.payload {
            Some(payload) => {
                let missing = payload.missing;
                [&mut payload.buf.spare_mut()[..missing], staging]
            }
            None => [&mut [], staging],
        }
    }

    /// # Safety
    /// `count` bytes must have been written to the targets, in their order.
    pub unsafe fn received(&mut self, count: usize) {
        let mut rest = count;
        if let Some(payload) = &mut self.payload {
            let taken = rest.min(payload.missing);
            // SAFETY: the caller wrote them behind `len`, inside the capacity.
            unsafe { payload.buf.set_len(payload.buf.len() + taken) };
            payload.missing -= taken;
            rest -= taken;
        }
        assert!(rest <= self.staging.len() - self.end, "more received than there was room for");
        self.end += rest;
    }

    /// Received and not parsed.
    pub fn staged(&self) -> &[u8] {
        let staged = &self.staging[self.start..self.end];
        // SAFETY: bytes below `end` were written before `received` counted them.
        unsafe { std::slice::from_raw_parts(staged.as_ptr().cast(), staged.len()) }
    }

    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start);
        self.start += count;
    }

    /// The next `count` bytes of the stream mean nothing.
    pub fn skip(&mut self, count: u64) {
        self.skip += count;
    }

    /// Whether all that was to be skipped is gone.
    pub fn skipped(&mut self) -> bool {
        let now = self.skip.min((self.end - self.start) as u64);
        self.start += now as usize;
        self.skip -= now;
        self.skip == 0
    }

    /// The next `length` bytes of the stream are a payload for `offset` of the volume.
    pub fn begin_payload(&mut self, offset: u64, length: u32) {
        let lead = (offset % BLOCK_BYTES as u64) as usize;
        let length = length as usize;
        let mut buf = self.pool.take(lead + length);
        buf.extend_zeros(lead);
        let staged = (self.end - self.start).min(length);
        buf.extend_from_slice(&self.staged()[..staged]);
        self.start += staged;
        self.payload = Some(Payload { buf, lead, missing: length - staged });
    }

    /// The payload, once it is complete.
    pub fn take_payload(&mut self) -> Option<Bytes> {
        let payload = self.payload.take_if(|payload| payload.missing == 0)?;
        let mut bytes = payload.buf.freeze();
        bytes.advance(payload.lead);
        Some(bytes)
    }

    fn compact(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.staging.len() - self.end < STAGING_BYTES / 2 {
            self.staging.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }
}
