//! When what a peer gives out ends.

use crate::state::ClusterState;

/// Wall time in ms at which a token ends that is made now, to last for `ttl_ms`. COUNTED FROM THE CLUSTER'S
/// TIME WHERE THAT IS AHEAD: one leader's fast clock takes it there for good, and every token would have
/// expired before it was made. It then lasts until so long after real time has caught up.
pub fn token_expiry_ms(state: &ClusterState, wall_ms: u64, ttl_ms: u64) -> u64 {
    wall_ms.max(state.time_ms()).saturating_add(ttl_ms)
}
