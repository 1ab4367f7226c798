//! Take-over, first half: a collect round of one (head epoch, PG epoch) (rules 12, 13).

use std::collections::BTreeMap;

use shoal_types::message::EntryInfo;
use shoal_types::{DiskId, LayerId, Reply, Request, Role, Version};

use super::Head;
use super::api::ReportReason;
use super::links::What;
use super::pg::{PgPhase, Slot};
use super::piece::Owner;
use super::refusal::Next;
use crate::common::Key;
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// Who reported a block unsettled: in-sync members only, with what they hold. Empty: only the
/// joiner did (rule 14).
pub(super) type Holders = Vec<(DiskId, EntryInfo)>;

#[derive(Clone, Debug)]
pub(super) struct Collect {
    asks: Vec<Ask>,
    items: BTreeMap<(LayerId, u64), Holders>,
}

#[derive(Clone, Debug)]
struct Ask {
    disk: DiskId,
    role: Role,
    request: Option<Key>,
    after: Option<(LayerId, u64)>,
    /// Refused for a passing reason: asked again at this time.
    retry_at_us: u64,
    /// (newest version, watermark), once all pages are there.
    done: Option<(Version, Version)>,
}

impl Head {
    /// Begins the round of the PG's view. Whatever an earlier round or roll-forward of this take
    /// found is DISCARDED WHOLE: what it left under way is refused by every target once the new
    /// epoch is installed there (H2).
    pub(super) fn start_collect(&mut self, slot: Slot) {
        let kept = self.drop_round(slot).filter(|_| is_planted(Bug::H2AnswersOutliveEpoch));
        let pg = &mut self.pgs[slot];
        pg.seqs.clear();
        let ask = |disk: &DiskId| Ask {
            disk: *disk,
            role: pg.role(*disk),
            request: None,
            after: None,
            retry_at_us: u64::MAX,
            done: None,
        };
        let mut asks: Vec<Ask> = pg.targets.iter().map(ask).collect();
        if is_planted(Bug::H3JoinerLeftOut) {
            asks.retain(|ask| ask.role == Role::InSync);
        }
        let mut items = BTreeMap::new();
        if let Some(old) = kept {
            items = old.items;
            let done = |d: DiskId| old.asks.iter().find(|a| a.disk == d).and_then(|a| a.done);
            asks.iter_mut().for_each(|ask| ask.done = done(ask.disk));
            asks[0].done = None;
        }
        pg.phase = PgPhase::Collecting(Box::new(Collect { asks, items }));
        for disk in self.pgs[slot].targets.clone() {
            self.open_layer(disk);
            if self.ask_of(slot, disk).is_some_and(|ask| ask.done.is_none()) {
                self.ask_install(slot, disk);
            }
        }
    }

    fn drop_round(&mut self, slot: Slot) -> Option<Box<Collect>> {
        let phase = std::mem::replace(&mut self.pgs[slot].phase, PgPhase::Waiting);
        let dropped = match phase {
            PgPhase::Collecting(collect) => Some(collect),
            _ => None,
        };
        if dropped.is_some() {
            cover!("collect discarded by a view");
        }
        for ask in dropped.iter().flat_map(|collect| &collect.asks) {
            ask.request.map(|key| self.forget_sent(key));
        }
        for key in self.pgs[slot].active.clone() {
            let piece = self.pieces.get(key).expect("active pieces live");
            assert!(piece.owner == Owner::Roll, "clients are not served before the round is over");
            self.leave_active(key);
            self.pieces.remove(key);
        }
        dropped
    }

    pub(super) fn install_request(
        &self,
        slot: Slot,
        disk: DiskId,
        after: Option<(LayerId, u64)>,
    ) -> Request {
        let pg = &self.pgs[slot];
        Request::Install {
            volume: self.config.volume,
            pg: pg.id,
            head_epoch: self.head_epoch,
            pg_epoch: pg.epoch(),
            role: pg.role(disk),
            after,
        }
    }

    fn ask_install(&mut self, slot: Slot, disk: DiskId) {
        let Some(ask) = self.ask_of(slot, disk) else { return };
        ask.retry_at_us = u64::MAX;
        let after = ask.after;
        let request = self.install_request(slot, disk, after);
        let key = self.send(disk, What::Install { pg: slot, after }, request);
        self.ask_of(slot, disk).expect("just seen").request = Some(key);
    }

    fn ask_of(&mut self, slot: Slot, disk: DiskId) -> Option<&mut Ask> {
        match &mut self.pgs[slot].phase {
            PgPhase::Collecting(collect) => collect.asks.iter_mut().find(|a| a.disk == disk),
            _ => None,
        }
    }

    pub(super) fn on_install_reply(&mut self, slot: Slot, disk: DiskId, reply: Reply) {
        let retry_at_us = self.now_us + self.config.timing.retry_us;
        let Some(ask) = self.ask_of(slot, disk) else { return };
        ask.request = None;
        match reply {
            Reply::Installed { entries, watermark, newest, more } => {
                self.take_page(slot, disk, entries, (newest, watermark), more);
            }
            Reply::Refused(refusal) => {
                if self.judge_refusal(slot, disk, &refusal) == Next::Retry {
                    let ask = self.ask_of(slot, disk).expect("the round goes on");
                    ask.retry_at_us = retry_at_us;
                }
            }
            _ => ask.retry_at_us = retry_at_us,
        }
    }

    fn take_page(
        &mut self,
        slot: Slot,
        disk: DiskId,
        entries: Vec<EntryInfo>,
        versions: (Version, Version),
        more: bool,
    ) {
        let PgPhase::Collecting(collect) = &mut self.pgs[slot].phase else { return };
        let ask = collect.asks.iter_mut().find(|a| a.disk == disk).expect("asked");
        let last = entries.last().map(|e| (e.layer, e.block));
        for entry in entries {
            let holders = collect.items.entry((entry.layer, entry.block)).or_default();
            // A joiner's entries name blocks; values come from in-sync members only (rule 14).
            if ask.role == Role::InSync {
                holders.push((disk, entry));
            }
        }
        // A page that promises more must get further, or the round would never end.
        if more && last.is_some() && last > ask.after {
            ask.after = last;
            return self.ask_install(slot, disk);
        }
        ask.done = Some(versions);
        if collect.asks.iter().all(|a| a.done.is_some()) {
            self.end_collect(slot);
        }
    }

    fn end_collect(&mut self, slot: Slot) {
        if let Some(disk) = self.loser_of_writes(slot) {
            // The PG waits until it is taken out: its word on anything is worth nothing.
            let retry_at_us = self.now_us + self.config.timing.report_after_us;
            let ask = self.ask_of(slot, disk).expect("it answered");
            ask.done = None;
            ask.after = None;
            ask.retry_at_us = retry_at_us;
            return self.report(disk, ReportReason::LostWrites);
        }
        let phase = std::mem::replace(&mut self.pgs[slot].phase, PgPhase::Waiting);
        let PgPhase::Collecting(collect) = phase else { unreachable!("ends once") };
        let in_sync = collect.asks.iter().filter(|a| a.role == Role::InSync);
        let watermarks = in_sync.filter_map(|a| Some((a.disk, a.done?.1))).collect();
        self.start_roll(slot, collect.items, watermarks);
    }

    /// An in-sync member stored every write up to any other's watermark; one whose newest version
    /// is older lost some (docs/protocol.md, "A store that went back").
    fn loser_of_writes(&mut self, slot: Slot) -> Option<DiskId> {
        let PgPhase::Collecting(collect) = &self.pgs[slot].phase else { return None };
        let in_sync = || collect.asks.iter().filter(|a| a.role == Role::InSync);
        let settled = in_sync().filter_map(|a| a.done).map(|(_, wm)| wm).max()?;
        let lost = |a: &&Ask| a.done.is_some_and(|(newest, wm)| newest.max(wm) < settled);
        in_sync().find(lost).map(|a| a.disk)
    }

    /// Asks again where a refusal was a passing one.
    pub(super) fn retry_installs(&mut self, slot: Slot) {
        let now = self.now_us;
        let PgPhase::Collecting(collect) = &self.pgs[slot].phase else { return };
        let due: Vec<DiskId> =
            collect.asks.iter().filter(|a| a.retry_at_us <= now).map(|a| a.disk).collect();
        due.into_iter().for_each(|disk| self.ask_install(slot, disk));
    }
}
