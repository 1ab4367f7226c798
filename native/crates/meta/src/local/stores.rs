//! What stores and heads report, as commands to the cluster; and what it thinks of a store.

use std::collections::{BTreeSet, HashSet};

use shoal_engine::head::ReportReason;
use shoal_engine::insync::PgRecord;
use shoal_types::{DiskId, LayerId, PgEpoch, PgId, VolumeId};

use crate::service::ReportKind;
use crate::state::{
    Applied, ClusterState, Command, InSyncItem, JoinItem, Outcome, PgOutcome, Standing, VolumeState,
};

/// As what the leader hears of a head's report.
pub fn report_kind(reason: ReportReason) -> ReportKind {
    match reason {
        ReportReason::Disconnected | ReportReason::Slow => ReportKind::Unreachable,
        ReportReason::StoreFenced | ReportReason::Full { .. } | ReportReason::Unreadable => {
            ReportKind::StoreOut
        }
        ReportReason::StoreUnfit | ReportReason::LostWrites => ReportKind::StoreUnfit,
    }
}

pub fn is_joining(state: &ClusterState, item: &InSyncItem) -> bool {
    epoch_of_join(state, item.disk, item.pg, item.join_at).is_some()
}

/// Rule 25: a session that cannot end well is followed by a new joining epoch.
pub fn restart_join(
    state: &ClusterState,
    disk: DiskId,
    pg: PgId,
    join_at: PgEpoch,
) -> Option<Command> {
    let expected = epoch_of_join(state, disk, pg, join_at)?;
    Some(Command::PgJoin { items: vec![JoinItem { pg, disk, expected }] })
}

/// The joining epoch of this disk's session in the group.
pub fn join_of(state: &ClusterState, disk: DiskId, pg: PgId) -> Option<PgEpoch> {
    let joining = state.pg(pg)?.joining.filter(|joining| joining.disk == disk)?;
    Some(joining.join_at)
}

/// Of a command for one group.
pub fn has_changed(outcome: &Applied) -> bool {
    let Applied::Pgs { results } = outcome else { return false };
    results.iter().any(|one| matches!(one.outcome, PgOutcome::Changed { .. }))
}

/// No room: the session is given up; the control plane tries again later.
pub fn cancel_join(
    state: &ClusterState,
    disk: DiskId,
    pg: PgId,
    join_at: PgEpoch,
) -> Option<Command> {
    let expected = epoch_of_join(state, disk, pg, join_at)?;
    Some(Command::PgCancelJoin { pg, disk, expected })
}

/// Where it is not so already. What a person put out stays out; what was given up because it was down
/// is taken back.
pub fn set_down(state: &ClusterState, disk: DiskId, is_down: bool) -> Option<Command> {
    if !is_down && state.is_given_up_alone(disk) {
        return Some(Command::TakeBackDisks { disks: vec![disk] });
    }
    let (from, to) = match is_down {
        true => (Standing::In, Standing::Down),
        false => (Standing::Down, Standing::In),
    };
    state.disks().get(&disk).filter(|d| d.state == from)?;
    Some(Command::SetDisk {
        disk,
        state: Some(to),
        weight: None,
        size_bytes: None,
        reserve_bytes: None,
        path: None,
        peer: None,
    })
}

/// Layers of deleted volumes, and the disks that have still to drop them.
pub fn doomed_layers(state: &ClusterState) -> Vec<(BTreeSet<DiskId>, Vec<LayerId>)> {
    let doomed = state.volumes().values().filter_map(|volume| match &volume.state {
        VolumeState::Deleting { purge } => Some((purge.clone(), volume.layers.clone())),
        VolumeState::Active => None,
    });
    doomed.collect()
}

/// The cluster waits for this disk to drop the layer.
pub fn is_doomed(state: &ClusterState, disk: DiskId, layer: LayerId) -> bool {
    let doomed = doomed_layers(state);
    doomed.iter().any(|(disks, layers)| disks.contains(&disk) && layers.contains(&layer))
}

/// Of volumes that are not forgotten.
pub fn known_layers(state: &ClusterState) -> HashSet<LayerId> {
    state.volumes().values().flat_map(|volume| volume.layers.iter().copied()).collect()
}

pub fn owner_of_layer(state: &ClusterState, layer: LayerId) -> Option<VolumeId> {
    let mut volumes = state.volumes().values();
    volumes.find(|volume| volume.layers.contains(&layer)).map(|volume| volume.id)
}

/// No group waits to be filled anew here: then the store may serve wherever it is a member.
pub fn is_filled(state: &ClusterState, disk: DiskId) -> bool {
    let mut records = state.tables().values().flat_map(|table| table.records());
    !records.any(|record| record.member(disk).is_some_and(|member| member.full))
}

/// Of these groups those in which the disk is in sync and its data is worth something, by epoch.
pub fn admitted(
    state: &ClusterState,
    disk: DiskId,
    pgs: impl Iterator<Item = PgId>,
) -> Vec<(PgId, PgEpoch)> {
    let counts = |record: &&PgRecord| {
        record.is_in_sync(disk) && record.member(disk).is_some_and(|member| !member.full)
    };
    pgs.filter_map(|pg| state.pg(pg)).filter(counts).map(|r| (r.pg, r.epoch)).collect()
}

/// Groups of which this disk is the only one in sync.
pub fn last_in_sync(state: &ClusterState, disk: DiskId) -> usize {
    let records = state.tables().values().flat_map(|table| table.records());
    records.filter(|record| record.view().in_sync == [disk]).count()
}

/// Every group that was asked for changed: nothing of what the disk held is needed.
pub fn is_out(outcome: &Outcome) -> bool {
    let Ok(Applied::Pgs { results }) = outcome else { return false };
    results.iter().all(|one| matches!(one.outcome, PgOutcome::Changed { .. }))
}

/// The group's epoch, as long as exactly this resync is under way.
fn epoch_of_join(
    state: &ClusterState,
    disk: DiskId,
    pg: PgId,
    join_at: PgEpoch,
) -> Option<PgEpoch> {
    let record = state.pg(pg)?;
    let is_ours = record.joining.is_some_and(|j| j.disk == disk && j.join_at == join_at);
    is_ours.then_some(record.epoch)
}
