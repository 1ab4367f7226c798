//! Scrubs of one store, one after the other: carries their reads to the store, what they find to
//! the member, which repairs it, and what came of it to the supervisor.

use std::collections::{BTreeSet, VecDeque};

use shoal_engine::member::{MemberEvent, RepairOutcome};
use shoal_store::{BadBlock, Scrub, ScrubFigures, ScrubStep};
use shoal_types::{BLOCK_BYTES, LayerId, StoreError, StoreReply};

use super::{StoreNotice, StoreThread};
use crate::clock;

/// Tokens of scrubs; the member's never get so far.
const SCRUB_TOKENS: u64 = 1 << 63;
/// Bytes per second of a scrub that someone asked for, and of one that runs by itself.
const ORDERED_RATE: u64 = 256 << 20;
const BACKGROUND_RATE: u64 = 16 << 20;
/// A store is scrubbed by itself so often, in milliseconds.
pub const SCRUB_EVERY_MS: u64 = 7 * 24 * 3600 * 1000;
/// How often the place of a scrub is kept for the next start.
const KEEP_EVERY_US: u64 = 30_000_000;
/// Lost blocks that one result names; more are counted.
const LOST_MAX: usize = 4096;
/// A disk with more of these is failing: it is put out, while it still can be copied from.
const READ_ERRORS_MAX: u64 = 200;
const BAD_BLOCKS_MAX: u64 = 20_000;

#[derive(Clone, Debug)]
pub struct ScrubOrder {
    /// Who asked; 0: nobody.
    pub id: u64,
    /// `None`: everything, and the metadata.
    pub layers: Option<BTreeSet<LayerId>>,
    /// Where one that nobody asked for was when the store was last closed.
    pub resume: Option<(u32, u64)>,
}

#[derive(Clone, Debug)]
pub struct ScrubResult {
    pub order: ScrubOrder,
    pub figures: ScrubFigures,
    pub repaired: u64,
    /// Bad, and could not be repaired now.
    pub postponed: u64,
    pub lost: Vec<BadBlock>,
    /// Lost as well.
    pub unnamed: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct ScrubProgress {
    pub order: u64,
    pub figures: ScrubFigures,
    /// Seconds left at the pace so far; `None`: too early to say.
    pub eta_s: Option<u64>,
}

#[derive(Default)]
struct Tally {
    repaired: u64,
    postponed: u64,
    lost: Vec<BadBlock>,
    unnamed: u64,
}

struct Running {
    order: ScrubOrder,
    scrub: Scrub,
    started_us: u64,
    kept_us: u64,
    all_read: bool,
    tally: Tally,
}

#[derive(Default)]
pub(super) struct Scrubs {
    queue: VecDeque<ScrubOrder>,
    running: Option<Running>,
    /// Found, not yet with the member.
    found: VecDeque<BadBlock>,
    wake_us: Option<u64>,
    next_token: u64,
    /// What reads of clients found.
    tally: Tally,
    failing_told: bool,
}

pub(super) fn is_scrub(token: u64) -> bool {
    token >= SCRUB_TOKENS
}

impl Tally {
    fn is_empty(&self) -> bool {
        self.repaired == 0 && self.postponed == 0 && self.lost.is_empty()
    }

    fn add(&mut self, block: BadBlock, outcome: RepairOutcome) {
        match outcome {
            RepairOutcome::Repaired => self.repaired += 1,
            RepairOutcome::Postponed => self.postponed += 1,
            RepairOutcome::Lost if self.lost.len() < LOST_MAX => self.lost.push(block),
            RepairOutcome::Lost => self.unnamed += 1,
        }
    }
}

impl Scrubs {
    /// One that someone asked for goes before one that nobody did, which begins anew where it was.
    pub fn add(&mut self, order: ScrubOrder) {
        if order.id == 0 {
            return self.queue.push_back(order);
        }
        self.queue.push_front(order);
        if let Some(running) = self.running.take_if(|running| running.order.id == 0) {
            let resume = running.scrub.cursor();
            self.queue.push_back(ScrubOrder { resume, ..running.order });
        }
    }

    pub fn wake_us(&self) -> Option<u64> {
        self.wake_us
    }

    pub fn repair_ended(&mut self, block: BadBlock, outcome: RepairOutcome) {
        match &mut self.running {
            Some(running) => running.tally.add(block, outcome),
            None => self.tally.add(block, outcome),
        }
    }

    pub fn progress(&self, now_us: u64) -> Option<ScrubProgress> {
        let running = self.running.as_ref()?;
        let figures = running.scrub.figures();
        let left = figures.blocks_total.saturating_sub(figures.blocks_checked);
        let spent_us = now_us - running.started_us;
        let eta_s = (left * spent_us).checked_div(figures.blocks_checked * 1_000_000);
        Some(ScrubProgress { order: running.order.id, figures, eta_s })
    }

    fn start_next(&mut self, now_us: u64) {
        let Some(order) = self.queue.pop_front() else { return };
        let rate = if order.id == 0 { BACKGROUND_RATE } else { ORDERED_RATE };
        // Answers of one that was put aside must not reach the next.
        self.next_token = self.next_token.max(SCRUB_TOKENS) + (1 << 40);
        let mut scrub = Scrub::new(order.layers.clone(), rate, self.next_token);
        if let Some(cursor) = order.resume {
            scrub.resume(cursor);
        }
        let (tally, all_read) = (Tally::default(), false);
        let (started_us, kept_us) = (now_us, now_us);
        self.running = Some(Running { order, scrub, started_us, kept_us, all_read, tally });
    }
}

impl StoreThread {
    /// True if there is something new for the store.
    pub(super) fn run_scrubs(&mut self) -> bool {
        if self.store.is_fenced() || self.stopping.is_some() {
            self.scrubs.wake_us = None;
            return false;
        }
        self.hand_to_member();
        self.tell_repairs();
        let now_us = clock::now_us();
        if self.scrubs.running.is_none() {
            self.scrubs.wake_us = None;
            self.scrubs.start_next(now_us);
        }
        self.step_scrub(now_us)
    }

    fn step_scrub(&mut self, now_us: u64) -> bool {
        let mut moved = false;
        while let Some(running) = self.scrubs.running.as_mut().filter(|r| !r.all_read) {
            match running.scrub.step(now_us, &mut self.store) {
                ScrubStep::CheckMetadata { token } => self.store.check_metadata(token),
                ScrubStep::Read { token, op } => self.store.submit(token, op),
                ScrubStep::Wait { until_us } => {
                    self.scrubs.wake_us = until_us;
                    break;
                }
                ScrubStep::Done => {
                    self.scrubs.wake_us = None;
                    running.all_read = true;
                }
            }
            moved = true;
        }
        self.keep_place(now_us);
        self.end_scrub() || moved
    }

    pub(super) fn on_scrub_done(&mut self, token: u64, result: &Result<StoreReply, StoreError>) {
        let Some(running) = &mut self.scrubs.running else { return };
        if !running.scrub.is_own(token) {
            return;
        }
        let bad = running.scrub.on_done(token, result, &mut self.store);
        self.scrubs.found.extend(bad);
    }

    /// As many at a time as the member repairs at once.
    fn hand_to_member(&mut self) {
        while self.member.can_repair()
            && self.member_events.is_empty()
            && let Some(BadBlock { pg, layer, block }) = self.scrubs.found.pop_front()
        {
            self.member_events.push(MemberEvent::Repair { pg, layer, block });
        }
    }

    fn is_repairing(&self) -> bool {
        let handed = |e: &MemberEvent| matches!(e, MemberEvent::Repair { .. });
        self.member.is_repairing()
            || !self.scrubs.found.is_empty()
            || self.member_events.iter().any(handed)
    }

    /// The end waits for the repairs of what was found.
    fn end_scrub(&mut self) -> bool {
        if self.is_repairing() || self.scrubs.running.as_ref().is_none_or(|r| !r.all_read) {
            return false;
        }
        let Running { order, scrub, tally, .. } = self.scrubs.running.take().expect("just seen");
        // What was repaired goes over the bad cells now, not at the next fold that comes.
        self.store.fold();
        let Tally { repaired, postponed, lost, unnamed } = tally;
        let figures = scrub.figures();
        if order.layers.is_none() {
            self.tell(StoreNotice::ScrubAt(None));
        }
        let result = ScrubResult { order, figures, repaired, postponed, lost, unnamed };
        self.tell(StoreNotice::ScrubDone(result));
        true
    }

    fn keep_place(&mut self, now_us: u64) {
        let Some(running) = &mut self.scrubs.running else { return };
        if running.order.layers.is_none() && now_us >= running.kept_us + KEEP_EVERY_US {
            running.kept_us = now_us;
            let at = running.scrub.cursor();
            self.tell(StoreNotice::ScrubAt(at));
        }
    }

    /// One word for all blocks that reads found since the last one.
    fn tell_repairs(&mut self) {
        let (read_errors, bad_blocks) = self.store.read_failures();
        let failing = read_errors > READ_ERRORS_MAX || bad_blocks > BAD_BLOCKS_MAX;
        if failing && !std::mem::replace(&mut self.scrubs.failing_told, true) {
            self.tell(StoreNotice::Failing { read_errors, bad_blocks });
        }
        if self.scrubs.tally.is_empty() || self.is_repairing() {
            return;
        }
        let Tally { repaired, postponed, lost, .. } = std::mem::take(&mut self.scrubs.tally);
        self.tell(StoreNotice::Repairs { repaired, postponed, lost });
    }
}

impl ScrubProgress {
    pub fn bytes_done(&self) -> u64 {
        self.figures.blocks_checked * BLOCK_BYTES as u64
    }

    pub fn bytes_total(&self) -> u64 {
        self.figures.blocks_total * BLOCK_BYTES as u64
    }
}
