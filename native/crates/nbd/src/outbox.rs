//! What is to be sent: small headers cut from a shared arena, and payloads as they came.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Headers are cut from arenas of this many bytes: one allocation for some two hundred of them.
const ARENA_BYTES: usize = 4096;
/// What a queued piece takes beside its bytes.
const PIECE_COST_BYTES: u64 = size_of::<Bytes>() as u64;

/// Bytes never move once they are queued: a send may be under way with their addresses.
#[derive(Default)]
pub struct Outbox {
    queue: VecDeque<Bytes>,
    bytes: u64,
    arena: BytesMut,
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory held, in bytes: many small answers cost more than they send.
    pub fn cost(&self) -> u64 {
        self.bytes + PIECE_COST_BYTES * self.queue.len() as u64
    }

    /// Queues what `write` appends.
    pub fn put(&mut self, size_hint: usize, write: impl FnOnce(&mut BytesMut)) {
        if self.arena.capacity() < size_hint {
            self.arena.reserve(size_hint.max(ARENA_BYTES));
        }
        write(&mut self.arena);
        let piece = self.arena.split().freeze();
        self.push(piece);
    }

    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len() as u64;
            self.queue.push_back(piece);
        }
    }

    /// Zeros without memory of their own.
    pub fn push_zeros(&mut self, mut count: u64) {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        while count > 0 {
            let now = count.min(ZEROS.len() as u64);
            self.push(Bytes::from_static(&ZEROS[..now as usize]));
            count -= now;
        }
    }

    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.queue.iter()
    }

    /// Fills `slices` from the front of the queue; says how many there are.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.queue) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// `count` bytes were sent.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count as u64 <= self.bytes, "more sent than was queued");
        self.bytes -= count as u64;
        while count > 0 {
            let front = self.queue.front_mut().expect("bytes counts the queue");
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.queue.pop_front();
        }
    }
}
