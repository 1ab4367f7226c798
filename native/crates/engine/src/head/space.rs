//! ENOSPC is decided before anything is sent, by what the members last said (docs/protocol.md,
//! "No space").

use shoal_types::DiskId;

use super::Head;
use super::piece::Work;
use super::write_path::data_blocks;
use crate::common::Key;

impl Head {
    /// Whether each target should have room for the piece. A word that is old is not believed: the
    /// write goes out and brings a new one, and is undone if need be.
    pub(super) fn has_space(&mut self, key: Key) -> bool {
        let piece = self.pieces.get(key).expect("a piece that begins lives");
        let Work::Write(body) = &piece.work else { return true };
        let need = data_blocks(body);
        let (now, believed) = (self.now_us, self.config.timing.space_word_us);
        let targets = &self.pgs[piece.pg].targets;
        need == 0
            || targets.iter().all(|disk| {
                let Some(link) = self.disks.get(disk) else { return true };
                let fresh = link.free_at_us.is_some_and(|at| now < at + believed);
                !fresh || link.free_blocks >= link.promised_blocks.saturating_add(need)
            })
    }

    pub(super) fn note_free_space(&mut self, disk: DiskId, free_blocks: u32) {
        let now = self.now_us;
        let link = self.disk(disk);
        link.free_blocks = free_blocks;
        link.free_at_us = Some(now);
    }

    /// Counts what is on its way to a disk, so that requests in flight cannot share one room.
    pub(super) fn promise_space(&mut self, sent: Key, blocks: u32) {
        let entry = self.sent.get_mut(sent).expect("just sent");
        entry.promised_blocks = blocks;
        let disk = entry.disk;
        self.disk(disk).promised_blocks += blocks;
    }
}
