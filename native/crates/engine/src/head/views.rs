//! Views of PGs: what each change means for what is in flight (rules 8, 12, 29).

use shoal_types::{DiskId, PgEpoch, PgView};

use super::Head;
use super::api::HeadCommand;
use super::links::{LayerState, What};
use super::pg::{PgPhase, Slot};
use super::piece::{Confirmation, Stage, TARGETS_MAX};
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// A question for a view that is not answered is asked again after so many `retry_us`.
pub(super) const PATIENCE_RETRIES: u64 = 10;

impl Head {
    pub(super) fn on_view(&mut self, view: PgView) {
        let Some(slot) = self.pgs.slot(view.pg.index) else { return };
        let pg = &mut self.pgs[slot];
        if pg.id != view.pg || view.epoch <= pg.epoch() {
            return;
        }
        assert!(!view.in_sync.is_empty(), "{}: empty in-sync set", view.pg);
        assert!(view.targets().count() <= TARGETS_MAX, "{}: too many members", view.pg);
        let before = std::mem::take(&mut pg.targets);
        pg.set_view(view);
        if !self.is_granted() {
            return;
        }
        match self.pgs[slot].phase {
            PgPhase::Active => self.restamp(slot, &before),
            _ => self.start_collect(slot),
        }
        before.into_iter().for_each(|disk| self.ask_no_stranger(disk));
    }

    /// A disk that is in no view any more owes nothing: it may never come back, and whoever owes is reported.
    fn ask_no_stranger(&mut self, disk: DiskId) {
        if self.pgs.iter().any(|pg| pg.targets.contains(&disk)) {
            return;
        }
        self.forget_sent_where(|sent| sent.disk == disk && sent.what == What::OpenLayer);
        let link = self.disk(disk);
        if link.layer == LayerState::Asked {
            link.layer = LayerState::Unknown;
        }
    }

    /// A refusal named an epoch that is newer than the view.
    pub(super) fn want_view(&mut self, slot: Slot, seen: PgEpoch) {
        let pg = &mut self.pgs[slot];
        if seen > pg.wanted {
            pg.wanted = seen;
            self.refresh_view(slot);
        }
    }

    pub(super) fn refresh_view(&mut self, slot: Slot) {
        let now = self.now_us;
        let pg = &mut self.pgs[slot];
        pg.refresh_at_us = now;
        pg.asked += 1;
        let (pg, asked) = (pg.id, pg.asked);
        self.out.push(HeadCommand::RefreshView { pg, asked });
    }

    pub(super) fn on_newest(&mut self, view: PgView, asked: u64) {
        let (index, epoch) = (view.pg.index, view.epoch);
        self.on_view(view);
        let Some(slot) = self.pgs.slot(index) else { return };
        let pg = &mut self.pgs[slot];
        // Otherwise another word was faster, and what rested on the older view began anew with it.
        if pg.epoch() == epoch && asked > pg.answered {
            pg.answered = asked;
            self.wake_starved();
        }
    }

    /// Whether the view of the PG is known to be the newest one after this piece found its damage;
    /// asks, if it is not. A QUESTION THAT WAS ASKED BEFORE MAY HAVE BEEN ANSWERED BEFORE.
    pub(super) fn knows_newest(&mut self, key: Key) -> bool {
        let piece = self.pieces.get_mut(key).expect("a piece in doubt lives");
        let (slot, now) = (piece.pg, self.now_us);
        let pg = &self.pgs[slot];
        let doubt = *piece.fetch.doubt.get_or_insert(pg.asked + 1);
        if doubt <= pg.answered {
            return true;
        }
        let patience = self.config.timing.retry_us * PATIENCE_RETRIES;
        if pg.answered == pg.asked || now >= pg.refresh_at_us + patience {
            self.refresh_view(slot);
        }
        false
    }

    /// Rule 8: every write in flight gets the new stamp, all its acknowledgements are forgotten,
    /// and it is sent again to all targets of the new view.
    fn restamp(&mut self, slot: Slot, before: &[DiskId]) {
        for key in self.pgs[slot].active.clone() {
            let Some(piece) = self.pieces.get_mut(key) else { continue };
            match piece.stage {
                Stage::Writing => {
                    cover!("re-stamped in flight");
                    piece.times.resends += 1;
                    let acked = piece.write.pending;
                    self.send_to_all(key);
                    if is_planted(Bug::H6AcksAcrossEpochs) {
                        self.keep_acks(key, before, acked);
                    }
                }
                Stage::Fetching | Stage::Confirming => self.restart_read(key),
                Stage::Locked | Stage::Parked => unreachable!("not in the active list"),
            }
        }
        self.confirm.drop_slot(slot);
        self.relist_settle(slot);
        self.unpark(slot);
    }

    /// The planted bug H6 alone: what was acknowledged under another epoch counts.
    fn keep_acks(&mut self, key: Key, before: &[DiskId], pending: u8) {
        let Some(piece) = self.pieces.get_mut(key) else { return };
        for (i, disk) in self.pgs[piece.pg].targets.iter().enumerate() {
            let old = before.iter().position(|d| d == disk);
            if old.is_some_and(|old| pending & (1 << old) == 0) {
                piece.write.pending &= !(1 << i);
            }
        }
        self.try_complete(key);
    }

    /// Rule 29: a view change restarts the round; a fetch from a member that left goes elsewhere.
    /// A copy that was bad counts again: those that were good may be gone, and it may be repaired.
    fn restart_read(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("active pieces live");
        if piece.confirm != Confirmation::None {
            piece.confirm = Confirmation::Waiting;
            self.confirm.waiting.push(key);
        }
        piece.fetch.avoid.clear();
        piece.fetch.bad.clear();
        (piece.fetch.again, piece.fetch.doubt) = (false, None);
        let slot = piece.pg;
        let Some(request) = piece.fetch.request else { return };
        let asked = self.sent.get(request).map(|s| s.disk);
        if asked.is_some_and(|disk| !self.pgs[slot].in_sync().contains(&disk)) {
            self.forget_sent(request);
            self.pieces.get_mut(key).expect("active pieces live").fetch.request = None;
            self.try_fetch(key);
        }
    }

    /// Pieces that waited for the PG begin.
    pub(super) fn unpark(&mut self, slot: Slot) {
        let parked = std::mem::take(&mut self.pgs[slot].parked);
        self.ready.extend(parked);
        self.wake_starved();
    }
}
