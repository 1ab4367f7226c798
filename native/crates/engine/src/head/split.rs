//! From a request to its pieces: one extent, one message each; a block that is written in part is
//! a piece of its own, so that everything else stays a slice of the client's buffer.

use bytes::Bytes;
use shoal_types::geometry::MESSAGE_BLOCKS_MAX;
use shoal_types::{BLOCK_BYTES, Body, PgId, checksum, placement_hash};

use super::Head;
use super::api::{ClientError, ClientOp, HeadPhase};
use super::op::{Op, OpKind};
use super::pg::Slot;
use super::piece::{Owner, Patch, Piece, Work};
use crate::common::Key;
use crate::planted::{Bug, is_planted};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// What a request does to its bytes.
enum Effect {
    Read,
    Data(Bytes),
    Zero,
}

impl Head {
    pub(super) fn on_request(&mut self, op_id: u64, op: ClientOp) {
        let (kind, effect, offset, len) = match op {
            ClientOp::Flush if self.phase == HeadPhase::Closing => {
                return self.refuse(op_id, ClientError::Closed);
            }
            ClientOp::Flush => return self.on_flush(op_id),
            ClientOp::Read { offset, len } => (OpKind::Read, Effect::Read, offset, u64::from(len)),
            ClientOp::Write { offset, data } => {
                let len = data.len() as u64;
                (OpKind::Write, Effect::Data(data), offset, len)
            }
            ClientOp::Zero { offset, len } => (OpKind::Write, Effect::Zero, offset, len),
        };
        if self.phase == HeadPhase::Closing {
            return self.refuse(op_id, ClientError::Closed);
        }
        if offset.checked_add(len).is_none_or(|end| end > self.config.size_bytes) {
            return self.refuse(op_id, ClientError::OutOfRange);
        }
        let mut op = Op::new(op_id, kind, offset, len, self.now_us);
        if kind == OpKind::Write {
            op.generation = self.flushes.write_arrived();
        }
        let key = self.ops.insert(op);
        let pieces = self.split(key, &effect, offset, len);
        if pieces == 0 {
            self.finish_op(key);
        }
    }

    /// Cuts and queues; gives the number of pieces. None is started before all are queued, for a
    /// piece may end at once.
    fn split(&mut self, op: Key, effect: &Effect, offset: u64, len: u64) -> u32 {
        let end = offset + len;
        let mut at = offset;
        let mut part = 0;
        let mut held = Vec::new();
        while at < end {
            let stop = self.piece_end(at, end, matches!(effect, Effect::Read));
            let (block, blocks) = (at / BLOCK, (stop.div_ceil(BLOCK) - at / BLOCK) as u32);
            let work = work_of(effect, offset, at, stop);
            let pg = self.slot_of_block(block);
            let owner = Owner::Op { op, part };
            let piece = Piece::new(owner, pg, self.config.layer, block, blocks, work);
            let exclusive = !piece.is_read();
            let key = self.pieces.insert(piece);
            let passes = !exclusive && is_planted(Bug::ReadPassesWrite);
            if self.locks.acquire(key, block, blocks, exclusive) || passes {
                held.push(key);
            }
            part += 1;
            at = stop;
        }
        self.ops.get_mut(op).expect("just made").expect_parts(part);
        self.ready.extend(held);
        part
    }

    /// Where the piece that begins at byte `at` ends.
    fn piece_end(&self, at: u64, end: u64, read: bool) -> u64 {
        let extent = u64::from(self.config.blocks_per_extent) * BLOCK;
        let extent_end = (at / extent + 1) * extent;
        let most = (at / BLOCK + u64::from(MESSAGE_BLOCKS_MAX)) * BLOCK;
        let stop = end.min(extent_end).min(most);
        if read {
            return stop;
        }
        // A block written in part stands alone, at the front as at the back.
        let first_whole = at.next_multiple_of(BLOCK);
        let last_whole = stop / BLOCK * BLOCK;
        match at == first_whole {
            false => first_whole.min(stop),
            true if last_whole > at => last_whole,
            true => stop,
        }
    }

    fn slot_of_block(&self, block: u64) -> Slot {
        let extent = block / u64::from(self.config.blocks_per_extent);
        let index = placement_hash::pg_index(self.config.lineage, extent, self.config.pg_count);
        self.pgs.slot(index).expect("every extent of the volume has its PG")
    }

    /// Makes sure that every PG is there which an extent of the volume falls into.
    pub(super) fn add_pgs(&mut self) {
        let config = &self.config;
        let extent_bytes = u64::from(config.blocks_per_extent) * BLOCK;
        let mut added = Vec::new();
        for extent in 0..config.size_bytes.div_ceil(extent_bytes) {
            if self.pgs.len() as u32 == config.pg_count {
                break;
            }
            let index = placement_hash::pg_index(config.lineage, extent, config.pg_count);
            let id = PgId { policy: config.policy, index };
            if self.pgs.add(id) {
                added.push(self.pgs.slot(index).expect("just added"));
            }
        }
        if self.is_granted() {
            added.into_iter().for_each(|slot| self.refresh_view(slot));
        }
    }

    pub(super) fn on_resize(&mut self, size_bytes: u64) {
        self.config.size_bytes = size_bytes;
        self.add_pgs();
    }

    /// A body with its checksums: computed here and nowhere else on the way of a write.
    pub(super) fn data_body(&self, block: u64, data: Bytes) -> Body {
        let layer = self.config.layer;
        let sum = |(i, bytes)| checksum::block_crc(layer, block + i as u64, bytes);
        let crcs = data.chunks_exact(BLOCK_BYTES).enumerate().map(sum).collect();
        Body::Data { data, crcs, encoding: shoal_types::message::Encoding::PLAIN }
    }
}

/// What a piece does to bytes `at..stop` of a request that began at `offset`.
fn work_of(effect: &Effect, offset: u64, at: u64, stop: u64) -> Work {
    let whole = at.is_multiple_of(BLOCK) && stop.is_multiple_of(BLOCK);
    let inside = (at % BLOCK) as usize;
    match effect {
        Effect::Read => Work::Read,
        Effect::Data(data) => {
            let data = data.slice((at - offset) as usize..(stop - offset) as usize);
            if whole { Work::Raw(data) } else { Work::Merge(Patch::Data { at: inside, data }) }
        }
        Effect::Zero if whole => Work::Write(Body::Zero { blocks: ((stop - at) / BLOCK) as u32 }),
        Effect::Zero => Work::Merge(Patch::Zeros { at: inside, len: (stop - at) as usize }),
    }
}
