//! The granter's side, held by the leader of the cluster state.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::PeerId;

use super::granter_wait_ms;

/// Leases that this granter gave, and the time before which older ones may still run.
#[derive(Clone, Debug)]
pub struct Granter {
    duration_ms: u64,
    /// Leases of earlier granters may run until here.
    inherited_until_ms: u64,
    expiry_ms: BTreeMap<PeerId, u64>,
    /// Peers whose inherited lease is known to be over (released, or renewed here since).
    settled: BTreeSet<PeerId>,
}

impl Granter {
    /// A new granter knows nothing of what was granted before it: it waits out one full lease.
    pub fn new(now_ms: u64, duration_ms: u64) -> Self {
        Self {
            duration_ms,
            inherited_until_ms: now_ms.saturating_add(granter_wait_ms(duration_ms)),
            expiry_ms: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }

    /// No lease that an earlier granter gave before `since_ms` lasts longer than this.
    pub fn inherit(&mut self, since_ms: u64, longest_ms: u64) {
        self.inherited_until_ms = since_ms.saturating_add(granter_wait_ms(longest_ms));
    }

    /// From when on no lease of an earlier granter can be valid.
    pub fn inherited_until_ms(&self) -> u64 {
        self.inherited_until_ms
    }

    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// Of what is granted from now on; what was granted lasts as long as it was told.
    pub fn set_duration(&mut self, duration_ms: u64) {
        self.duration_ms = duration_ms;
    }

    /// Grants or renews. `received_ms` is after the request was received.
    pub fn grant(&mut self, peer: PeerId, received_ms: u64) {
        let expiry = received_ms.saturating_add(granter_wait_ms(self.duration_ms));
        let kept = self.expiry_ms.entry(peer).or_insert(expiry);
        *kept = (*kept).max(expiry);
    }

    /// The peer gave its lease back (its heads stopped answering BEFORE it said so).
    pub fn release(&mut self, peer: PeerId) {
        self.expiry_ms.remove(&peer);
        self.settled.insert(peer);
    }

    /// Whether a lease that was granted here may be valid.
    pub fn is_held(&self, peer: PeerId, now_ms: u64) -> bool {
        self.expiry_ms.get(&peer).is_some_and(|expiry| *expiry > now_ms)
    }

    /// Whether no lease of this peer can be valid any more.
    pub fn is_over(&self, peer: PeerId, now_ms: u64) -> bool {
        self.over_at_ms(peer) <= now_ms
    }

    /// Of what this granter gave; 0 where it gave nothing.
    pub fn granted_until_ms(&self, peer: PeerId) -> u64 {
        self.expiry_ms.get(&peer).copied().unwrap_or(0)
    }

    /// From when on no lease of this peer can be valid.
    pub fn over_at_ms(&self, peer: PeerId) -> u64 {
        let own = self.expiry_ms.get(&peer).copied();
        let inherited = if self.settled.contains(&peer) { 0 } else { self.inherited_until_ms };
        // A lease granted here outlives whatever was granted before it.
        own.unwrap_or(0).max(inherited)
    }

    /// Peers that hold a lease which is over now; they are reported once.
    pub fn expire(&mut self, now_ms: u64) -> Vec<PeerId> {
        let over: Vec<PeerId> =
            self.expiry_ms.keys().copied().filter(|p| self.is_over(*p, now_ms)).collect();
        for peer in &over {
            self.expiry_ms.remove(peer);
        }
        over
    }
}
