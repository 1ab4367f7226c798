//! The cluster state as JSON, for the control plane.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::cluster::ClusterState;
use super::disk::Disk;
use super::growth::MoveRates;
use super::pg::PgJson;
use super::placing::{Movement, Rules};
use super::policy::Policy;
use super::volume::Volume;

/// A policy with its table.
#[derive(Serialize)]
struct PolicyJson<'a> {
    #[serde(flatten)]
    policy: &'a Policy,
    #[serde(flatten)]
    rules: Rules,
    follows_disks: bool,
    pgs: Vec<PgJson>,
}

/// A disk with its labels.
#[derive(Serialize)]
struct DiskJson<'a> {
    #[serde(flatten)]
    disk: &'a Disk,
    labels: BTreeSet<String>,
    fill_factor: u16,
}

/// A volume, and over how many of its policy's groups it is spread.
#[derive(Serialize)]
struct VolumeJson<'a> {
    #[serde(flatten)]
    volume: &'a Volume,
    pg_count: u32,
}

#[derive(Serialize)]
struct MovementJson {
    #[serde(flatten)]
    movement: Movement,
    #[serde(flatten)]
    rates: MoveRates,
}

/// Ids and epochs are numbers, random ids and keys lower-case hex, lists in ascending order of id.
/// Groups that have no members yet are left out of `pgs`.
pub fn state_json(state: &ClusterState) -> Value {
    let policies = state.policies().values().map(|policy| PolicyJson {
        policy,
        rules: state.rules(policy.id),
        follows_disks: state.follows_disks(policy.id),
        pgs: state
            .table(policy.id)
            .into_iter()
            .flat_map(|t| t.records())
            .map(PgJson::from)
            .collect(),
    });
    let disks = state.disks().values().map(|disk| DiskJson {
        disk,
        labels: state.labels(disk.id),
        fill_factor: state.fill_factor(disk.id),
    });
    let volumes = state.volumes().values().map(|volume| VolumeJson {
        volume,
        pg_count: state.volume_pg_count(volume.id).expect("a volume has a policy"),
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
        "disks": list(disks),
        "policies": list(policies),
        "volumes": list(volumes),
        "exports": list(state.exports().values()),
        "tokens": list(state.tokens().values()),
        "movement": MovementJson { movement: state.movement(), rates: state.move_rates() },
        "settings": state.upkeep().settings,
        "peers_down": since(&state.upkeep().peers_down, "peer"),
        "disks_down": since(&state.upkeep().disks_down, "disk"),
        "left": state.upkeep().left.keys().collect::<Vec<_>>(),
        "given_up": state.upkeep().given_up,
        "never_vote": state.upkeep().never_vote,
        "missing": state.restored().missing,
        "events": list(state.events().iter()),
    })
}

/// Who is away, and since when.
fn since<K: Serialize>(of: &BTreeMap<K, u64>, what: &str) -> Value {
    of.iter().map(|(id, since_ms)| json!({ what: id, "since_ms": since_ms })).collect()
}

fn list(items: impl Iterator<Item = impl Serialize>) -> Value {
    items.map(|item| json!(item)).collect()
}
