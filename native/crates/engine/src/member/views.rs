//! Views from the cluster record: they start and end sessions. Epochs that count for refusals come
//! from messages and sessions alone, for only those are durable here.

use shoal_types::pg::Joining;
use shoal_types::{DiskId, PgEpoch, PgId, PgView, Raise, Refusal, StoreOp};

use super::api::JoinFailure;
use super::job::Job;
use super::session::Session;
use super::{Member, MemberOutput};
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

impl Member {
    pub(super) fn on_view(&mut self, view: PgView) {
        let pg = view.pg;
        let state = self.pgs.entry(pg).or_default();
        if state.view.as_ref().is_some_and(|known| known.epoch >= view.epoch) {
            return;
        }
        let joining = view.joining.filter(|j| j.disk == self.config.disk);
        if view.is_in_sync(self.config.disk) {
            state.failures = 0;
        }
        state.view = Some(view);
        match joining {
            Some(joining) => self.join_as_told(pg, joining),
            None => self.end_session(pg),
        }
    }

    fn join_as_told(&mut self, pg: PgId, joining: Joining) {
        if self.sessions.get(&pg).is_some_and(|s| s.join_at == joining.join_at) {
            return self.check_source_left(pg);
        }
        self.end_session(pg);
        let again = is_planted(Bug::H9SessionOutlivesRestart);
        if joining.join_at <= self.pgs[&pg].seen_before && !again {
            // One session per joining epoch, and it may have been this one (rule 25).
            cover!("join failed: restarted");
            let (join_at, reason) = (joining.join_at, JoinFailure::Restarted);
            return self.out.push(MemberOutput::JoinFailed { pg, join_at, reason });
        }
        let Some(source) = self.choose_source(pg) else {
            let (join_at, reason) = (joining.join_at, JoinFailure::NoSource);
            return self.out.push(MemberOutput::JoinFailed { pg, join_at, reason });
        };
        self.sessions.insert(pg, Session::new(pg, joining, source));
        self.open_session(pg);
    }

    /// An in-sync member, a connected one if there is one; after a failure another than before.
    fn choose_source(&self, pg: PgId) -> Option<DiskId> {
        let state = &self.pgs[&pg];
        let view = state.view.as_ref()?;
        let turn = (pg.index.wrapping_add(state.failures)) as usize % view.in_sync.len();
        if is_planted(Bug::SourceByPresence) {
            return view.members.iter().copied().rfind(|d| *d != self.config.disk);
        }
        let spread = || view.in_sync[turn..].iter().chain(&view.in_sync[..turn]).copied();
        let connected = |d: &DiskId| !self.disconnected.contains(d);
        spread().find(connected).or_else(|| spread().next())
    }

    /// Rule 26 needs the source in sync from the joining epoch on, without a gap.
    fn check_source_left(&mut self, pg: PgId) {
        let source = self.sessions[&pg].source;
        let view = self.pgs[&pg].view.as_ref().expect("just set");
        if !view.is_in_sync(source) && !is_planted(Bug::H10SourceLeaves) {
            cover!("join failed: source left");
            self.fail_join(pg, JoinFailure::SourceLeft { source });
        }
    }

    pub(super) fn end_session(&mut self, pg: PgId) {
        let Some(session) = self.sessions.remove(&pg) else { return };
        for (to, _) in session.parked {
            self.refuse(to, Refusal::NoSession);
        }
    }

    /// A member that comes back is filled anew: nothing of this is wanted again. The epoch stays, so that no
    /// head of before writes here.
    pub(super) fn on_left(&mut self, pg: PgId, epoch: PgEpoch) {
        let view = self.pgs.get(&pg).and_then(|state| state.view.as_ref());
        let is_out =
            |view: &PgView| view.epoch == epoch && !view.members.contains(&self.config.disk);
        if !view.is_some_and(is_out) {
            return;
        }
        self.raise_pg(pg, epoch);
        let raise = Raise { pgs: vec![(pg, self.pg_epoch(pg))], ..Raise::default() };
        self.submit(Job::Silent, StoreOp::Raise(raise));
        self.marks.retain(|(of, _), _| *of != pg);
        self.refused.retain(|(of, _), _| *of != pg);
        self.submit(Job::Silent, StoreOp::DropPg { pg });
    }

    pub(super) fn on_disconnected(&mut self, disk: DiskId) {
        self.disconnected.insert(disk);
        self.repairs_lost_with(disk);
        let mut hit: Vec<PgId> =
            self.sessions.values().filter(|s| s.source == disk).map(|s| s.pg).collect();
        hit.sort_unstable();
        for pg in hit {
            let other = self.choose_source(pg).is_some_and(|s| s != disk);
            if other {
                self.fail_join(pg, JoinFailure::SourceLeft { source: disk });
            }
        }
    }

    /// What was asked of it and not answered is asked again: the source may have lost it, and
    /// each question can be answered twice.
    pub(super) fn on_connected(&mut self, disk: DiskId) {
        if !self.disconnected.remove(&disk) {
            return;
        }
        let again = self.asks.iter().filter(|(_, a)| a.disk == disk);
        let asks: Vec<_> = again.map(|(key, a)| (key.0, a.request.clone())).collect();
        for (request_id, request) in asks {
            self.out.push(MemberOutput::Ask { disk, request_id, request });
        }
    }
}
