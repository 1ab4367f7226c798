//! The service itself: who this peer is, what comes in, what goes out.

use std::collections::BTreeMap;

use shoal_engine::insync::Probe;
use shoal_engine::lease::Holder;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::{DiskId, HeadEpoch, MapEpoch, PeerId, VolumeId};

use super::api::{Now, Output, ServiceConfig, ServiceInit};
use super::judgement::Judge;
use super::message::{ReportKind, ServiceMessage};
use super::proposals::{Pending, Proposals};
use super::reads::Reads;
use super::sessions::Sessions;
use super::slow_disks::SlowDisks;
use super::voting::Roll;
use crate::follow::Follower;
use crate::hex::ProposalId;
use crate::log_store::LogStore;
use crate::raft::{Effects, Fatal, RaftNode};
use crate::state::{ClusterState, Command, ConfChange};

/// See the module's description.
pub struct MetaService<S> {
    pub(super) config: ServiceConfig,
    pub(super) node: Option<RaftNode<S>>,
    /// Kept until this peer learns, and after it stopped voting.
    pub(super) spare_log: Option<S>,
    pub(super) follower: Follower,
    pub(super) following: super::following::Following,
    pub(super) proposals: Proposals,
    pub(super) reads: Reads,
    pub(super) sessions: Sessions,
    pub(super) holder: Holder,
    pub(super) judge: Judge,
    pub(super) slow_disks: SlowDisks,
    pub(super) roll: Roll,
    pub(super) outputs: Vec<Output>,
    pub(super) now: Now,
    pub(super) leader_hint: Option<PeerId>,
    last_raft_tick_ms: u64,
    shown: (u64, MapEpoch),
    /// What is in `spare_log` is nothing: it never promised anything, or forgot what.
    pub(super) log_is_empty: bool,
    /// Has voted, and has no log: it must be removed and added under a new id.
    pub(super) lost_log: bool,
    /// A newer incarnation exists: until its state is here, this peer takes no part in any.
    pub(super) superseded_by: u32,
    /// The authority's key was asked for.
    pub(super) wants_key: bool,
    /// Several calls are settled together.
    is_held: bool,
}

impl<S: LogStore> MetaService<S> {
    pub fn open(config: ServiceConfig, init: ServiceInit<S>, now: Now) -> Result<Self, Fatal> {
        let (mut node, mut spare_log) = (None, None);
        if init.has_log {
            node = Some(RaftNode::open(config.raft, init.log)?);
        } else {
            spare_log = Some(init.log);
        }
        // ONE THAT PROMISED NOTHING IS NONE: who has voted, and has no other, forgot what it promised.
        if let Some(blank) = node.take_if(|node| node.is_blank()) {
            spare_log = Some(blank.into_log());
        }
        let log_is_empty = node.is_none();
        let mut service = Self {
            config,
            node,
            spare_log,
            follower: Follower::new(init.state),
            following: super::following::Following::new(init.contacts),
            proposals: Proposals::new(config.process),
            reads: Reads::default(),
            sessions: Sessions::default(),
            holder: Holder::new(),
            judge: Judge::default(),
            slow_disks: SlowDisks::default(),
            roll: Roll::default(),
            outputs: vec![],
            now,
            leader_hint: None,
            last_raft_tick_ms: now.boot_ms,
            shown: Default::default(),
            log_is_empty,
            lost_log: false,
            superseded_by: 0,
            wants_key: false,
            is_held: false,
        };
        service.settle()?;
        Ok(service)
    }

    /// The state as applied here: of consensus where it is ahead, else as followed.
    pub fn state(&self) -> Option<&ClusterState> {
        let voted = self.node.as_ref().and_then(RaftNode::state);
        let followed = self.follower.state();
        match (voted, followed) {
            (Some(a), Some(b)) if b.index() > a.index() => Some(b),
            (None, b) => b,
            (a, _) => a,
        }
    }

    pub fn is_leader(&self) -> bool {
        self.node.as_ref().is_some_and(RaftNode::is_settled_leader)
    }

    pub fn leader(&self) -> Option<PeerId> {
        match &self.node {
            Some(node) if node.leader().is_some() => node.leader(),
            _ => self.leader_hint,
        }
    }

    /// This peer is a voter that has lost its log. It follows, and never votes again.
    pub fn lost_log(&self) -> bool {
        self.lost_log
    }

    pub fn node(&self) -> Option<&RaftNode<S>> {
        self.node.as_ref()
    }

    /// Everything to be done since the last call. Act in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Call at least every `raft_tick_ms` where there is a node, every `retry_ms` elsewhere.
    pub fn tick(&mut self, now: Now) -> Result<(), Fatal> {
        self.see(now);
        let now = self.now;
        while now.boot_ms.saturating_sub(self.last_raft_tick_ms) >= self.config.raft_tick_ms {
            self.last_raft_tick_ms += self.config.raft_tick_ms;
            // After a pause there is nothing to catch up: others ran elections meanwhile.
            if now.boot_ms - self.last_raft_tick_ms > 4 * self.config.raft_tick_ms {
                self.last_raft_tick_ms = now.boot_ms;
            }
            if let Some(node) = &mut self.node {
                node.tick()?;
            }
        }
        self.settle()?;
        self.drive_proposals()?;
        self.drive_reads()?;
        self.drive_lease_length()?;
        self.drive_sessions()?;
        self.drive_judgement()?;
        self.drive_slow_disks()?;
        self.drive_voters()?;
        self.drive_following();
        self.settle()
    }

    /// What comes until `settle_held` is settled together: ONE SYNC OF THE LOG FOR ALL OF IT, and no
    /// message or answer before that.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    pub fn settle_held(&mut self) -> Result<(), Fatal> {
        self.is_held = false;
        self.settle()
    }

    /// A message from `from`, as its connection proves. One that cannot be read is dropped.
    pub fn receive(&mut self, from: PeerId, bytes: &[u8], now: Now) -> Result<(), Fatal> {
        self.see(now);
        let Ok(message) = ServiceMessage::decode(bytes) else { return Ok(()) };
        self.handle(from, message)?;
        self.settle()
    }

    /// `done` comes as `Output::Proposed`. The id must be new, or that of the same command.
    pub fn propose(&mut self, id: ProposalId, command: Command, now: Now) -> Result<(), Fatal> {
        self.see(now);
        self.add_pending(id, Pending::Command(command))?;
        self.settle()
    }

    /// Rule 11, judged by the leader. The answer comes as `Output::Proposed`; a head that may still
    /// be held elsewhere is `Rejection::HeadHeld`, to be asked for again.
    pub fn take_head(
        &mut self,
        id: ProposalId,
        volume: VolumeId,
        generation: u64,
        expected: HeadEpoch,
        now: Now,
    ) -> Result<(), Fatal> {
        self.see(now);
        self.add_pending(id, Pending::TakeHead { volume, generation, expected })?;
        self.settle()
    }

    /// `Output::Barrier` comes when this peer shows all that was committed before the call.
    pub fn barrier(&mut self, token: u64, now: Now) -> Result<(), Fatal> {
        self.see(now);
        self.add_barrier(token)?;
        self.settle()
    }

    /// This peer's heads cannot use `disk`; repeat while it lasts. The leader judges.
    pub fn report(&mut self, disk: DiskId, kind: ReportKind, now: Now) -> Result<(), Fatal> {
        self.see(now);
        match self.leader() {
            Some(leader) if leader == self.config.peer => {
                self.note_report(leader, disk, kind)?;
            }
            Some(leader) => self.send(leader, ServiceMessage::Report { disk, kind }),
            None => {}
        }
        self.settle()
    }

    /// The answer to `Output::Probe`.
    pub fn probed(&mut self, disk: DiskId, probe: Probe, now: Now) -> Result<(), Fatal> {
        self.see(now);
        self.judge.note_probe(disk, probe, now.boot_ms);
        self.drive_judgement()?;
        self.settle()
    }

    /// The session is over: every head here has stopped answering already.
    pub fn end_session(&mut self, now: Now) -> Result<(), Fatal> {
        self.see(now);
        self.holder.end();
        self.sessions.ended = true;
        let process = self.config.process;
        match self.leader() {
            Some(leader) if leader == self.config.peer => self.sessions.release(leader, process),
            Some(leader) => self.send(leader, ServiceMessage::EndSession { process }),
            None => {}
        }
        self.settle()
    }

    /// Until when (CLOCK_BOOTTIME) reads may be answered without asking anybody; 0: not at all.
    pub fn lease_until_ms(&self) -> u64 {
        self.holder.valid_until_ms()
    }

    /// Peers whose lease may still run, and until when, on this leader's clock.
    pub fn sessions(&self) -> BTreeMap<PeerId, u64> {
        self.sessions.shown(self.state())
    }

    /// Nobody was found there by this leader, and nothing was heard since: it is not worth waiting for.
    pub fn is_gone(&self, peer: PeerId) -> bool {
        self.sessions.is_gone(peer)
    }

    pub fn change_voters(
        &mut self,
        change: ConfChange,
        now: Now,
    ) -> Result<Result<(), crate::raft::NotProposed>, Fatal> {
        self.see(now);
        let leader = self.leader();
        let Some(node) = &mut self.node else {
            return Ok(Err(crate::raft::NotProposed::NotLeader { leader }));
        };
        let proposed = node.propose_conf_change(change)?;
        self.settle()?;
        Ok(proposed)
    }

    pub fn transfer_leadership(&mut self, to: PeerId, now: Now) -> Result<(), Fatal> {
        self.see(now);
        if let Some(node) = &mut self.node {
            node.transfer_leadership(to)?;
        }
        self.settle()
    }

    /// Before this peer goes: somebody else leads. Says whether there is anybody; until
    /// `is_leading` is false, this peer still does.
    pub fn hand_over_leadership(&mut self, now: Now) -> Result<bool, Fatal> {
        self.see(now);
        let begun = self.hand_over()?;
        self.settle()?;
        Ok(begun)
    }

    /// By consensus, settled or not.
    pub fn is_leading(&self) -> bool {
        self.node.as_ref().is_some_and(RaftNode::is_leader)
    }

    pub fn disconnected(&mut self, peer: PeerId, now: Now) -> Result<(), Fatal> {
        self.see(now);
        if let Some(node) = &mut self.node {
            node.unreachable(peer)?;
        }
        self.following.forget(peer);
        self.leader_hint = self.leader_hint.filter(|leader| *leader != peer);
        self.settle()
    }

    /// Callers may have read their clocks in another order than they call.
    pub(super) fn see(&mut self, now: Now) {
        self.now = Now { boot_ms: now.boot_ms.max(self.now.boot_ms), ..now };
    }

    pub(super) fn send(&mut self, to: PeerId, message: ServiceMessage) {
        self.outputs.push(Output::Send { to, bytes: message.encode() });
    }

    fn handle(&mut self, from: PeerId, message: ServiceMessage) -> Result<(), Fatal> {
        use ServiceMessage as M;
        match message {
            M::Raft { bytes } => self.step(from, &bytes),
            M::Propose { proposal } => self.on_propose(from, proposal),
            M::TakeHead { id, volume, process, generation, expected } => {
                self.on_take_head(from, id, volume, process, generation, expected)
            }
            M::NotProposed { id, why } => self.on_not_proposed(id, why),
            M::Read { request } => self.on_read(from, request),
            M::ReadAnswer { request, index } => {
                self.reads.answered(request, index);
                Ok(())
            }
            M::Renew { sequence, process } => self.on_renew(from, sequence, process),
            M::Granted { sequence, duration_ms, applied } => {
                self.on_granted(from, sequence, duration_ms, applied);
                Ok(())
            }
            M::EndSession { process } => {
                self.sessions.release(from, process);
                Ok(())
            }
            M::Report { disk, kind } => self.note_report(from, disk, kind),
            M::Blamed { disk } => {
                self.outputs.push(Output::Blamed { disk });
                Ok(())
            }
            M::Follow { request } => {
                self.on_follow(from, request);
                Ok(())
            }
            M::Followed { reply } => self.on_followed(from, reply),
            M::NotLeader { leader } => {
                self.on_not_leader(from, leader);
                Ok(())
            }
            M::LostLog {} => self.on_lost_log(from),
            M::KeyWanted {} => {
                self.on_key_wanted(from);
                Ok(())
            }
            M::Superseded { incarnation } => {
                self.on_superseded(from, incarnation);
                Ok(())
            }
            M::Key { seed } => {
                self.on_key(from, seed);
                Ok(())
            }
        }
    }

    fn step(&mut self, from: PeerId, bytes: &[u8]) -> Result<(), Fatal> {
        match &mut self.node {
            // What the gate refuses is counted in the node, and never answered.
            Some(node) => node.step_known(from, bytes, self.follower.state()).map(drop)?,
            None => return Ok(()),
        }
        self.note_message_of(from);
        Ok(())
    }

    /// Runs consensus until it is quiet, and tells everybody what became of it.
    pub(super) fn settle(&mut self) -> Result<(), Fatal> {
        if self.is_held {
            return Ok(());
        }
        self.note_role();
        while let Some(node) = &mut self.node {
            let effects = node.ready()?;
            let quiet = effects.send.is_empty()
                && effects.applied.is_empty()
                && effects.reads.is_empty()
                && !effects.installed;
            self.absorb(effects)?;
            if quiet {
                break;
            }
        }
        self.note_role();
        self.adopt_role()?;
        self.finish_reads();
        self.use_grants();
        self.show_state();
        Ok(())
    }

    fn absorb(&mut self, effects: Effects) -> Result<(), Fatal> {
        for (to, bytes) in effects.send {
            self.send(to, ServiceMessage::Raft { bytes: bytes.into() });
        }
        for entry in effects.applied {
            self.finish_proposal(entry.proposal, entry.index, entry.outcome);
        }
        if effects.installed {
            self.finish_known_proposals();
        }
        for context in effects.reads {
            self.on_read_confirmed(context)?;
        }
        Ok(())
    }

    /// A new term of leadership: what the one before promised is waited out.
    fn note_role(&mut self) {
        let leads = self.node.as_ref().filter(|node| node.is_leader());
        let term = leads.map(RaftNode::term);
        if self.sessions.led_term() != term {
            self.sessions.lead(term, self.now.boot_ms);
            self.reads.lose_rounds();
            self.judge = Judge::default();
        }
        if self.is_leader() {
            self.sessions.inherit(self.longest_lease_ms(), self.config.lease_ms);
        }
    }

    /// Follows the state's word on who votes: opens a log when it learns, puts it aside when removed, or
    /// when its incarnation is over.
    fn adopt_role(&mut self) -> Result<(), Fatal> {
        let peer = self.config.peer;
        self.put_log_aside();
        let Some(state) = self.state().filter(|_| !self.is_superseded()) else { return Ok(()) };
        let learns = state.voters().learners.contains(&peer);
        let votes = state.voters().voters.contains(&peer);
        let incarnation = state.incarnation();
        // WHO HAS VOTED AND FORGOT IT COULD VOTE TWICE: never again under this id.
        let forgot = state.upkeep().voted.contains(&peer)
            && self.log_is_empty
            && !is_planted(Bug::LostLogVotes);
        self.lost_log = self.node.is_none() && (votes || learns) && forgot;
        if self.node.is_none()
            && (learns || votes)
            && !self.lost_log
            && let Some(log) = self.spare_log.take()
        {
            self.node = Some(self.open_log(log, incarnation)?);
        }
        Ok(())
    }

    fn put_log_aside(&mut self) {
        let Some(node) = self.node.as_ref().filter(|node| node.state().is_some()) else { return };
        let Some(state) = self.state().filter(|_| !self.is_superseded()) else { return };
        let is_member = state.voters().contains(self.config.peer);
        if !is_member || node.is_of_before(state.incarnation()) {
            self.follower = Follower::new(Some(state.clone()));
            self.spare_log = self.node.take().map(RaftNode::into_log);
            self.log_is_empty = false;
        }
    }

    /// THOSE WHO VOTED BEFORE THE CLUSTER WAS RECOVERED WOULD ELECT EACH OTHER by the membership in their
    /// logs, and decide beside the new incarnation: nothing in such a log counts any more.
    fn open_log(&self, log: S, incarnation: u32) -> Result<RaftNode<S>, Fatal> {
        let node = RaftNode::open(self.config.raft, log)?;
        match node.is_of_before(incarnation) {
            true => RaftNode::open_anew(self.config.raft, node.into_log()),
            false => Ok(node),
        }
    }

    fn show_state(&mut self) {
        let Some(state) = self.state() else { return };
        let shown = (state.index(), state.map_epoch());
        if shown.0 > self.shown.0 {
            self.shown = shown;
            let (index, map_epoch) = shown;
            self.outputs.push(Output::StateChanged { index, map_epoch });
            self.answer_followers();
        }
    }
}
