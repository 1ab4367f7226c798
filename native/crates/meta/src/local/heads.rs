//! Heads and attachments, as the peer that has them sees them.

use shoal_engine::head::{HeadConfig, HeadTiming, ReadMode};
use shoal_types::{DiskId, HeadEpoch, PeerId, VolumeId};

use crate::hex::ProcessNonce;
use crate::state::{self, ClusterState, Command, Volume};

/// Active volumes that `me` has attached, with their generations.
pub fn attached_to(state: &ClusterState, me: PeerId) -> Vec<(VolumeId, u64)> {
    let active = state.volumes().values().filter(|volume| volume.is_active());
    let attached = active.filter_map(|volume| Some((volume.id, volume.attachment?)));
    let mine = attached.filter(|(_, attachment)| attachment.peer == me);
    mine.map(|(volume, attachment)| (volume, attachment.generation)).collect()
}

/// Did another attachment begin since the one of `generation`?
pub fn is_taken_over(volume: &Volume, me: Option<PeerId>, generation: u64) -> bool {
    let elsewhere = volume.attachment.is_some_and(|a| Some(a.peer) != me);
    // An end in order raises the generation by one, a later attachment once more.
    elsewhere || volume.generation > generation + 1
}

/// The cluster remembers a device of that attachment until it is detached.
pub fn is_remembered_as_fenced(volume: &Volume, me: Option<PeerId>, generation: u64) -> bool {
    volume.fenced.iter().any(|f| Some(f.peer) == me && f.generation == generation)
}

/// Heads of volumes that are attached elsewhere now, which `me` owns and does not have: an earlier
/// process had them, or they were granted after they had been given up, or the word that they were
/// given back was lost. NOBODY ELSE COULD TAKE THEM, for the lease seems good for as long as this peer
/// lives. They are given back, in the name of whoever took them. `has`: this process has that head, or
/// asks for it.
pub fn orphaned_heads(
    state: &ClusterState,
    me: PeerId,
    process: ProcessNonce,
    has: impl Fn(VolumeId, HeadEpoch) -> bool,
) -> Vec<Command> {
    let orphaned = state.volumes().values().filter_map(|volume| {
        let owner = volume.head.owner?;
        let elsewhere = volume.attachment.is_none_or(|a| a.peer != me);
        let had = owner.process == process && has(volume.id, volume.head.epoch);
        let is_orphan = elsewhere && owner.peer == me && !had;
        is_orphan.then_some(Command::ReleaseHead {
            volume: volume.id,
            peer: me,
            process: owner.process,
            head_epoch: volume.head.epoch,
        })
    });
    orphaned.collect()
}

/// How the head of `head_epoch` knows its reads to be good: as its successor counts on. ONE THAT IS NO
/// LONGER THE NEWEST HAS NO LEASE TO ANSWER BY, whatever holds for the newest.
pub fn head_reads(state: &ClusterState, volume: VolumeId, head_epoch: HeadEpoch) -> ReadMode {
    let is_newest = state.volumes().get(&volume).is_some_and(|v| v.head.epoch == head_epoch);
    match state.head_reads(volume) {
        state::ReadMode::Lease if is_newest => ReadMode::Lease,
        state::ReadMode::Lease | state::ReadMode::Confirmed => ReadMode::Confirmed,
    }
}

/// Of the head of an active volume.
pub fn head_config(
    state: &ClusterState,
    volume: &Volume,
    local_disks: Vec<DiskId>,
    timing: HeadTiming,
) -> Option<HeadConfig> {
    let policy = state.policies().get(&volume.policy)?;
    Some(HeadConfig {
        volume: volume.id,
        lineage: volume.lineage,
        layer: volume.top_layer(),
        size_bytes: volume.size_bytes,
        policy: policy.id,
        pg_count: state.volume_pg_count(volume.id)?,
        blocks_per_extent: policy.blocks_per_extent,
        min_in_sync: u32::from(policy.min_in_sync),
        local_disks,
        timing,
    })
}
