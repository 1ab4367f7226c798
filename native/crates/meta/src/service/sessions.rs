//! Session leases: granted by the leader, held by every peer.

use std::collections::{BTreeMap, BTreeSet};

use shoal_engine::lease::Granter;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::PeerId;

use super::message::ServiceMessage;
use super::meta_service::MetaService;
use crate::hex::{ProcessNonce, ProposalId};
use crate::log_store::LogStore;
use crate::raft::Fatal;
use crate::state::ClusterState;
use crate::state::limits::LEASE_MS_MAX;

/// Requests of this peer that wait for an answer.
const ASKED_MAX: usize = 16;
/// Of other peers, per round.
const RENEWALS_MAX: usize = 16_384;
/// A renewal that comes early enough waits so long for others, to share their round: BELOW `retry_ms`, or
/// who asked would doubt its leader.
const SHARE_MS: u64 = 300;

#[derive(Debug, Default)]
pub struct Sessions {
    /// As the leader, in this term.
    granter: Option<(u64, Granter)>,
    led_since_ms: u64,
    /// Until then peers may still be coming back to this leader; `None`: it knows too little yet.
    settling_until_ms: Option<u64>,
    /// When the length of leases is next written down, if it has to be.
    pub(super) record_length_at_ms: u64,
    /// Waiting for the next confirmation of leadership.
    renewals: Vec<(PeerId, u64)>,
    /// When the next confirmation is due, if somebody waits.
    round_at_ms: u64,
    /// Judged over, not yet decided by the log: no new lease meanwhile, or its old holder would
    /// trust a lease for a head that is just being given away.
    take_overs: BTreeMap<ProposalId, PeerId>,
    processes: BTreeMap<PeerId, ProcessNonce>,
    /// The leader's own probes found nobody there, and they have said nothing since.
    gone: BTreeSet<PeerId>,
    /// As a holder: when each request was sent.
    asked: BTreeMap<u64, u64>,
    sequence: u64,
    next_renewal_ms: u64,
    /// Granted, to be used when the state here has come this far.
    grants: Vec<(u64, u64, u64)>,
    /// This process gave its session back: it asks for none any more.
    pub ended: bool,
}

impl Sessions {
    pub fn led_term(&self) -> Option<u64> {
        self.granter.as_ref().map(|(term, _)| *term)
    }

    /// How long older leases run is known once the state has all that was decided before (`inherit`);
    /// until then, as long as any may.
    pub fn lead(&mut self, term: Option<u64>, now_ms: u64) {
        self.granter = term.map(|term| (term, Granter::new(now_ms, LEASE_MS_MAX)));
        self.led_since_ms = now_ms;
        self.settling_until_ms = None;
        self.record_length_at_ms = 0;
        self.renewals.clear();
        self.take_overs.clear();
        self.processes.clear();
        self.gone.clear();
    }

    /// Once in each term: leases of earlier leaders are not longer than this, and peers come back to this
    /// one within theirs.
    pub fn inherit(&mut self, longest_ms: u64, own_ms: u64) {
        let Some((_, granter)) = self.granter.as_mut() else { return };
        if self.settling_until_ms.is_none() {
            self.settling_until_ms = Some(self.led_since_ms + longest_ms.max(own_ms));
            let forgets = is_planted(Bug::OlderLeasesForgotten);
            granter.inherit(if forgets { 0 } else { self.led_since_ms }, longest_ms);
        }
    }

    /// Leases run now that this leader did not grant, or may run.
    pub(super) fn has_inherited(&self, now_ms: u64) -> bool {
        self.granter.as_ref().is_none_or(|(_, granter)| now_ms < granter.inherited_until_ms())
    }

    /// Its lease runs on; that it can be counted on is over.
    pub fn note_gone(&mut self, peer: PeerId) {
        self.gone.insert(peer);
    }

    pub fn is_gone(&self, peer: PeerId) -> bool {
        self.gone.contains(&peer)
    }

    /// This leader is so new that leases of an earlier one may still run.
    pub fn is_settling(&self, now_ms: u64) -> bool {
        self.settling_until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }

    /// A lease that this leader granted runs.
    pub fn is_held(&self, peer: PeerId, now_ms: u64) -> bool {
        self.granter.as_ref().is_some_and(|(_, granter)| granter.is_held(peer, now_ms))
    }

    /// Only a leader knows; nobody else judges.
    pub fn is_over(&self, peer: PeerId, now_ms: u64) -> bool {
        self.granter.as_ref().is_some_and(|(_, granter)| granter.is_over(peer, now_ms))
    }

    /// A late message of an older process must not end the session of its successor.
    pub fn release(&mut self, peer: PeerId, process: ProcessNonce) {
        let newest = self.processes.get(&peer).is_none_or(|known| *known == process);
        if let Some((_, granter)) = self.granter.as_mut().filter(|_| newest) {
            granter.release(peer);
            self.renewals.retain(|(waiting, _)| *waiting != peer);
        }
    }

    /// A lease of this very process, of which more than half is left.
    fn can_wait(&self, peer: PeerId, process: ProcessNonce, now_ms: u64) -> bool {
        let is_known = self.processes.get(&peer) == Some(&process) && !self.gone.contains(&peer);
        let Some((_, granter)) = self.granter.as_ref().filter(|_| is_known) else { return false };
        granter.granted_until_ms(peer) > now_ms + granter.duration_ms() / 2
    }

    fn wait_for_round(&mut self, peer: PeerId, sequence: u64, at_ms: u64) {
        let others = !self.renewals.is_empty();
        self.round_at_ms = if others { self.round_at_ms.min(at_ms) } else { at_ms };
        self.renewals.push((peer, sequence));
    }

    pub fn take_over_begins(&mut self, id: ProposalId, owner: PeerId) {
        self.take_overs.insert(id, owner);
    }

    pub fn take_over_decided(&mut self, id: ProposalId) {
        self.take_overs.remove(&id);
    }

    pub fn shown(&self, state: Option<&ClusterState>) -> BTreeMap<PeerId, u64> {
        let (Some((_, granter)), Some(state)) = (&self.granter, state) else {
            return BTreeMap::new();
        };
        state.peers().keys().map(|peer| (*peer, granter.over_at_ms(*peer))).collect()
    }
}

impl<S: LogStore> MetaService<S> {
    pub(super) fn drive_sessions(&mut self) -> Result<(), Fatal> {
        let now = self.now.boot_ms;
        let due = self.sessions.next_renewal_ms <= now && !self.sessions.ended;
        let is_unanswered = self.sessions.asked.contains_key(&self.sessions.sequence);
        // Where nobody could be asked there is nobody to doubt; and the turn of those who are followed, which
        // goes on, too, would pass the same peer again and again.
        if due && is_unanswered && self.ask_whom().is_some() {
            self.doubt_leader();
        }
        if let Some(leader) = self.ask_whom().filter(|_| due) {
            self.sessions.next_renewal_ms = now + self.config.retry_ms;
            self.sessions.sequence += 1;
            let sequence = self.sessions.sequence;
            // Counted from BEFORE it is sent.
            self.sessions.asked.insert(sequence, now);
            while self.sessions.asked.len() > ASKED_MAX {
                self.sessions.asked.pop_first();
            }
            let process = self.config.process;
            if leader == self.config.peer {
                self.on_renew(leader, sequence, process)?;
            } else {
                self.send(leader, ServiceMessage::Renew { sequence, process });
                self.confess_lost_log(leader);
            }
        }
        self.begin_renewal_round()
    }

    pub(super) fn on_renew(
        &mut self,
        from: PeerId,
        sequence: u64,
        process: ProcessNonce,
    ) -> Result<(), Fatal> {
        if !self.is_leader() {
            let leader = self.leader().map_or(0, |leader| leader.0);
            self.send(from, ServiceMessage::NotLeader { leader });
            return Ok(());
        }
        if !self.state().is_some_and(|state| state.peers().contains_key(&from)) {
            return Ok(());
        }
        let now = self.now.boot_ms;
        let wait_ms = if self.sessions.can_wait(from, process, now) { SHARE_MS } else { 0 };
        self.sessions.processes.insert(from, process);
        self.sessions.gone.remove(&from);
        if self.sessions.renewals.len() < RENEWALS_MAX {
            self.sessions.wait_for_round(from, sequence, now + wait_ms);
        }
        self.begin_renewal_round()
    }

    /// One round confirms leadership for every request that came before it.
    fn begin_renewal_round(&mut self) -> Result<(), Fatal> {
        let is_due = self.sessions.round_at_ms <= self.now.boot_ms;
        let nobody = self.sessions.renewals.is_empty();
        if !is_due || nobody || self.lease_to_grant_ms() == 0 || self.reads.renewal_round_runs() {
            return Ok(());
        }
        let renewals = std::mem::take(&mut self.sessions.renewals);
        if is_planted(Bug::LeaseUnconfirmed) {
            self.grant(renewals);
            return Ok(());
        }
        let purpose = super::reads::Purpose::Renewals(renewals);
        self.begin_round(purpose)
    }

    pub(super) fn grant(&mut self, renewals: Vec<(PeerId, u64)>) {
        let now = self.now.boot_ms;
        let applied = self.state().map_or(0, ClusterState::index);
        let duration_ms = self.lease_to_grant_ms();
        for (peer, sequence) in renewals {
            let given_away = self.sessions.take_overs.values().any(|owner| *owner == peer);
            let Some((_, granter)) = self.sessions.granter.as_mut().filter(|_| !given_away) else {
                continue;
            };
            granter.set_duration(duration_ms);
            granter.grant(peer, now);
            if peer == self.config.peer {
                self.on_granted(peer, sequence, duration_ms, applied);
            } else {
                self.send(peer, ServiceMessage::Granted { sequence, duration_ms, applied });
            }
        }
    }

    pub(super) fn on_granted(
        &mut self,
        from: PeerId,
        sequence: u64,
        duration_ms: u64,
        applied: u64,
    ) {
        let Some(sent_ms) = self.sessions.asked.remove(&sequence) else { return };
        if self.sessions.ended {
            return;
        }
        self.sessions.grants.push((applied, sent_ms, duration_ms));
        self.sessions.next_renewal_ms = sent_ms + duration_ms / 3;
        self.leader_hint = Some(from).filter(|from| *from != self.config.peer);
        self.use_grants();
    }

    /// A grant counts once the state here shows every head that was given away before it.
    pub(super) fn use_grants(&mut self) {
        let applied = self.state().map_or(0, ClusterState::index);
        let (usable, later): (Vec<_>, Vec<_>) = self
            .sessions
            .grants
            .iter()
            .partition(|(index, ..)| *index <= applied || is_planted(Bug::GrantBeforeState));
        self.sessions.grants = later;
        for (_, sent_ms, duration_ms) in usable {
            self.holder.granted(sent_ms, duration_ms);
        }
    }
}
