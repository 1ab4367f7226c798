//! What time does: tries again, reports who is silent, settles.

use shoal_types::DiskId;

use super::Head;
use super::api::{HeadPhase, ReportReason};
use super::links::What;
use super::views::PATIENCE_RETRIES;
use crate::common::Key;

/// Times of the next `Tick`. ONCE SET THEY STAND until it came: a head that is always busy would
/// otherwise push them ahead of itself, and never look at a member that owes it an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm {
    /// Something is waited for.
    wait_us: Option<u64>,
    /// Watermarks are to be told.
    settle_us: Option<u64>,
    ticks: u64,
}

/// Only a view may be missing once all PGs are active: they are looked at so many ticks apart.
const TICKS_BETWEEN_LOOKS: u64 = 10;
/// A read waits up to 64 times as long as the first time before it asks once more.
const FETCH_DOUBLINGS_MAX: u32 = 6;

impl Head {
    /// When `Tick` is due; `None`: nothing is waited for.
    pub fn next_deadline_us(&self) -> Option<u64> {
        self.alarm.wait_us.into_iter().chain(self.alarm.settle_us).min()
    }

    pub(super) fn set_alarm(&mut self) {
        let (now, timing) = (self.now_us, self.config.timing);
        let after = |old: Option<u64>, us: u64| Some(old.unwrap_or(now + us));
        let settles = !self.is_over() && !self.to_settle.is_empty();
        let Alarm { wait_us, settle_us, ticks } = self.alarm;
        self.alarm = Alarm {
            wait_us: if self.waits() { after(wait_us, timing.retry_us) } else { None },
            settle_us: if settles { after(settle_us, timing.settle_us) } else { None },
            ticks,
        };
    }

    fn waits(&self) -> bool {
        let owed = self.sent.len() + self.ops.len() + self.retries.len() + self.starved.len() > 0;
        let waits = owed
            || !self.confirm.waiting.is_empty()
            || (self.is_granted() && !self.announced)
            || self.phase == HeadPhase::Closing;
        waits && !self.is_over()
    }

    pub(super) fn on_tick(&mut self) {
        self.alarm = Alarm { ticks: self.alarm.ticks + 1, ..Alarm::default() };
        self.retry_writes();
        self.wake_starved();
        self.expire_confirm_round();
        if !self.announced || self.alarm.ticks.is_multiple_of(TICKS_BETWEEN_LOOKS) {
            self.tick_pgs();
        }
        self.look_at_waiting();
        self.settle(false);
    }

    fn retry_writes(&mut self) {
        while let Some((due, key, target)) = self.retries.front().copied() {
            if due > self.now_us {
                break;
            }
            self.retries.pop_front();
            let owed = |p: &super::piece::Piece| {
                p.write.requests.get(target as usize).is_some_and(Option::is_none)
            };
            // Sent anew by a view change meanwhile, or done: nothing to do.
            match self.pieces.get(key).filter(|p| owed(p)).map(|p| p.write.renews) {
                Some(true) => self.send_new_version(key),
                Some(false) => self.send_write(key, target),
                None => {}
            }
        }
    }

    fn tick_pgs(&mut self) {
        let patience = self.config.timing.retry_us * PATIENCE_RETRIES;
        for slot in self.pgs.slots() {
            let pg = &self.pgs[slot];
            let behind = pg.wanted > pg.epoch() || pg.view.is_none();
            if self.is_granted() && behind && self.now_us >= pg.refresh_at_us + patience {
                self.refresh_view(slot);
            }
            self.retry_installs(slot);
        }
    }

    /// Longer each time: where every copy stands still, questions must not pile up at them.
    fn fetch_patience_us(&self, piece: Key) -> u64 {
        let resends = self.pieces.get(piece).map_or(0, |piece| piece.times.resends);
        self.config.timing.read_retry_us << resends.min(FETCH_DOUBLINGS_MAX)
    }

    /// Reads that wait too long go elsewhere; members that owe a write too long are reported.
    fn look_at_waiting(&mut self) {
        let timing = self.config.timing;
        let (mut slow, mut hedge): (Vec<DiskId>, Vec<(Key, Key, DiskId)>) = (vec![], vec![]);
        for (key, sent) in self.sent.iter() {
            let age = self.now_us.saturating_sub(sent.sent_us);
            match sent.what {
                What::Fetch { piece } if age >= self.fetch_patience_us(piece) => {
                    hedge.push((key, piece, sent.disk));
                }
                What::Settle | What::Fetch { .. } => {}
                _ if age >= timing.report_after_us => slow.push(sent.disk),
                _ => {}
            }
        }
        for (request, piece, disk) in hedge {
            self.forget_sent(request);
            self.refetch(piece, disk);
        }
        slow.sort_unstable();
        slow.dedup();
        for disk in slow {
            if self.is_connected(disk) {
                self.report(disk, ReportReason::Slow);
            }
        }
        let lost = |d: &(&DiskId, &super::links::Disk)| !d.1.connected && d.1.owed > 0;
        let lost: Vec<DiskId> = self.disks.iter().filter(lost).map(|(d, _)| *d).collect();
        lost.into_iter().for_each(|disk| self.report(disk, ReportReason::Disconnected));
    }
}
