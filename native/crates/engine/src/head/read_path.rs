//! Reads: from one in-sync member, the local one first; every block is verified here, and a bad
//! copy is passed over (rules 27, 28).

use shoal_types::message::EntryKind;
use shoal_types::{BLOCK_BYTES, BlockState, DiskId, Refusal, Reply, Request, checksum};

use super::Head;
use super::api::{ClientError, HeadCommand, ReadMode, Segment};
use super::links::What;
use super::piece::{Confirmation, Owner, Piece, Stage, Work};
use super::refusal::Next;
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

impl Head {
    pub(super) fn begin_fetch(&mut self, key: Key) {
        let confirm = !self.lease_holds();
        let piece = self.pieces.get_mut(key).expect("a piece that begins lives");
        piece.stage = Stage::Fetching;
        piece.times.sent_us = self.now_us;
        if confirm && piece.is_read() {
            // The round may run beside the fetch (rule 29).
            piece.confirm = Confirmation::Waiting;
            self.confirm.waiting.push(key);
        }
        self.enter_active(key);
        self.try_fetch(key);
    }

    fn lease_holds(&self) -> bool {
        let valid = self.now_us < self.lease_until_us || is_planted(Bug::LeaseIgnored);
        self.reads == ReadMode::Lease && valid
    }

    /// Asks the next copy that may have it; without one, fails or waits.
    pub(super) fn try_fetch(&mut self, key: Key) {
        let piece = self.pieces.get(key).expect("a piece that fetches lives");
        if let Work::Undo(undo) = &piece.work
            && !self.pgs[piece.pg].in_sync().contains(&undo.holder)
        {
            return self.resume_write(key);
        }
        let copies = self.copies(piece);
        let may = |d: &&DiskId| {
            !piece.fetch.bad.contains(d) && !piece.fetch.avoid.contains(d) && self.is_connected(**d)
        };
        let local = |d: &&DiskId| self.config.local_disks.contains(d);
        let turn = (piece.block >> 5) as usize % copies.len().max(1);
        let spread = || copies[turn..].iter().chain(&copies[..turn]).filter(may);
        let chosen = spread().find(local).or_else(|| spread().next()).copied();
        let all_bad = copies.iter().all(|d| piece.fetch.bad.contains(d));
        match chosen {
            Some(disk) => self.ask_copy(key, disk),
            None if all_bad => self.all_copies_bad(key),
            None => self.starve(key),
        }
    }

    fn starve(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece that fetches lives");
        if !std::mem::replace(&mut piece.fetch.starved, true) {
            self.starved.push(key);
        }
    }

    /// Copies that may answer, as of the view now.
    fn copies(&self, piece: &Piece) -> Vec<DiskId> {
        let in_sync = self.pgs[piece.pg].in_sync();
        match &piece.work {
            Work::Undo(undo) => vec![undo.holder],
            Work::Roll(holders) => self.roll_copies(piece, holders),
            Work::Read if is_planted(Bug::JoinerServesReads) => {
                self.pgs[piece.pg].targets.iter().rev().copied().collect()
            }
            _ => in_sync.to_vec(),
        }
    }

    fn ask_copy(&mut self, key: Key, disk: DiskId) {
        let piece = self.pieces.get(key).expect("a piece that fetches lives");
        let request = self.fetch_request(piece, disk);
        let sent = self.send(disk, What::Fetch { piece: key }, request);
        self.pieces.get_mut(key).expect("just seen").fetch.request = Some(sent);
    }

    fn fetch_request(&self, piece: &Piece, disk: DiskId) -> Request {
        let (volume, head_epoch) = (self.config.volume, self.head_epoch);
        let pg = &self.pgs[piece.pg];
        if let Work::Roll(holders) = &piece.work {
            let best = holders.iter().filter(|(d, _)| *d == disk).map(|(_, e)| *e);
            if let Some(entry) = best.max_by_key(|e| e.version) {
                assert!(entry.kind == EntryKind::Data, "zeros need no fetch");
                return Request::ReadEntry { volume, pg: pg.id, head_epoch, entry };
            }
        }
        let (block, blocks) = piece.fetch_range();
        let (pg, pg_epoch, layer) = (pg.id, pg.epoch(), piece.layer);
        Request::Read { volume, pg, layer, block, blocks, head_epoch, pg_epoch }
    }

    pub(super) fn on_fetch_reply(&mut self, key: Key, disk: DiskId, reply: Reply) {
        let now = self.now_us;
        let Some(piece) = self.pieces.get_mut(key) else { return };
        piece.fetch.request = None;
        let slot = piece.pg;
        match reply {
            Reply::Blocks { blocks } => self.take_blocks(key, disk, blocks),
            Reply::Entry { state } => self.take_blocks(key, disk, vec![state]),
            Reply::Refused(Refusal::BadBlock) => self.copy_is_bad(key, disk, None),
            Reply::Refused(refusal) => {
                piece.answered(disk, now);
                if self.judge_refusal(slot, disk, &refusal) != Next::Ended {
                    self.refetch(key, disk);
                }
            }
            _ => self.refetch(key, disk),
        }
    }

    fn take_blocks(&mut self, key: Key, disk: DiskId, blocks: Vec<BlockState>) {
        let now = self.now_us;
        let piece = self.pieces.get_mut(key).expect("its answer just came");
        piece.answered(disk, now);
        let (first, count) = piece.fetch_range();
        if blocks.len() != count as usize {
            return self.refetch(key, disk);
        }
        let layer = piece.layer;
        let bad = |(i, state): (usize, &BlockState)| !is_sound(layer, first + i as u64, state);
        if let Some(at) = blocks.iter().enumerate().position(bad) {
            return self.copy_is_bad(key, disk, Some(first + at as u64));
        }
        let fetch = &mut piece.fetch;
        fetch.found.extend(blocks);
        if fetch.found.len() < piece.blocks as usize {
            (fetch.again, fetch.doubt) = (false, None);
            fetch.bad.clear();
            return self.try_fetch(key);
        }
        piece.fetch.done = true;
        self.fetched(key);
    }

    fn copy_is_bad(&mut self, key: Key, disk: DiskId, block: Option<u64>) {
        let piece = self.pieces.get_mut(key).expect("its answer just came");
        cover!("bad copy passed over");
        piece.fetch.bad.push(disk);
        piece.times.resends += 1;
        let block = match block {
            Some(block) => Some(block),
            None => (piece.fetch_range().1 == 1).then_some(piece.fetch_range().0),
        };
        let (pg, layer) = (self.pgs[piece.pg].id, piece.layer);
        if let Some(block) = block {
            self.out.push(HeadCommand::BadBlock { disk, pg, layer, block });
        }
        self.try_fetch(key);
    }

    /// Each copy has something bad in the run: go block by block. A single block that is bad
    /// everywhere, twice, is an error for a client, and a stop for an undo or a take-over, which would
    /// otherwise decide about data that nobody can read; unless that was never complete.
    ///
    /// Twice: between the two rounds all of them were bad at once, and none had been the source of a
    /// member that the view does not know. A joiner of the view may be in sync without any of them
    /// having heard of it: then the newest view is asked for first (rule 27).
    fn all_copies_bad(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece that fetches lives");
        let (block, count) = piece.fetch_range();
        if count > 1 {
            cover!("block by block");
            piece.fetch.narrow = true;
            piece.fetch.bad.clear();
            return self.try_fetch(key);
        }
        if !std::mem::replace(&mut piece.fetch.again, true) {
            cover!("bad block everywhere");
            piece.fetch.bad.clear();
            return self.try_fetch(key);
        }
        if matches!(piece.work, Work::Read | Work::Merge(_)) {
            let joins = self.pgs[piece.pg].view.as_ref().is_some_and(|v| v.joining.is_some());
            if joins && !is_planted(Bug::DamageOfOldView) && !self.knows_newest(key) {
                cover!("bad block everywhere, and one joins");
                return self.starve(key);
            }
            let offset = block * BLOCK_BYTES as u64;
            return self.finish_piece(key, Err(ClientError::BadBlock { offset }));
        }
        if self.pass_over_newest(key) {
            return;
        }
        self.give_up_old_content(key);
        let piece = self.pieces.get_mut(key).expect("just seen");
        piece.fetch.bad.clear();
        self.starve(key);
    }

    /// This copy could not answer; another one may.
    pub(super) fn refetch(&mut self, key: Key, disk: DiskId) {
        let Some(piece) = self.pieces.get_mut(key) else { return };
        piece.fetch.request = None;
        piece.fetch.avoid.push(disk);
        piece.times.resends += 1;
        self.try_fetch(key);
    }

    fn fetched(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece that fetches lives");
        match &piece.work {
            Work::Read => self.try_finish_read(key),
            Work::Merge(_) => self.merge(key),
            Work::Roll(_) => {
                let state = std::mem::take(&mut piece.fetch.found).remove(0);
                self.roll_value(key, state);
            }
            Work::Undo(_) => {
                let states = std::mem::take(&mut piece.fetch.found);
                self.undo_value(key, states);
            }
            Work::Raw(_) | Work::Write(_) => unreachable!("writes fetch nothing"),
        }
    }

    /// Rules 28, 29: the lease is looked at when the answer leaves.
    pub(super) fn try_finish_read(&mut self, key: Key) {
        let lease = self.lease_holds();
        let piece = self.pieces.get_mut(key).expect("a read lives until it ends");
        if !piece.fetch.done {
            return;
        }
        if !lease && piece.confirm != Confirmation::Done {
            piece.stage = Stage::Confirming;
            if piece.confirm == Confirmation::None {
                piece.confirm = Confirmation::Waiting;
                self.confirm.waiting.push(key);
            }
            return;
        }
        let found = std::mem::take(&mut piece.fetch.found);
        let (block, owner) = (piece.block, piece.owner);
        let Owner::Op { op, .. } = owner else { unreachable!("only clients read") };
        let op = self.ops.get(op).expect("a piece's request lives");
        let segments = segments(found, block, op.offset, op.offset + op.len);
        self.finish_piece(key, Ok(segments));
    }

    pub(super) fn wake_starved(&mut self) {
        for key in std::mem::take(&mut self.starved) {
            let Some(piece) = self.pieces.get_mut(key) else { continue };
            piece.fetch.starved = false;
            piece.fetch.avoid.clear();
            if piece.stage == Stage::Fetching && piece.fetch.request.is_none() {
                self.try_fetch(key);
            }
        }
    }
}

impl Piece {
    /// The blocks that are asked for now.
    fn fetch_range(&self) -> (u64, u32) {
        match self.fetch.narrow {
            true => (self.block + self.fetch.found.len() as u64, 1),
            false => (self.block, self.blocks),
        }
    }
}

/// A lost, torn or misdirected write, or a flipped bit, shows here.
fn is_sound(layer: shoal_types::LayerId, block: u64, state: &BlockState) -> bool {
    match state {
        BlockState::Data { .. } if is_planted(Bug::ChecksumIgnored) => true,
        BlockState::Data { data, crc } => {
            data.len() == BLOCK_BYTES && checksum::block_crc(layer, block, data) == *crc
        }
        BlockState::Absent | BlockState::Zero => true,
    }
}

/// The part of `start..end` (bytes of the volume) that the blocks cover, without a copy.
fn segments(found: Vec<BlockState>, block: u64, start: u64, end: u64) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::with_capacity(found.len());
    for (i, state) in found.into_iter().enumerate() {
        let base = (block + i as u64) * BLOCK_BYTES as u64;
        let from = start.saturating_sub(base) as usize;
        let to = (end - base).min(BLOCK_BYTES as u64) as usize;
        match (state, segments.last_mut()) {
            (BlockState::Data { data, .. }, _) => {
                segments.push(Segment::Data(data.slice(from..to)));
            }
            (_, Some(Segment::Zeros(len))) => *len += to - from,
            (_, _) => segments.push(Segment::Zeros(to - from)),
        }
    }
    segments
}
