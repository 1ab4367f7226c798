//! How long leases are. Every peer has a setting of its own, and a new leader has to wait out what the one
//! before it granted: so THE STATE NAMES THE LONGEST LEASE THAT MAY RUN, before one is granted.

use super::meta_service::MetaService;
use crate::log_store::LogStore;
use crate::raft::Fatal;
use crate::state::{ClusterState, Command, Proposal};

impl<S: LogStore> MetaService<S> {
    pub(super) fn longest_lease_ms(&self) -> u64 {
        self.state().map_or(0, ClusterState::longest_lease_ms)
    }

    /// Never longer than what every later leader will wait for; 0: none yet.
    pub(super) fn lease_to_grant_ms(&self) -> u64 {
        self.config.lease_ms.min(self.longest_lease_ms())
    }

    /// As the leader: a longer lease than before is written down, and granted after that; a shorter one is
    /// granted at once, and written down when those of earlier leaders are over. All that this one
    /// granted in its term was short.
    pub(super) fn drive_lease_length(&mut self) -> Result<(), Fatal> {
        let (now_ms, lease_ms) = (self.now.boot_ms, self.config.lease_ms);
        if !self.is_leader() || now_ms < self.sessions.record_length_at_ms {
            return Ok(());
        }
        let expected = self.longest_lease_ms();
        if lease_ms == expected || lease_ms < expected && self.sessions.has_inherited(now_ms) {
            return Ok(());
        }
        self.sessions.record_length_at_ms = now_ms + self.config.retry_ms;
        let id = self.proposals.fresh_id();
        let command = Command::SetLongestLease { lease_ms, expected };
        self.propose_as_leader(
            self.config.peer,
            Proposal { id, time_ms: self.now.wall_ms, command },
        )
    }
}
