//! Tells the stores how fast they may be filled with what only moves.

use shoal_meta::state::ClusterState;

use super::Supervisor;
use crate::ring::Sender;
use crate::store_thread::{PaceOrder, PeerPace, StoreMessage};

#[derive(Default)]
pub struct PaceBook {
    told: PaceOrder,
    pub peer: PeerPace,
}

impl Supervisor {
    /// BEFORE views are told: whether a group lacks copies is seen in them.
    pub(super) fn sync_pace(&mut self) {
        let Some(order) = self.context.meta.read(order_of) else { return };
        if order == self.pace.told {
            return;
        }
        self.pace.peer.set(order.peer_rate);
        self.pace.told = order;
        for sender in self.stores.values().filter_map(|entry| entry.sender.as_ref()) {
            self.tell_pace(sender);
        }
    }

    pub(super) fn tell_pace(&self, store: &Sender<StoreMessage>) {
        store.send(StoreMessage::Pace(self.pace.told.clone()));
    }
}

fn order_of(state: &ClusterState) -> PaceOrder {
    let rates = state.move_rates();
    let width = |policy: &shoal_meta::state::Policy| (policy.id, policy.redundancy.width());
    let widths = state.policies().values().map(width).collect();
    PaceOrder { disk_rate: rates.disk_rate, peer_rate: rates.peer_rate, widths }
}
