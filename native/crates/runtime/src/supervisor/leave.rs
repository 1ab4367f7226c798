//! Leaving for a while, in order, and coming back.
//!
//! Before its stores end, a peer that stops tells the cluster so: in the groups that have enough
//! copies without it, the heads of other peers go on at once instead of finding out; and the peer is
//! not asked to join anything until its next process says that it is back.

use shoal_meta::hex::Hex;
use shoal_meta::state::{ClusterState, Command};

use super::Supervisor;
use super::stores::StoreState;
use crate::clock;

/// Longest time that the cluster may take to let this peer go.
const LEAVE_MS: u64 = 1_500;
/// What was committed reaches other peers' heads within this; until then the stores here serve.
const LINGER_MS: u64 = 250;

/// How far an orderly end has come once the heads are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The heads are being released.
    NotYet,
    /// The cluster was told; its answer, or that time, is waited for.
    Asked { until_ms: u64 },
    /// Others are being told.
    Lingers { until_ms: u64 },
}

impl Leaving {
    pub fn is_over(self, now_ms: u64) -> bool {
        match self {
            Self::NotYet => false,
            Self::Asked { until_ms } | Self::Lingers { until_ms } => until_ms <= now_ms,
        }
    }
}

impl Supervisor {
    /// Say it to the cluster. Where no peer decides, it is left unsaid.
    pub(super) fn ask_to_leave(&mut self) -> Leaving {
        let now_ms = clock::now_ms();
        let Some(peer) = self.peer_id().filter(|_| self.context.meta.shared().is_reachable())
        else {
            return Leaving::Lingers { until_ms: now_ms };
        };
        self.announce_logs();
        let command = Command::LeavePeer { peer, process: Hex(self.context.process) };
        self.propose(command, |supervisor, _| {
            supervisor.set_leaving(Leaving::Lingers { until_ms: clock::now_ms() + LINGER_MS });
        });
        Leaving::Asked { until_ms: now_ms + LEAVE_MS }
    }

    /// An earlier process of this peer left in order: it is back once its disks serve again.
    pub(super) fn tick_return(&mut self) {
        let Some(peer) = self.peer_id().filter(|_| !self.returning && self.closing.is_none())
        else {
            return;
        };
        let process = Hex(self.context.process);
        let left =
            |state: &ClusterState| state.upkeep().left.get(&peer).is_some_and(|by| *by != process);
        let opening = |state: &StoreState| matches!(state, StoreState::Opening);
        let serves = !self.stores.values().any(|entry| opening(&entry.state));
        let reachable = self.context.meta.shared().is_reachable();
        if serves && reachable && self.context.meta.read(left) == Some(true) {
            self.returning = true;
            self.propose(Command::ReturnPeer { peer }, |supervisor, _| {
                // Looked at again: not done is asked for again.
                supervisor.returning = false;
            });
        }
    }
}
