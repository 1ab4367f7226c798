//! The leader looks after the voters: see `crate::voting`.

use std::collections::BTreeMap;

use shoal_engine::planted::{Bug, is_planted};
use shoal_types::PeerId;

use super::message::ServiceMessage;
use super::meta_service::MetaService;
use crate::log_store::LogStore;
use crate::raft::Fatal;
use crate::state::{ClusterState, Command, Proposal};
use crate::voting::{Answers, Attendance, Step, next_step, wanted_voters};

/// Between two changes of the voters: the one before has been applied by then, or is repeated.
const STEP_MS: u64 = 500;

#[derive(Debug, Default)]
pub struct Roll {
    /// Peers without a session, and since when this leader has missed them.
    absent_since: BTreeMap<PeerId, u64>,
    next_step_ms: u64,
}

impl<S: LogStore> MetaService<S> {
    pub(super) fn drive_voters(&mut self) -> Result<(), Fatal> {
        let now_ms = self.now.boot_ms;
        // An older leader's sessions look alive until they are over: nothing is known before.
        let looks = self.is_leader() && !self.sessions.is_settling(now_ms);
        if !looks || !self.config.manages_voters {
            self.roll.absent_since.clear();
            return Ok(());
        }
        self.call_the_roll();
        if self.roll.next_step_ms > now_ms {
            return Ok(());
        }
        self.roll.next_step_ms = now_ms + STEP_MS;
        let step = self.voting_step();
        self.take_step(step)
    }

    fn call_the_roll(&mut self) {
        let now_ms = self.now.boot_ms;
        let Some(state) = self.node.as_ref().and_then(|node| node.state()) else { return };
        let absent = &mut self.roll.absent_since;
        absent.retain(|peer, _| state.peers().contains_key(peer));
        for peer in state.peers().keys() {
            if self.sessions.is_over(*peer, now_ms) && *peer != self.config.peer {
                absent.entry(*peer).or_insert(now_ms);
            } else {
                absent.remove(peer);
            }
        }
    }

    fn attendance(&self, state: &ClusterState, peer: PeerId) -> Attendance {
        let upkeep = state.upkeep();
        let Some(since) = self.roll.absent_since.get(&peer) else {
            let left = upkeep.left.contains_key(&peer);
            return if left { Attendance::Absent } else { Attendance::Present };
        };
        let planned = state.peers()[&peer].maintenance_until_ms > self.now.wall_ms;
        let long = self.now.boot_ms - since >= upkeep.settings.replace_voter_after_ms;
        if long && !planned { Attendance::Gone } else { Attendance::Absent }
    }

    fn voting_step(&self) -> Option<Step> {
        let node = self.node.as_ref()?;
        let state = node.state()?;
        let wanted = wanted_voters(state, self.config.peer, |peer| self.attendance(state, peer));
        let forgets = |peer| state.upkeep().never_vote.contains(&peer);
        let answers = |peer| match self.attendance(state, peer) {
            _ if forgets(peer) && !is_planted(Bug::SoundVoterGoesFirst) => Answers::Never,
            Attendance::Present => Answers::Now,
            Attendance::Absent | Attendance::Gone => Answers::NotNow,
        };
        let caught_up = |peer| node.has_caught_up(peer);
        next_step(state.voters(), &wanted, self.config.peer, caught_up, answers)
    }

    fn take_step(&mut self, step: Option<Step>) -> Result<(), Fatal> {
        let Some(node) = self.node.as_mut() else { return Ok(()) };
        match step {
            // Not possible now (another change is under way): the next look decides anew.
            Some(Step::Change(change)) => node.propose_conf_change(change).map(drop),
            Some(Step::HandOver { to }) => node.transfer_leadership(to),
            None => Ok(()),
        }
    }

    /// Leadership to the voter that is there and least behind. False: there is nobody, or this
    /// peer does not lead.
    pub(super) fn hand_over(&mut self) -> Result<bool, Fatal> {
        let Some(to) = self.successor() else { return Ok(false) };
        let node = self.node.as_mut().expect("a leader has a node");
        node.transfer_leadership(to)?;
        Ok(true)
    }

    fn successor(&self) -> Option<PeerId> {
        let node = self.node.as_ref().filter(|node| node.is_leader())?;
        let state = node.state()?;
        let voters = state.voters().voters.iter().copied();
        let others = voters.filter(|peer| *peer != self.config.peer);
        let present = others.filter(|peer| {
            let over = self.sessions.is_over(*peer, self.now.boot_ms);
            !over && !state.upkeep().left.contains_key(peer)
        });
        present.min_by_key(|peer| (node.lag_of(*peer), *peer))
    }

    /// Said with every renewal until the cluster knows it.
    pub(super) fn confess_lost_log(&mut self, leader: PeerId) {
        let known = |s: &ClusterState| s.upkeep().never_vote.contains(&self.config.peer);
        if self.lost_log && !self.state().is_some_and(known) && leader != self.config.peer {
            self.send(leader, ServiceMessage::LostLog {});
        }
    }

    pub(super) fn on_lost_log(&mut self, peer: PeerId) -> Result<(), Fatal> {
        let news = |s: &ClusterState| {
            s.peers().contains_key(&peer) && !s.upkeep().never_vote.contains(&peer)
        };
        if !self.is_leader() || !self.state().is_some_and(news) {
            return Ok(());
        }
        let id = self.proposals.fresh_id();
        let (time_ms, own) = (self.now.wall_ms, self.config.peer);
        let command = Command::NeverVote { peer };
        self.propose_as_leader(own, Proposal { id, time_ms, command })
    }
}
