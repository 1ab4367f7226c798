//! A client's request, and how it ends.

use super::Head;
use super::api::{ClientError, ClientReply, HeadCommand, HeadPhase, OpTrace, Segment};
use super::piece::{Owner, Piece, Times};
use crate::common::Key;
use crate::cover::cover;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpKind {
    Read,
    Write,
    Flush,
}

#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) id: u64,
    pub(super) kind: OpKind,
    pub(super) offset: u64,
    pub(super) len: u64,
    /// Pieces not ended.
    pub(super) open: u32,
    pub(super) error: Option<ClientError>,
    /// Of a read: what each piece found.
    pub(super) parts: Vec<Vec<Segment>>,
    pub(super) trace: OpTrace,
    /// Of a write: for the order of flushes.
    pub(super) generation: u64,
}

impl Op {
    pub(super) fn new(id: u64, kind: OpKind, offset: u64, len: u64, now_us: u64) -> Self {
        let trace = OpTrace { arrived_us: now_us, ..OpTrace::default() };
        Self { id, kind, offset, len, open: 0, error: None, parts: vec![], trace, generation: 0 }
    }

    pub(super) fn expect_parts(&mut self, parts: u32) {
        self.open = parts;
        self.trace.pieces = parts;
        if self.kind == OpKind::Read {
            self.parts.resize_with(parts as usize, Vec::new);
        }
    }

    fn note(&mut self, times: &Times, pg: shoal_types::PgId) {
        let trace = &mut self.trace;
        trace.resends += times.resends;
        trace.sent_us = trace.sent_us.max(times.sent_us);
        if times.first_ack_us != 0
            && (trace.first_ack_us == 0 || times.first_ack_us < trace.first_ack_us)
        {
            trace.first_ack_us = times.first_ack_us;
        }
        if times.last_ack_us >= trace.last_ack_us {
            trace.last_ack_us = times.last_ack_us;
            trace.last_disk = times.last_disk;
            trace.last_pg = pg;
        }
    }

    fn reply(&mut self) -> ClientReply {
        match self.kind {
            OpKind::Read => {
                let mut parts = std::mem::take(&mut self.parts);
                match parts.len() {
                    1 => ClientReply::Read(parts.pop().expect("one part")),
                    _ => ClientReply::Read(parts.into_iter().flatten().collect()),
                }
            }
            OpKind::Write => ClientReply::Written,
            OpKind::Flush => ClientReply::Flushed,
        }
    }
}

impl Head {
    pub(super) fn on_flush(&mut self, op_id: u64) {
        let key = self.ops.insert(Op::new(op_id, OpKind::Flush, 0, 0, self.now_us));
        if self.flushes.flush_arrived(key) {
            self.finish_op(key);
        }
    }

    pub(super) fn refuse(&mut self, op_id: u64, error: ClientError) {
        let trace = OpTrace { arrived_us: self.now_us, ..OpTrace::default() };
        self.out.push(HeadCommand::Complete { op_id, result: Err(error), trace });
    }

    /// A piece ended: its blocks are free, its request may be done. `found`: what it read.
    pub(super) fn finish_piece(&mut self, key: Key, result: Result<Vec<Segment>, ClientError>) {
        self.leave_active(key);
        let piece = self.pieces.remove(key).expect("a piece ends once");
        let Owner::Op { op, part } = piece.owner else {
            return self.roll_piece_done(piece.pg);
        };
        self.unlock(key, &piece);
        let pg = self.pgs[piece.pg].id;
        let entry = self.ops.get_mut(op).expect("a piece's request lives");
        entry.note(&piece.times, pg);
        match result {
            Ok(found) if entry.kind == OpKind::Read => entry.parts[part as usize] = found,
            Ok(_) => {}
            Err(error) => entry.error = entry.error.or(Some(error)),
        }
        entry.open -= 1;
        if entry.open == 0 {
            self.finish_op(op);
        }
    }

    fn unlock(&mut self, key: Key, piece: &Piece) {
        let mut freed = std::mem::take(&mut self.freed);
        self.locks.release(key, piece.block, piece.blocks, &mut freed);
        self.ready.extend(freed.drain(..));
        self.freed = freed;
    }

    pub(super) fn finish_op(&mut self, key: Key) {
        let mut op = self.ops.remove(key).expect("a request ends once");
        let result = match op.error {
            Some(error) => Err(error),
            None => Ok(op.reply()),
        };
        self.out.push(HeadCommand::Complete { op_id: op.id, result, trace: op.trace });
        if op.kind == OpKind::Write {
            let mut done = Vec::new();
            self.flushes.write_done(op.generation, &mut done);
            done.into_iter().for_each(|flush| self.finish_op(flush));
        }
    }

    /// Everything ends with the same error, in order of arrival; nothing is waited for.
    pub(super) fn fail_everything(&mut self, error: ClientError) {
        let mut open: Vec<(u64, u64, OpTrace)> =
            self.ops.iter().map(|(_, op)| (op.trace.arrived_us, op.id, op.trace)).collect();
        open.sort_by_key(|(arrived, id, _)| (*arrived, *id));
        for (_, op_id, trace) in open {
            self.out.push(HeadCommand::Complete { op_id, result: Err(error), trace });
        }
        self.ops.clear();
        self.pieces.clear();
        self.sent.clear();
        self.locks.clear();
        self.flushes.clear();
        self.ready.clear();
        self.retries.clear();
        self.starved.clear();
        self.to_settle.clear();
        self.confirm.clear();
    }

    /// A newer head exists: nothing that is in flight here will ever complete.
    pub(super) fn fence(&mut self, installed: shoal_types::HeadEpoch) {
        cover!("fenced by a newer head");
        self.phase = HeadPhase::Fenced;
        self.fail_everything(ClientError::Fenced);
        self.out.push(HeadCommand::Fenced { installed });
    }
}
