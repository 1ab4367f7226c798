//! Writes: to every target of the view, complete when all of them hold it under that view's epoch
//! (rules 6–9).

use shoal_types::message::WriteRequest;
use shoal_types::{Body, DiskId, HeadEpoch, Refusal, Reply, Request, Role, Seq, Version};

use super::Head;
use super::api::ClientError;
use super::links::What;
use super::pg::{Pg, Slot};
use super::piece::{Owner, Piece, Stage, Work};
use super::refusal::Next;
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

impl Head {
    /// A piece holds its blocks: begin, or wait for the PG.
    pub(super) fn start_piece(&mut self, key: Key) {
        let Some(piece) = self.pieces.get_mut(key) else { return };
        let pg = &mut self.pgs[piece.pg];
        let enough = pg.in_sync().len() >= self.config.min_in_sync as usize;
        if !pg.is_active() || (!piece.is_read() && !enough) {
            piece.stage = Stage::Parked;
            pg.parked.push(key);
            return;
        }
        if self.is_shut_out(key) {
            cover!("no space: not even for the layer");
            return self.finish_piece(key, Err(ClientError::NoSpace));
        }
        let Some(piece) = self.pieces.get(key) else { return };
        match &piece.work {
            Work::Read | Work::Merge(_) => self.begin_fetch(key),
            Work::Raw(data) => {
                let (block, data) = (piece.block, data.clone());
                let body = self.data_body(block, data);
                self.pieces.get_mut(key).expect("just seen").work = Work::Write(body);
                self.begin_write(key);
            }
            Work::Write(_) => self.begin_write(key),
            Work::Roll(_) | Work::Undo(_) => unreachable!("begins elsewhere"),
        }
    }

    /// What waited for more members than are asked for now goes on. A write that was sent under a
    /// smaller number waits for the greater one too.
    pub(super) fn on_min_in_sync(&mut self, count: u32) {
        assert!(count > 0, "impossible policy");
        self.config.min_in_sync = count;
        for slot in self.pgs.slots() {
            if !self.pgs[slot].is_active() {
                continue;
            }
            for key in self.pgs[slot].active.clone() {
                self.try_complete(key);
            }
            self.unpark(slot);
        }
    }

    pub(super) fn begin_write(&mut self, key: Key) {
        self.enter_active(key);
        self.send_first_version(key);
    }

    /// Gives the piece the next version of this head and sends it (rule 6).
    pub(super) fn send_new_version(&mut self, key: Key) {
        self.give_version(key);
        self.send_to_all(key);
    }

    pub(super) fn give_version(&mut self, key: Key) {
        let seq = Seq(self.next_seq);
        assert!(seq <= Seq::MAX, "48 bits of writes under one head epoch");
        self.next_seq += 1;
        let version = Version { head_epoch: self.head_epoch, seq };
        let piece = self.pieces.get_mut(key).expect("a piece that writes lives");
        if piece.stage == Stage::Writing || matches!(piece.work, Work::Undo(_)) {
            piece.write.earlier.push(piece.write.version.seq);
        }
        piece.stage = Stage::Writing;
        piece.write.version = version;
        let slot = piece.pg;
        self.pgs[slot].seqs.assign(seq);
    }

    /// Stamps and sends to all targets.
    pub(super) fn send_to_all(&mut self, key: Key) {
        self.stamp(key);
        self.send_to_owing(key);
    }

    /// Stamps with the view's epoch; earlier acknowledgements and answers under way count for
    /// nothing (rules 7, 8).
    pub(super) fn stamp(&mut self, key: Key) {
        self.forget_requests(key);
        let now = self.now_us;
        let piece = self.pieces.get_mut(key).expect("a piece that writes lives");
        let pg = &self.pgs[piece.pg];
        let targets = pg.targets.len() as u8;
        piece.write.stamp = pg.epoch();
        piece.write.pending = ((1u16 << targets) - 1) as u8;
        (piece.write.alone, piece.write.renews) = (None, false);
        if piece.times.sent_us == 0 {
            piece.times.sent_us = now;
        }
    }

    /// To every target that owes its acknowledgement.
    pub(super) fn send_to_owing(&mut self, key: Key) {
        let Some(piece) = self.pieces.get(key) else { return };
        let targets = self.pgs[piece.pg].targets.len() as u8;
        (0..targets).for_each(|target| self.send_write(key, target));
    }

    /// Sends (again) to one target that still owes its acknowledgement.
    pub(super) fn send_write(&mut self, key: Key, target: u8) {
        let Some(request) = self.write_request(key, target) else { return };
        let piece = self.pieces.get(key).expect("just seen");
        let disk = self.pgs[piece.pg].targets[target as usize];
        let promised = data_blocks(piece.body().1);
        let sent = self.send(disk, What::Write { piece: key, target }, request);
        self.promise_space(sent, promised);
        let piece = self.pieces.get_mut(key).expect("just seen");
        piece.write.requests[target as usize] = Some(sent);
    }

    /// The message for one target; none if it owes nothing (any more).
    pub(super) fn write_request(&self, key: Key, target: u8) -> Option<Request> {
        let piece = self.pieces.get(key)?;
        if piece.stage != Stage::Writing || piece.write.pending & (1 << target) == 0 {
            return None;
        }
        let pg = &self.pgs[piece.pg];
        let (block, body) = piece.body();
        let role = pg.role(pg.targets[target as usize]);
        Some(Request::Write(WriteRequest {
            volume: self.config.volume,
            pg: pg.id,
            layer: piece.layer,
            block,
            version: piece.write.version,
            pg_epoch: piece.write.stamp,
            watermark: self.watermark(piece.pg),
            role,
            body: traceless(pg, role, piece).unwrap_or_else(|| body.clone()),
        }))
    }

    /// Rule 10: nothing of this head counts as settled before the PG's roll-forward is complete.
    pub(super) fn watermark(&self, slot: Slot) -> Version {
        let pg = &self.pgs[slot];
        let seq = pg.seqs.watermark();
        if pg.is_active() && is_planted(Bug::WatermarkTooHigh) {
            return Version { head_epoch: self.head_epoch, seq: Seq(self.next_seq - 1) };
        }
        if !pg.is_active() && is_planted(Bug::H8WatermarkInRollForward) {
            return Version { head_epoch: self.head_epoch, seq: Seq(self.next_seq - 1) };
        }
        if !pg.is_active() || seq == Seq::ZERO {
            return Version { head_epoch: HeadEpoch::ZERO, seq: Seq::ZERO };
        }
        Version { head_epoch: self.head_epoch, seq }
    }

    pub(super) fn on_write_reply(&mut self, key: Key, target: u8, disk: DiskId, reply: Reply) {
        let (now, no_layer) = (self.now_us, self.has_no_layer(disk));
        let Some(piece) = self.pieces.get_mut(key) else { return };
        piece.write.requests[target as usize] = None;
        let write = &mut piece.write;
        match reply {
            Reply::Written { version, pg_epoch, free_blocks } => {
                let fits = version == write.version && pg_epoch == write.stamp;
                let has_room = fits && write.alone.take().is_some();
                if fits {
                    write.pending &= !(1 << target);
                    if is_planted(Bug::DuplicateCounted) && piece.times.resends > 0 {
                        write.pending &= write.pending.wrapping_sub(1);
                    }
                    piece.answered(disk, now);
                }
                self.note_free_space(disk, free_blocks);
                if has_room {
                    self.send_to_owing(key);
                }
                if !fits {
                    // No member of ours says so: what was sent before is forgotten with its number.
                    self.retry_write(key, target);
                }
                self.try_complete(key);
            }
            Reply::Refused(Refusal::NoSpace) => self.on_no_space(key, target, disk),
            Reply::Refused(Refusal::Deleted) if no_layer => self.on_no_layer(key, target, disk),
            Reply::Refused(refusal) => {
                let slot = piece.pg;
                if self.judge_refusal(slot, disk, &refusal) == Next::Retry {
                    self.retry_write(key, target);
                }
            }
            _ => self.retry_write(key, target),
        }
    }

    pub(super) fn retry_write(&mut self, key: Key, target: u8) {
        let due = self.now_us + self.config.timing.retry_us;
        self.retries.push_back((due, key, target));
        if let Some(piece) = self.pieces.get_mut(key) {
            piece.times.resends += 1;
            piece.write.sent_again();
        }
    }

    /// Rule 7: every target of the stamp's epoch holds it under that stamp, and a client's write
    /// is on `min_in_sync` members. Roll-forward needs no minimum: it acknowledges nothing new.
    pub(super) fn try_complete(&mut self, key: Key) {
        let Some(piece) = self.pieces.get(key) else { return };
        let enough = self.pgs[piece.pg].in_sync().len() >= self.config.min_in_sync as usize;
        let mut pending = piece.write.pending;
        if is_planted(Bug::H1AckWithoutJoiner) {
            pending &= (1 << self.pgs[piece.pg].in_sync().len()) - 1;
        }
        if is_planted(Bug::AckWithoutAll) && self.pgs[piece.pg].targets.len() > 1 {
            pending &= pending.wrapping_sub(1);
        }
        if piece.stage != Stage::Writing || pending != 0 {
            return;
        }
        if !enough && piece.owner != Owner::Roll {
            return;
        }
        assert!(piece.write.stamp == self.pgs[piece.pg].epoch(), "acknowledged under the view");
        if matches!(piece.work, Work::Undo(_)) {
            return self.undo_run_done(key);
        }
        self.finish_seqs(key);
        self.finish_piece(key, Ok(Vec::new()));
    }

    /// Every number that the piece used is complete, at once: an earlier one only counts once the
    /// write that shadows it is everywhere.
    pub(super) fn finish_seqs(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece that completes lives");
        let (slot, last) = (piece.pg, piece.write.version.seq);
        let (earlier, unheld) = (std::mem::take(&mut piece.write.earlier), piece.write.unheld);
        let seqs = &mut self.pgs[slot].seqs;
        for seq in earlier.into_iter().chain([last]) {
            if unheld { seqs.withdraw(seq) } else { seqs.finish(seq) }
        }
        self.pgs[slot].written_at_us = self.now_us;
        self.list_settle(slot);
    }

    /// Answers that may still come belong to sends that no longer count.
    pub(super) fn forget_requests(&mut self, key: Key) {
        let Some(piece) = self.pieces.get_mut(key) else { return };
        let requests = std::mem::take(&mut piece.write.requests);
        for request in requests.into_iter().flatten() {
            self.forget_sent(request);
        }
    }

    /// The piece is at work in its PG: view changes must find it.
    pub(super) fn enter_active(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece at work lives");
        let active = &mut self.pgs[piece.pg].active;
        piece.place = active.len() as u32;
        piece.listed = true;
        active.push(key);
    }

    pub(super) fn leave_active(&mut self, key: Key) {
        self.forget_requests(key);
        let piece = self.pieces.get_mut(key).expect("a piece ends once");
        let (slot, place, fetch) = (piece.pg, piece.place as usize, piece.fetch.request.take());
        let listed = std::mem::take(&mut piece.listed);
        if let Some(request) = fetch {
            self.forget_sent(request);
        }
        if !listed {
            return;
        }
        let active = &mut self.pgs[slot].active;
        assert!(active[place] == key, "the active list knows its pieces");
        active.swap_remove(place);
        if let Some(moved) = active.get(place).copied() {
            self.pieces.get_mut(moved).expect("active pieces live").place = place as u32;
        }
    }
}

/// Blocks that need space.
pub(super) fn data_blocks(body: &shoal_types::Body) -> u32 {
    match body {
        shoal_types::Body::Data { crcs, .. } => crcs.len() as u32,
        shoal_types::Body::Zero { .. } | shoal_types::Body::Clear { .. } => 0,
    }
}

/// Zeros need no entry where nothing was while everyone is in sync, nor at members in sync that have no
/// room for one (rule 31). THOSE OF AN UNDO ARE ALWAYS KEPT: they have to be newer than what they
/// replace, wherever that comes late.
pub(super) fn traceless(pg: &Pg, role: Role, piece: &Piece) -> Option<Body> {
    let Work::Write(Body::Zero { blocks }) = piece.work else { return None };
    let may = pg.is_whole() || (piece.write.traceless && role == Role::InSync);
    (may || is_planted(Bug::TracelessAlways)).then_some(Body::Clear { blocks })
}
