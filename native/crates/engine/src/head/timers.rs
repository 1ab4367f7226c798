//! What time does: tries again, reports who is silent, settles.

use shoal_types::DiskId;

use super::Head;
use super::api::{HeadPhase, ReportReason};
use super::links::What;
use crate::common::Key;

impl Head {
    /// When `Tick` is due; `None`: nothing is waited for.
    pub fn next_deadline_us(&self) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        let waits = self.sent.len() + self.ops.len() + self.retries.len() + self.starved.len() > 0
            || !self.confirm.waiting.is_empty()
            || (self.is_granted() && !self.announced)
            || self.phase == HeadPhase::Closing;
        if waits {
            return Some(self.now_us + self.config.timing.retry_us);
        }
        let settle = self.now_us + self.config.timing.settle_us;
        (!self.to_settle.is_empty()).then_some(settle)
    }

    pub(super) fn on_tick(&mut self) {
        self.retry_writes();
        self.wake_starved();
        self.expire_confirm_round();
        self.tick_pgs();
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
            if self.pieces.get(key).is_some_and(owed) {
                self.send_write(key, target);
            }
        }
    }

    fn tick_pgs(&mut self) {
        let patience = self.config.timing.retry_us * 10;
        for slot in self.pgs.slots() {
            let pg = &self.pgs[slot];
            let behind = pg.wanted > pg.epoch() || pg.view.is_none();
            if self.is_granted() && behind && self.now_us >= pg.refresh_at_us + patience {
                self.refresh_view(slot);
            }
            self.retry_installs(slot);
        }
    }

    /// Reads that wait too long go elsewhere; members that owe a write too long are reported.
    fn look_at_waiting(&mut self) {
        let timing = self.config.timing;
        let (mut slow, mut hedge): (Vec<DiskId>, Vec<(Key, Key, DiskId)>) = (vec![], vec![]);
        for (key, sent) in self.sent.iter() {
            let age = self.now_us.saturating_sub(sent.sent_us);
            match sent.what {
                What::Fetch { piece } if age >= timing.read_retry_us => {
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
