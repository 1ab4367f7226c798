//! What the cluster record says of one PG (protocol.md rule 1).

use crate::{DiskId, PgEpoch, PgId};

/// A PG as of one epoch. Every change is a compare-and-set in the cluster state and gives epoch + 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgView {
    pub pg: PgId,
    pub epoch: PgEpoch,
    /// Holders of every acknowledged write; never empty.
    pub in_sync: Vec<DiskId>,
    pub joining: Option<Joining>,
    /// The whole ordered member list; under k+m the position is the shard.
    pub members: Vec<DiskId>,
}

/// The one member that is being brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining {
    pub disk: DiskId,
    /// Epoch of the joining commit; the session's name (protocol.md rules 19–25).
    pub join_at: PgEpoch,
    /// The member's last epoch in the in-sync set; `PgEpoch::ZERO` if it never was.
    pub out_at: PgEpoch,
    /// Its data is worth nothing: drop it and copy everything.
    pub full: bool,
}

impl PgView {
    /// In-sync members, then the joiner: everyone that a new write goes to (rule 6).
    pub fn targets(&self) -> impl Iterator<Item = DiskId> + '_ {
        self.in_sync.iter().copied().chain(self.joining.map(|j| j.disk))
    }

    pub fn is_in_sync(&self, disk: DiskId) -> bool {
        self.in_sync.contains(&disk)
    }
}
