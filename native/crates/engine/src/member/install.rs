//! Collect rounds, confirmations and idle watermarks (rules 12, 29, 10).

use shoal_types::message::EntryInfo;
use shoal_types::{
    HeadEpoch, LayerId, PgEpoch, PgId, Raise, Refusal, Reply, Role, StoreOp, Version, VolumeId,
};

use super::job::Job;
use super::{Marks, Member, ReplyTo};

/// Entries in one page of a collect.
const PAGE_ENTRIES: u32 = 1024;

#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) volume: VolumeId,
    pub(super) pg: PgId,
    pub(super) head_epoch: HeadEpoch,
    pub(super) pg_epoch: PgEpoch,
    pub(super) role: Role,
    pub(super) after: Option<(LayerId, u64)>,
}

impl Member {
    pub(super) fn on_install(&mut self, to: ReplyTo, round: Round) {
        let checked = self
            .check_fit(round.pg)
            .and_then(|()| self.check_head(round.volume, round.head_epoch))
            .and_then(|()| self.check_pg(round.pg, round.pg_epoch));
        if let Err(refusal) = checked {
            return self.refuse(to, refusal);
        }
        self.raise_head(round.volume, round.head_epoch);
        self.raise_pg(round.pg, round.pg_epoch);
        let raise = Raise {
            volumes: vec![(round.volume, round.head_epoch)],
            pgs: vec![(round.pg, round.pg_epoch)],
            ..Raise::default()
        };
        self.submit(Job::Install { to, round }, StoreOp::Raise(raise));
    }

    /// THE LIST IS MADE AFTER THE EPOCHS ARE DURABLE: every write that was admitted before them is
    /// durable by then and in the list, so an older head cannot complete one that it leaves out.
    pub(super) fn installed(&mut self, to: ReplyTo, round: Round) {
        let Round { volume, pg, head_epoch, role, after, .. } = round;
        if let Role::Joining { join_at } = role
            && self.sessions.get(&pg).is_none_or(|s| s.join_at != join_at)
        {
            return match self.check_not_joined(&round, join_at) {
                Ok(()) => self.reply(to, nothing_unsettled()),
                Err(refusal) => self.refuse(to, refusal),
            };
        }
        let op = StoreOp::Unsettled { volume, pg, after, limit: PAGE_ENTRIES };
        self.submit(Job::List { to, volume, pg, head_epoch }, op);
    }

    /// A joiner has nothing to list before its session. AFTER IT there may be live writes that no
    /// other member took, and this one may be in sync already under an epoch that the head has not
    /// seen: then the round must not end without them.
    fn check_not_joined(&self, round: &Round, join_at: PgEpoch) -> Result<(), Refusal> {
        let Some(state) = self.pgs.get(&round.pg) else { return Ok(()) };
        let told = state.view.as_ref().map_or(PgEpoch::ZERO, |view| view.epoch);
        if told > round.pg_epoch {
            return Err(Refusal::StalePg { seen: told });
        }
        let may_have_run = told >= join_at || state.seen_before >= join_at;
        if may_have_run { Err(Refusal::NoSession) } else { Ok(()) }
    }

    pub(super) fn listed(
        &mut self,
        to: ReplyTo,
        (volume, pg, head_epoch): (VolumeId, PgId, HeadEpoch),
        entries: Vec<EntryInfo>,
        more: bool,
    ) {
        if let Err(refusal) = self.check_head(volume, head_epoch) {
            return self.refuse(to, refusal);
        }
        let Marks { watermark, newest } =
            self.marks.get(&(pg, volume)).copied().unwrap_or_default();
        let newest = newest.max(watermark);
        self.reply(to, Reply::Installed { entries, watermark, newest, more });
    }

    pub(super) fn on_confirm(
        &mut self,
        to: ReplyTo,
        volume: VolumeId,
        head_epoch: HeadEpoch,
        pgs: &[(PgId, PgEpoch)],
    ) {
        let mut newer = Vec::new();
        for (pg, pg_epoch) in pgs {
            let checked = self
                .check_fit(*pg)
                .and_then(|()| self.check_head(volume, head_epoch))
                .and_then(|()| self.check_pg(*pg, *pg_epoch));
            if let Err(refusal) = checked {
                return self.refuse(to, refusal);
            }
            if *pg_epoch > self.pg_epoch(*pg) {
                newer.push((*pg, *pg_epoch));
            }
        }
        if newer.is_empty() {
            return self.reply(to, Reply::Confirmed);
        }
        newer.iter().for_each(|(pg, pg_epoch)| self.raise_pg(*pg, *pg_epoch));
        let raise = Raise { pgs: newer, ..Raise::default() };
        self.submit(Job::Answer { to, reply: Reply::Confirmed }, StoreOp::Raise(raise));
    }

    /// Watermarks in role in-sync. What does not fit any more is passed over, not refused: the
    /// others in the message are still true.
    pub(super) fn on_settle(
        &mut self,
        to: ReplyTo,
        volume: VolumeId,
        head_epoch: HeadEpoch,
        pgs: Vec<(PgId, PgEpoch, Version)>,
    ) {
        if let Err(refusal) = self.check_head(volume, head_epoch) {
            return self.refuse(to, refusal);
        }
        if self.fenced {
            return self.refuse(to, Refusal::Fenced);
        }
        let mut watermarks = Vec::new();
        for (pg, pg_epoch, watermark) in pgs {
            let current = self.check_fit(pg).and_then(|()| self.check_pg(pg, pg_epoch)).is_ok();
            if !current || self.sessions.contains_key(&pg) {
                continue;
            }
            let marks = self.marks.entry((pg, volume)).or_default();
            if watermark > marks.watermark {
                marks.watermark = watermark;
                watermarks.push((volume, pg, watermark));
            }
        }
        if watermarks.is_empty() {
            return self.reply(to, Reply::Settled);
        }
        let raise = Raise { watermarks, ..Raise::default() };
        self.submit(Job::Answer { to, reply: Reply::Settled }, StoreOp::Raise(raise));
    }
}

fn nothing_unsettled() -> Reply {
    let (watermark, newest) = (Version::ZERO, Version::ZERO);
    Reply::Installed { entries: Vec::new(), watermark, newest, more: false }
}
