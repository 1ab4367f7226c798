//! Members decide whether there is space. Who may lack it, by its last word, is asked alone first:
//! if it says no, nobody holds the write and nothing has to be undone (docs/protocol.md, "No
//! space").

use std::cmp::Reverse;

use shoal_types::{Body, DiskId, Role};

use super::Head;
use super::api::{ClientError, ReportReason};
use super::pg::Slot;
use super::piece::{Alone, Owner, Work};
use super::write_path::{data_blocks, traceless};
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

impl Head {
    /// Sends a write that was sent to nobody yet: to all, or first to the member that may lack room.
    pub(super) fn send_first_version(&mut self, key: Key) {
        self.give_version(key);
        self.stamp(key);
        let Some(target) = self.short_of_room(key) else { return self.send_to_owing(key) };
        cover!("no space: one asked first");
        let piece = self.pieces.get_mut(key).expect("a piece that writes lives");
        piece.write.alone = Some(Alone::Once);
        self.send_write(key, target);
    }

    /// The in-sync member with the least room, if it may not suffice; of several, whoever said no last: if
    /// another one were asked that has a block left, each new block would be undone. A joiner decides
    /// nothing.
    fn short_of_room(&self, key: Key) -> Option<u8> {
        let piece = self.pieces.get(key).expect("a piece that writes lives");
        let need = data_blocks(piece.body().1);
        if need == 0 {
            return None;
        }
        let pg = &self.pgs[piece.pg];
        let room = |(target, disk): (usize, &DiskId)| {
            let link = self.disks.get(disk).filter(|_| pg.role(*disk) == Role::InSync)?;
            let free = link.free_blocks?.saturating_sub(link.promised_blocks);
            (free < need).then_some((free, Reverse(link.refused_at_us), target as u8))
        };
        pg.targets.iter().enumerate().filter_map(room).min().map(|(_, _, target)| target)
    }

    /// In-sync members whose stores have no room for the volume's layer (their tables are full) hold
    /// nothing of it. Nothing can be written, and where all are such, nothing is there to be read.
    pub(super) fn is_shut_out(&mut self, key: Key) -> bool {
        if !self.layers_without_room {
            return false;
        }
        let piece = self.pieces.get(key).expect("a piece that begins lives");
        let (is_read, in_sync) = (piece.is_read(), self.pgs[piece.pg].in_sync().to_vec());
        let without = in_sync.iter().filter(|disk| self.has_no_layer(**disk)).count();
        in_sync.iter().for_each(|disk| self.reopen_layer(*disk));
        if is_read { without == in_sync.len() } else { without > 0 }
    }

    /// An in-sync member without space: if others were asked, the write is undone (docs/protocol.md, "No
    /// space"), one of a roll-forward too: the member lacks it, so nobody was told that it happened. A
    /// joiner must not decide that; and an undo is tried until it gets through.
    pub(super) fn on_no_space(&mut self, key: Key, target: u8, disk: DiskId) {
        self.note_free_space(disk, 0);
        self.disk(disk).refused_at_us = self.now_us;
        let piece = self.pieces.get_mut(key).expect("its answer just came");
        let role = self.pgs[piece.pg].role(disk);
        if is_planted(Bug::NoSpaceNotUndone) && piece.owner != Owner::Roll {
            self.finish_seqs(key);
            return self.finish_piece(key, Err(ClientError::NoSpace));
        }
        if role == Role::InSync && matches!(piece.work, Work::Write(Body::Zero { .. })) {
            return match traceless(&self.pgs[piece.pg], role, piece) {
                Some(_) => self.zeros_are_there(key, target),
                None => self.send_traceless(key),
            };
        }
        if role == Role::InSync && piece.write.alone == Some(Alone::Once) {
            cover!("no space: refused before anybody else was asked");
            piece.write.unheld = true;
            self.finish_seqs(key);
            return self.finish_piece(key, Err(ClientError::NoSpace));
        }
        if role == Role::InSync && matches!(piece.work, Work::Write(_)) {
            return self.start_undo(key, disk);
        }
        // Of data the member remembers what it refused.
        piece.write.renews |= data_blocks(piece.body().1) > 0 && role == Role::InSync;
        let slot = piece.pg;
        self.report_full(disk, slot);
        self.retry_write(key, target);
    }

    /// Nothing is where the member found no room. A joiner may be brought in sync by blocks alone, and then
    /// never hears of a number that left none: it is withdrawn.
    fn send_traceless(&mut self, key: Key) {
        cover!("no space: zeros that leave no trace");
        let write = &mut self.pieces.get_mut(key).expect("its answer just came").write;
        (write.traceless, write.unheld) = (true, true);
        self.send_new_version(key);
    }

    /// A member whose store has no room for the volume's layer.
    pub(super) fn on_no_layer(&mut self, key: Key, target: u8, disk: DiskId) {
        self.reopen_layer(disk);
        let piece = self.pieces.get(key).expect("its answer just came");
        let in_sync = self.pgs[piece.pg].role(disk) == Role::InSync;
        if in_sync && matches!(piece.body().1, Body::Zero { .. }) {
            return self.zeros_are_there(key, target);
        }
        if in_sync && matches!(piece.work, Work::Write(_)) {
            return self.undo_to_zeros(key, disk);
        }
        let slot = piece.pg;
        self.report_full(disk, slot);
        self.retry_write(key, target);
    }

    /// A joiner has to wait for room, in this group; others may join meanwhile. OF ONE THAT IS IN SYNC
    /// NOTHING IS SAID: there is nothing to be done, and a disk is reported only now and then.
    pub(super) fn report_full(&mut self, disk: DiskId, slot: Slot) {
        let pg = &self.pgs[slot];
        if pg.role(disk) != Role::InSync {
            let reason = ReportReason::Full { pg: pg.id };
            self.report(disk, reason);
        }
    }

    /// The member holds nothing of the volume in this PG, and has no room to say so: the zeros are
    /// there. As good as an acknowledgement, but for the number, which the member does not have.
    fn zeros_are_there(&mut self, key: Key, target: u8) {
        cover!("no space: zeros where nothing was");
        let write = &mut self.pieces.get_mut(key).expect("its answer just came").write;
        write.pending &= !(1 << target);
        write.unheld = true;
        self.try_complete(key);
    }

    pub(super) fn note_free_space(&mut self, disk: DiskId, free_blocks: u32) {
        self.disk(disk).free_blocks = Some(free_blocks);
    }

    /// Counts what is on its way to a disk, so that requests in flight cannot share one room.
    pub(super) fn promise_space(&mut self, sent: Key, blocks: u32) {
        let entry = self.sent.get_mut(sent).expect("just sent");
        entry.promised_blocks = blocks;
        let disk = entry.disk;
        self.disk(disk).promised_blocks += blocks;
    }
}
