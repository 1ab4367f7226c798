//! The cluster state as JSON, for the control plane.

use serde::Serialize;
use serde_json::{Value, json};

use super::cluster::ClusterState;
use super::pg::PgJson;
use super::policy::Policy;

/// A policy with its table.
#[derive(Serialize)]
struct PolicyJson<'a> {
    #[serde(flatten)]
    policy: &'a Policy,
    pgs: Vec<PgJson>,
}

/// Ids and epochs are numbers, random ids and keys lower-case hex, lists in ascending order of id.
/// Groups that have no members yet are left out of `pgs`.
pub fn state_json(state: &ClusterState) -> Value {
    let policies = state.policies().values().map(|policy| PolicyJson {
        policy,
        pgs: state
            .table(policy.id)
            .into_iter()
            .flat_map(|t| t.records())
            .map(PgJson::from)
            .collect(),
    });
    json!({
        "cluster_id": state.cluster_id(),
        "name": state.name(),
        "authority_key": state.authority_key(),
        "incarnation": state.incarnation(),
        "level": state.level(),
        "index": state.index(),
        "time_ms": state.time_ms(),
        "map_epoch": state.map_epoch(),
        "topology_epoch": state.topology_epoch(),
        "voters": state.voters().voters,
        "learners": state.voters().learners,
        "peers": list(state.peers().values()),
        "disks": list(state.disks().values()),
        "policies": list(policies),
        "volumes": list(state.volumes().values()),
        "exports": list(state.exports().values()),
        "tokens": list(state.tokens().values()),
        "events": list(state.events().iter()),
    })
}

fn list(items: impl Iterator<Item = impl Serialize>) -> Value {
    items.map(|item| json!(item)).collect()
}
