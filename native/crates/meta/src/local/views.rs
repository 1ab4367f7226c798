//! Views of placement groups, out of the cluster state.

use shoal_types::{MapEpoch, PgView, PolicyId};

use crate::state::{ClusterState, Touched};

pub fn all_views(state: &ClusterState) -> Vec<PgView> {
    let records = state.tables().values().flat_map(|table| table.records());
    records.map(|record| record.view()).collect()
}

/// All PGs of a policy that have members.
pub fn views_of(state: &ClusterState, policy: PolicyId) -> Vec<PgView> {
    let table = state.table(policy);
    table.into_iter().flat_map(|t| t.records()).map(|record| record.view()).collect()
}

/// Those that changed since `told`, if that is known; else all.
pub fn changed_views(state: &ClusterState, told: Option<MapEpoch>) -> Vec<PgView> {
    let touched = match told {
        Some(epoch) if epoch == state.map_epoch() => return Vec::new(),
        Some(epoch) => state.changed_after(epoch),
        None => None,
    };
    let Some(touched) = touched else { return all_views(state) };
    let view = |part| match part {
        Touched::Pg(pg) => state.pg(pg).map(|record| record.view()),
        _ => None,
    };
    touched.into_iter().filter_map(view).collect()
}
