//! Confirmed mode: one round at a time, for all reads that wait when it begins (rule 29).

use std::collections::BTreeMap;

use shoal_types::{DiskId, PgId, Refusal, Reply, Request};

use super::Head;
use super::links::What;
use super::pg::Slot;
use super::piece::Confirmation;
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

#[derive(Clone, Debug, Default)]
pub(super) struct Confirm {
    /// Reads for the next round. A round begins after a read arrived, never before.
    pub(super) waiting: Vec<Key>,
    round: Option<Round>,
    /// After a round that failed in part: not before this time.
    not_before_us: u64,
}

#[derive(Clone, Debug)]
struct Round {
    started_us: u64,
    pieces: Vec<Key>,
    /// Members of each PG that have not confirmed. A PG whose view changed is not in here.
    missing: BTreeMap<Slot, u32>,
    /// What each disk was asked about; `None` once it answered.
    asks: Vec<Option<Vec<Slot>>>,
    failed: bool,
}

impl Confirm {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The PG's view changed: what members of the old one confirm counts for nothing.
    pub(super) fn drop_slot(&mut self, slot: Slot) {
        if let Some(round) = &mut self.round {
            round.missing.remove(&slot);
        }
    }
}

impl Head {
    pub(super) fn start_confirm_round(&mut self) {
        let due = self.now_us >= self.confirm.not_before_us;
        if self.confirm.round.is_some() || self.confirm.waiting.is_empty() || !due {
            return;
        }
        let mut pieces = std::mem::take(&mut self.confirm.waiting);
        pieces.retain(|key| {
            let piece = self.pieces.get_mut(*key);
            let waits = |p: &&mut super::piece::Piece| p.confirm == Confirmation::Waiting;
            piece.filter(waits).map(|p| p.confirm = Confirmation::Asked).is_some()
        });
        let mut by_disk: BTreeMap<DiskId, Vec<Slot>> = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for key in &pieces {
            let slot = self.pieces.get(*key).expect("just seen").pg;
            if missing.contains_key(&slot) {
                continue;
            }
            let mut targets = &self.pgs[slot].targets[..];
            if is_planted(Bug::H13ConfirmWithoutJoiner) {
                targets = self.pgs[slot].in_sync();
            }
            missing.insert(slot, targets.len() as u32);
            targets.iter().for_each(|disk| by_disk.entry(*disk).or_default().push(slot));
        }
        if pieces.is_empty() {
            return;
        }
        let started_us = self.now_us;
        let asks = by_disk.values().cloned().map(Some).collect();
        self.confirm.round = Some(Round { started_us, pieces, missing, asks, failed: false });
        for (ask, (disk, slots)) in by_disk.into_iter().enumerate() {
            self.ask_confirm(ask as u32, disk, &slots);
        }
    }

    fn ask_confirm(&mut self, ask: u32, disk: DiskId, slots: &[Slot]) {
        let epoch = |slot: &Slot| -> (PgId, _) { (self.pgs[*slot].id, self.pgs[*slot].epoch()) };
        let request = Request::Confirm {
            volume: self.config.volume,
            head_epoch: self.head_epoch,
            pgs: slots.iter().map(epoch).collect(),
        };
        self.send(disk, What::Confirm { ask }, request);
    }

    pub(super) fn on_confirm_reply(&mut self, ask: u32, disk: DiskId, reply: Reply) {
        match reply {
            Reply::Confirmed => self.confirmed(ask),
            Reply::Refused(Refusal::StaleHead { installed }) if installed > self.head_epoch => {
                self.fence(installed);
            }
            Reply::Refused(refusal) => {
                match refusal {
                    Refusal::StalePg { .. } | Refusal::NotMember | Refusal::Unfit => {
                        self.refresh_asked(ask);
                    }
                    // What is left is about the disk, whichever group was asked about.
                    _ => {
                        self.judge_refusal(0, disk, &refusal);
                    }
                }
                if !self.is_over() {
                    self.confirm_failed(ask);
                }
            }
            _ => self.confirm_failed(ask),
        }
    }

    /// Which of the PGs is newer at the member, or has another store there, it does not say.
    fn refresh_asked(&mut self, ask: u32) {
        let round = self.confirm.round.as_ref();
        let slots = round.and_then(|r| r.asks.get(ask as usize)).cloned().flatten();
        slots.into_iter().flatten().for_each(|slot| self.refresh_view(slot));
    }

    fn confirmed(&mut self, ask: u32) {
        let Some(round) = &mut self.confirm.round else { return };
        let Some(slots) = round.asks[ask as usize].take() else { return };
        let mut whole = Vec::new();
        for slot in slots {
            let Some(left) = round.missing.get_mut(&slot) else { continue };
            *left -= 1;
            if *left == 0 {
                whole.push(slot);
            }
        }
        let done: Vec<Key> = round.pieces.clone();
        for key in done {
            let Some(piece) = self.pieces.get_mut(key) else { continue };
            if piece.confirm == Confirmation::Asked && whole.contains(&piece.pg) {
                piece.confirm = Confirmation::Done;
                self.try_finish_read(key);
            }
        }
        self.end_confirm_round(false);
    }

    pub(super) fn confirm_failed(&mut self, ask: u32) {
        let Some(round) = &mut self.confirm.round else { return };
        round.asks[ask as usize] = None;
        cover!("confirm round failed");
        round.failed = true;
        self.end_confirm_round(false);
    }

    /// Ends the round once everybody answered, or at once if `now`. What it did not confirm goes
    /// into the next one.
    fn end_confirm_round(&mut self, now: bool) {
        let open = |r: &Round| !now && r.asks.iter().any(Option::is_some);
        if self.confirm.round.as_ref().is_none_or(open) {
            return;
        }
        let round = self.confirm.round.take().expect("just seen");
        if now || round.failed {
            self.confirm.not_before_us = self.now_us + self.config.timing.retry_us;
        }
        for key in round.pieces {
            let Some(piece) = self.pieces.get_mut(key) else { continue };
            if piece.confirm == Confirmation::Asked {
                piece.confirm = Confirmation::Waiting;
                self.confirm.waiting.push(key);
            }
        }
    }

    /// One silent member must not hold up the reads of PGs that it is not in.
    pub(super) fn expire_confirm_round(&mut self) {
        let patience = self.config.timing.read_retry_us;
        let late = |r: &Round| self.now_us >= r.started_us + patience;
        if self.confirm.round.as_ref().is_some_and(late) {
            // Before the next round: its asks have other numbers.
            self.forget_sent_where(|s| matches!(s.what, What::Confirm { .. }));
            self.end_confirm_round(true);
        }
    }
}
