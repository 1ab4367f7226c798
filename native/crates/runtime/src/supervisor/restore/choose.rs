//! Which of the states that disks keep the cluster goes on from. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use shoal_meta::hex::Hex;
use shoal_meta::state::ClusterState;
use shoal_types::DiskId;

use super::super::kept_map::order_of;
use super::read::Found;

/// Why there is nothing to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Disks of several clusters: the path of one of each.
    Mixed(Vec<String>),
    /// No disk keeps a state: why each does not.
    NoState(Vec<String>),
    /// One disk was given twice, or is there as a copy.
    Twice { disk: DiskId, paths: Vec<String> },
    /// Two recoveries of one cluster went on apart from each other.
    Split(Vec<String>),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mixed(which) => {
                write!(f, "these disks are of different clusters: {}", which.join("; "))
            }
            Self::NoState(why) if why.is_empty() => {
                write!(f, "none of these disks holds a Shoal store")
            }
            Self::NoState(why) => {
                write!(f, "none of these disks keeps the cluster's state: {}", why.join("; "))
            }
            Self::Twice { disk, paths } => {
                write!(f, "disk {} is there more than once: {}", disk.0, paths.join(", "))
            }
            Self::Split(which) => write!(
                f,
                "two recoveries of this cluster went on apart from each other; name the disks of \
                 one of them alone: {}",
                which.join("; ")
            ),
        }
    }
}

/// The newest state, if all disks are of one cluster and one history.
pub fn choose(found: &[Found]) -> Result<&ClusterState, Refused> {
    let mut clusters = BTreeMap::new();
    let mut disks: BTreeMap<DiskId, Vec<String>> = BTreeMap::new();
    for one in found {
        let path = one.path.display().to_string();
        let cluster = one.identity.cluster_id;
        clusters.entry(cluster).or_insert_with(|| format!("{path} of {}", Hex(cluster)));
        disks.entry(one.identity.disk).or_default().push(path);
    }
    if clusters.len() > 1 {
        return Err(Refused::Mixed(clusters.into_values().collect()));
    }
    if let Some((disk, paths)) = disks.into_iter().find(|(_, paths)| paths.len() > 1) {
        return Err(Refused::Twice { disk, paths });
    }
    let states = found.iter().filter_map(|one| one.kept.as_deref().ok());
    let Some(newest) = states.max_by_key(|state| order_of(state)) else {
        let why =
            |one: &Found| Some(format!("{}: {}", one.path.display(), one.kept.as_ref().err()?));
        return Err(Refused::NoState(found.iter().filter_map(why).collect()));
    };
    check_one_history(found, newest)?;
    Ok(newest)
}

/// Each recovery from disks makes a new authority: another one in the same incarnation is
/// another history.
fn check_one_history(found: &[Found], newest: &ClusterState) -> Result<(), Refused> {
    let other = found.iter().find(|one| {
        one.kept.as_deref().is_ok_and(|state| {
            state.incarnation() == newest.incarnation()
                && state.authority_key() != newest.authority_key()
        })
    });
    let Some(other) = other else { return Ok(()) };
    let own = found
        .iter()
        .find(|one| one.kept.as_deref().is_ok_and(|state| order_of(state) == order_of(newest)));
    let paths = [own, Some(other)].into_iter().flatten();
    Err(Refused::Split(paths.map(|one| one.path.display().to_string()).collect()))
}

/// Stores of the state on the disks that were given.
pub fn usable<'a>(found: &'a [Found], state: &ClusterState) -> Vec<&'a Found> {
    let is_known = |one: &&Found| {
        let record = state.disks().get(&one.identity.disk);
        record.is_some_and(|disk| disk.store.0 == one.identity.store_uuid)
    };
    found.iter().filter(is_known).collect()
}

/// What people are shown before and after. `unreadable`: disks that were named and of no use.
pub fn view(found: &[Found], state: &ClusterState, unreadable: &[String]) -> Value {
    let usable = usable(found, state);
    let disks: Vec<Value> = state
        .disks()
        .values()
        .map(|disk| {
            let here = usable.iter().find(|one| one.identity.disk == disk.id);
            let peer = &state.peers()[&disk.peer].name;
            let path = here.map(|one| one.path.display().to_string());
            json!({ "disk": disk.id.0, "peer": peer, "was_at": disk.path, "found_at": path })
        })
        .collect();
    let index = |one: &Found| one.kept.as_ref().ok().map(|state| state.index());
    let older = found.iter().filter(|one| index(one) != Some(state.index()));
    let strangers = found.iter().filter(|one| !usable.iter().any(|other| other.path == one.path));
    let paths = |all: Vec<&Found>| -> Vec<String> {
        all.into_iter().map(|one| one.path.display().to_string()).collect()
    };
    json!({
        "name": state.name(),
        "cluster_id": state.cluster_id(),
        "incarnation": state.incarnation(),
        "map_epoch": state.map_epoch(),
        "index": state.index(),
        "time_ms": state.time_ms(),
        "volumes": state.volumes().values().filter(|v| v.is_active()).count(),
        "disks": disks,
        "older": paths(older.collect()),
        "unknown": paths(strangers.collect()),
        "unreadable": unreadable,
    })
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
