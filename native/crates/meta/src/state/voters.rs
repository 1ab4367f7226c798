//! Who votes. Changed by one peer at a time, so joint configurations never arise.

use std::collections::BTreeSet;

use serde::Serialize;
use shoal_types::PeerId;

use super::limits::VOTERS_MAX;
use crate::codec::{codec_enum, codec_struct};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Voters {
    pub voters: BTreeSet<PeerId>,
    /// Receive the log, do not vote (yet).
    pub learners: BTreeSet<PeerId>,
}

/// One step of membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfChange {
    AddLearner {
        peer: PeerId,
    },
    /// Promotes a learner, or adds a voter.
    AddVoter {
        peer: PeerId,
    },
    Remove {
        peer: PeerId,
    },
}

impl ConfChange {
    pub fn peer(self) -> PeerId {
        match self {
            Self::AddLearner { peer } | Self::AddVoter { peer } | Self::Remove { peer } => peer,
        }
    }
}

impl Voters {
    pub fn contains(&self, peer: PeerId) -> bool {
        self.voters.contains(&peer) || self.learners.contains(&peer)
    }

    /// Does `change` leave somebody who votes, and not too many? One that does not is applied as
    /// nothing, on every replica.
    pub fn allows(&self, change: ConfChange) -> bool {
        let peer = change.peer();
        let last = self.voters.len() == 1 && self.voters.contains(&peer);
        match change {
            ConfChange::AddLearner { .. } => {
                !self.contains(peer) && self.learners.len() < VOTERS_MAX
            }
            ConfChange::AddVoter { .. } => {
                !self.voters.contains(&peer) && self.voters.len() < VOTERS_MAX
            }
            ConfChange::Remove { .. } => self.contains(peer) && !last,
        }
    }

    pub fn change(&mut self, change: ConfChange) {
        assert!(self.allows(change), "checked before: {change:?} on {self:?}");
        let peer = change.peer();
        self.voters.remove(&peer);
        self.learners.remove(&peer);
        match change {
            ConfChange::AddLearner { .. } => self.learners.insert(peer),
            ConfChange::AddVoter { .. } => self.voters.insert(peer),
            ConfChange::Remove { .. } => true,
        };
    }
}

codec_struct!(Voters { voters, learners });
codec_enum!(ConfChange: u8 { 1 => AddLearner { peer }, 2 => AddVoter { peer }, 3 => Remove { peer } });
