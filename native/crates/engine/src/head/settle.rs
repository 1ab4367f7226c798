//! Idle watermarks: a PG that rests tells its in-sync members what is settled, so that the next
//! take-over finds nothing to do. Losing one costs time, never data.

use std::collections::BTreeMap;

use shoal_types::{DiskId, PgEpoch, PgId, Refusal, Reply, Request, Seq, Version};

use super::Head;
use super::links::What;
use super::pg::Slot;

/// PGs in one message.
const SETTLE_PGS_MAX: usize = 1024;

impl Head {
    /// Remembers a PG whose watermark is not told.
    pub(super) fn list_settle(&mut self, slot: Slot) {
        let pg = &mut self.pgs[slot];
        if !pg.settle_listed && pg.is_active() && pg.seqs.watermark() != Seq::ZERO {
            pg.settle_listed = true;
            self.to_settle.push(slot);
        }
    }

    /// Whoever is new in the view has not heard it.
    pub(super) fn relist_settle(&mut self, slot: Slot) {
        self.pgs[slot].settle_sent = Version::ZERO;
        self.list_settle(slot);
    }

    /// A disk is back: what was told meanwhile was lost on it.
    pub(super) fn resettle(&mut self, disk: DiskId) {
        for slot in self.pgs.slots() {
            if self.pgs[slot].in_sync().contains(&disk) {
                self.relist_settle(slot);
            }
        }
    }

    /// Tells what has rested long enough; all of it when `now`.
    pub(super) fn settle(&mut self, now: bool) {
        let mut told: BTreeMap<DiskId, Vec<(PgId, PgEpoch, Version)>> = BTreeMap::new();
        let rest_us = self.config.timing.settle_us;
        for slot in std::mem::take(&mut self.to_settle) {
            let watermark = self.watermark(slot);
            let pg = &mut self.pgs[slot];
            if !now && self.now_us < pg.written_at_us + rest_us {
                self.to_settle.push(slot);
                continue;
            }
            pg.settle_listed = false;
            if watermark <= pg.settle_sent {
                continue;
            }
            pg.settle_sent = watermark;
            // In-sync members only: a joiner must not hear it outside its session (H7).
            for disk in pg.in_sync() {
                told.entry(*disk).or_default().push((pg.id, pg.epoch(), watermark));
            }
        }
        for (disk, pgs) in told {
            if self.is_connected(disk) {
                pgs.chunks(SETTLE_PGS_MAX).for_each(|pgs| self.send_settle(disk, pgs.to_vec()));
            }
        }
    }

    fn send_settle(&mut self, disk: DiskId, pgs: Vec<(PgId, PgEpoch, Version)>) {
        let (volume, head_epoch) = (self.config.volume, self.head_epoch);
        self.send(disk, What::Settle, Request::Settle { volume, head_epoch, pgs });
    }

    pub(super) fn on_settle_reply(&mut self, reply: Reply) {
        if let Reply::Refused(Refusal::StaleHead { installed }) = reply
            && installed > self.head_epoch
        {
            self.fence(installed);
        }
    }
}
