//! Incarnations: a cluster that was recovered, and those who missed it.

use shoal_types::PeerId;

use super::api::Now;
use super::message::ServiceMessage;
use super::meta_service::MetaService;
use crate::follow::Follower;
use crate::log_store::LogStore;
use crate::raft::{Fatal, RaftNode};
use crate::state::ClusterState;

impl<S: LogStore> MetaService<S> {
    /// All that this peer knows, with what its log may have promised; and the log's term. What a
    /// recovery begins with.
    pub fn legacy(&self) -> Option<(ClusterState, u64)> {
        let term = self.node.as_ref().map_or(0, RaftNode::term);
        let voted = self.node.as_ref().and_then(RaftNode::state_with_log);
        let followed = self.follower.state().cloned();
        let newest = voted.into_iter().chain(followed).max_by_key(ClusterState::index)?;
        Some((newest, term))
    }

    /// A message of a peer that greeted with an older incarnation. IT TAKES NO PART: it may ask for
    /// the state, and is told that its own is over.
    pub fn receive_behind(&mut self, from: PeerId, bytes: &[u8], now: Now) -> Result<(), Fatal> {
        self.see(now);
        match (ServiceMessage::decode(bytes), self.state().map(ClusterState::incarnation)) {
            (Ok(ServiceMessage::Follow { request }), Some(_)) => self.on_follow(from, request),
            (Ok(_), Some(incarnation)) => {
                self.send(from, ServiceMessage::Superseded { incarnation });
            }
            _ => {}
        }
        self.settle()
    }

    /// Call it about once a second. Voters who come back may lead by what is over: alone, or because
    /// the survivor did not vote, so that nothing of theirs would ever reach it. THEY HAVE TO SPEAK
    /// FIRST: a newer incarnation cannot greet an older one. So whoever leads calls all that hold no
    /// lease of it; one that knows better says so, all others pass it over.
    pub fn call_absent(&mut self, now: Now) {
        self.see(now);
        let Some(state) = self.state().filter(|_| self.is_leading()) else { return };
        let incarnation = state.incarnation();
        let is_absent = |peer: &PeerId| {
            *peer != self.config.peer && !self.sessions.is_held(*peer, self.now.boot_ms)
        };
        let absent: Vec<PeerId> = state.peers().keys().copied().filter(is_absent).collect();
        for peer in absent {
            self.send(peer, ServiceMessage::Superseded { incarnation });
        }
    }

    pub(super) fn on_superseded(&mut self, from: PeerId, incarnation: u32) {
        let Some(state) = self.state().cloned() else { return };
        if state.incarnation() >= incarnation || !state.peers().contains_key(&from) {
            return;
        }
        // What it held is over: no vote, no lease, no answer under the old incarnation.
        self.superseded_by = self.superseded_by.max(incarnation);
        if let Some(node) = self.node.take() {
            self.spare_log = Some(node.into_log());
            self.log_is_empty = false;
        }
        self.follower = Follower::new(Some(state));
        self.holder.end();
        self.leader_hint = Some(from);
        self.following.ask_anew();
    }

    pub(super) fn is_superseded(&self) -> bool {
        self.state().is_some_and(|state| state.incarnation() < self.superseded_by)
    }
}
