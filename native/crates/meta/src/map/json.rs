//! The map as JSON, for the control plane.

use serde_json::{Value, json};
use shoal_types::PgView;

use super::topology::TopologyMap;

/// As `state_json`, without volumes and tokens; a group's `joining` says from when it must copy.
pub fn map_json(map: &TopologyMap) -> Value {
    let policies = map.policies.values().map(|policy| {
        let mut value = json!(policy);
        value["pgs"] = map.tables[&policy.id].views().map(pg_json).collect();
        value
    });
    json!({
        "cluster_id": map.cluster_id,
        "incarnation": map.incarnation,
        "level": map.level,
        "epoch": map.epoch,
        "peers": map.peers.values().collect::<Vec<_>>(),
        "disks": map.disks.values().collect::<Vec<_>>(),
        "policies": policies.collect::<Value>(),
    })
}

fn pg_json(view: &PgView) -> Value {
    let joining = view.joining.map(
        |j| json!({ "disk": j.disk, "join_at": j.join_at, "out_at": j.out_at, "full": j.full }),
    );
    json!({
        "index": view.pg.index,
        "epoch": view.epoch,
        "members": view.members,
        "in_sync": view.in_sync,
        "joining": joining,
    })
}
