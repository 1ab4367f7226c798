//! Following a voter: one question at a time, which the voter holds until there is news.

use std::collections::BTreeMap;

use shoal_types::PeerId;

use super::message::ServiceMessage;
use super::meta_service::MetaService;
use crate::follow::{FollowReply, FollowRequest, Follower, answer};
use crate::log_store::LogStore;
use crate::raft::Fatal;

/// Followers whose questions one voter holds.
const HELD_MAX: usize = 10_000;

#[derive(Debug)]
pub struct Following {
    /// Before any state is known.
    contacts: Vec<PeerId>,
    /// Whom the open question went to, and until when an answer is waited for.
    asked: Option<(PeerId, u64)>,
    /// Turns through the voters when one does not answer.
    turn: usize,
    /// Since when a voter here has heard of no leader.
    leaderless_since: Option<u64>,
    /// When the leader that consensus names here was heard last.
    heard_leader_ms: u64,
    /// As a voter: questions without news, and until when they are held.
    held: BTreeMap<PeerId, (FollowRequest, u64)>,
}

impl Following {
    pub fn new(contacts: Vec<PeerId>) -> Self {
        let held = BTreeMap::new();
        Self { contacts, asked: None, turn: 0, leaderless_since: None, heard_leader_ms: 0, held }
    }

    /// Whoever is asked now is no help.
    pub fn ask_anew(&mut self) {
        self.asked = None;
        self.turn = 0;
    }

    /// Its connection is gone: so is its question, and ours to it.
    pub fn forget(&mut self, peer: PeerId) {
        self.held.remove(&peer);
        if self.asked.is_some_and(|(asked, _)| asked == peer) {
            self.asked = None;
            self.turn += 1;
        }
    }
}

impl<S: LogStore> MetaService<S> {
    pub(super) fn drive_following(&mut self) {
        self.release_held();
        if !self.follows() {
            return;
        }
        match self.following.asked {
            Some((_, until)) if until > self.now.boot_ms => return,
            Some(_) => self.following.turn += 1,
            None => {}
        }
        self.ask_to_follow();
    }

    /// A voter or learner gets the log by consensus. One that has heard of no leader for long may
    /// have been removed while it was away: it follows too, from what it has.
    fn follows(&mut self) -> bool {
        let Some(state) = self.node.as_ref().and_then(|node| node.state()) else { return true };
        if self.heard_leader().is_some() {
            self.following.leaderless_since = None;
            // Consensus carries the state now; a second copy would only cost memory.
            if self.follower.request().applied <= state.index() {
                self.follower = Follower::default();
            }
            return false;
        }
        let now = self.now.boot_ms;
        let since = *self.following.leaderless_since.get_or_insert(now);
        if now - since < self.config.follow_hold_ms {
            return false;
        }
        if self.follower.request().applied < state.index() {
            self.follower = Follower::new(Some(state.clone()));
        }
        true
    }

    pub(super) fn note_message_of(&mut self, from: PeerId) {
        if self.node.as_ref().is_some_and(|node| node.leader() == Some(from)) {
            self.following.heard_leader_ms = self.now.boot_ms;
        }
    }

    /// The leader that consensus names here, IF IT SPEAKS TO THIS PEER: a learner that was removed and has
    /// not heard of that would believe in it for ever, and see nothing new.
    fn heard_leader(&self) -> Option<PeerId> {
        let node = self.node.as_ref()?;
        let silent_ms = self.now.boot_ms - self.following.heard_leader_ms;
        let hears = node.is_leader() || silent_ms < self.config.follow_hold_ms;
        node.leader().filter(|_| hears)
    }

    /// The leader, or somebody who may know it.
    pub(super) fn ask_whom(&self) -> Option<PeerId> {
        match &self.node {
            Some(node) if node.state().is_some() && node.leader().is_none() => None,
            Some(node) if node.state().is_some() && self.heard_leader().is_some() => node.leader(),
            _ => self.leader_hint.or_else(|| self.whom_to_follow()),
        }
    }

    /// It did not answer in time: somebody else may know better.
    pub(super) fn doubt_leader(&mut self) {
        self.leader_hint = None;
        self.following.turn += 1;
    }

    fn ask_to_follow(&mut self) {
        let Some(peer) = self.whom_to_follow() else { return };
        let patience = self.config.follow_hold_ms + 2 * self.config.retry_ms;
        self.following.asked = Some((peer, self.now.boot_ms + patience));
        let request = self.follower.request();
        self.send(peer, ServiceMessage::Follow { request });
    }

    /// The leader first; then each voter in turn, then whoever let us in, or any peer at all: the
    /// voters that are known here may be gone for good, and another one may have gone on.
    fn whom_to_follow(&self) -> Option<PeerId> {
        let voters = self.state().map(|state| state.voters().voters.clone());
        let mut peers: Vec<PeerId> = self.leader_hint.into_iter().collect();
        peers.extend(voters.into_iter().flatten());
        match self.state() {
            None => peers.extend(&self.following.contacts),
            Some(state) => {
                let voters = &state.voters().voters;
                peers.extend(state.peers().keys().filter(|peer| !voters.contains(peer)));
            }
        }
        peers.retain(|peer| *peer != self.config.peer);
        let turn = self.following.turn % peers.len().max(1);
        peers.get(turn).copied()
    }

    pub(super) fn on_follow(&mut self, from: PeerId, request: FollowRequest) {
        let node = self.node.as_ref().filter(|node| node.state().is_some());
        let Some(node) = node else {
            let leader = self.leader().map_or(0, |leader| leader.0);
            return self.send(from, ServiceMessage::NotLeader { leader });
        };
        let Some(reply) = answer(node, request) else { return };
        let news = !matches!(&reply, FollowReply::Entries { entries } if entries.is_empty());
        if news || self.following.held.len() >= HELD_MAX {
            self.send(from, ServiceMessage::Followed { reply });
        } else {
            let until = self.now.boot_ms + self.config.follow_hold_ms;
            self.following.held.insert(from, (request, until));
        }
    }

    /// The state moved on: everybody who waits is told.
    pub(super) fn answer_followers(&mut self) {
        let held = std::mem::take(&mut self.following.held);
        for (peer, (request, until)) in held {
            let reply = self.node.as_ref().and_then(|node| answer(node, request));
            let none =
                matches!(&reply, Some(FollowReply::Entries { entries }) if entries.is_empty());
            match reply {
                Some(reply) if !none => self.send(peer, ServiceMessage::Followed { reply }),
                _ => drop(self.following.held.insert(peer, (request, until))),
            }
        }
    }

    /// "Nothing new" tells a follower that its voter lives.
    fn release_held(&mut self) {
        let now = self.now.boot_ms;
        let held = std::mem::take(&mut self.following.held);
        for (peer, (request, until)) in held {
            if until > now {
                self.following.held.insert(peer, (request, until));
            } else {
                let reply = FollowReply::Entries { entries: vec![] };
                self.send(peer, ServiceMessage::Followed { reply });
            }
        }
    }

    pub(super) fn on_followed(&mut self, from: PeerId, reply: FollowReply) -> Result<(), Fatal> {
        // Only what was asked for: a voter is trusted with the state, a stranger is not.
        if self.following.asked.is_none_or(|(asked, _)| asked != from) {
            return Ok(());
        }
        match self.follower.receive(reply)? {
            Ok(followed) => {
                for entry in followed.applied {
                    self.finish_proposal(entry.proposal, entry.index, entry.outcome);
                }
                if followed.installed {
                    self.finish_known_proposals();
                }
                self.following.asked = None;
                self.drive_following();
            }
            // Another one is asked, AFTER A PAUSE: where nobody's answer is of use, questions would go
            // round as fast as the network lets them.
            Err(_) => self.following.asked = Some((from, self.now.boot_ms + self.config.retry_ms)),
        }
        Ok(())
    }

    pub(super) fn on_not_leader(&mut self, from: PeerId, leader: u64) {
        self.hint_leader(leader);
        if self.following.asked.is_some_and(|(asked, _)| asked == from) {
            // Asked again at the next tick, elsewhere.
            self.following.asked = Some((from, self.now.boot_ms));
        }
    }
}
