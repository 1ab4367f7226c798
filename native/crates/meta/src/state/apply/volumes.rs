//! Volumes: created thin, grown, renamed, deleted by tombstone.

use std::collections::BTreeSet;

use shoal_types::{DiskId, LayerId, LineageId, PolicyId, VolumeId};

use super::super::cluster::ClusterState;
use super::super::limits::{VOLUME_ALIGN_BYTES, VOLUME_BYTES_MAX, VOLUMES_MAX};
use super::super::name::check_name;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::volume::{Head, Volume, VolumeState};

impl ClusterState {
    pub(super) fn volume(&self, id: VolumeId) -> Result<&Volume, Rejection> {
        let volume = self.volumes.get(&id);
        volume.ok_or(Rejection::NotFound { what: Kind::Volume, id: id.0 })
    }

    /// A volume that is not being deleted.
    pub(super) fn active(&self, id: VolumeId) -> Result<&Volume, Rejection> {
        let volume = self.volume(id)?;
        let deleting = Rejection::Invalid { what: Kind::Volume, fault: Fault::Deleting };
        if volume.is_active() { Ok(volume) } else { Err(deleting) }
    }

    pub(super) fn change_volume(&mut self, id: VolumeId) -> &mut Volume {
        self.volumes.get_mut(&id).expect("looked up by the same command")
    }

    fn check_volume_name(&self, name: &str) -> Result<(), Rejection> {
        check_name(Kind::Volume, name)?;
        match self.volume_by_name(name) {
            Some(other) => Err(Rejection::Exists { what: Kind::Volume, id: other.id.0 }),
            None => Ok(()),
        }
    }

    pub(super) fn create_volume(
        &mut self,
        name: &str,
        size_bytes: u64,
        block_size: u32,
        policy: PolicyId,
    ) -> Outcome {
        self.check_volume_name(name)?;
        check_size(size_bytes)?;
        if !matches!(block_size, 512 | 4096) {
            return Err(Rejection::Invalid { what: Kind::Volume, fault: Fault::BlockSize });
        }
        let policy = self.policy(policy)?.id;
        if self.volumes.len() >= VOLUMES_MAX {
            return Err(Rejection::Limit { what: Kind::Volume, max: VOLUMES_MAX as u64 });
        }
        self.counters.volume += 1;
        self.counters.lineage += 1;
        self.counters.layer += 1;
        let id = VolumeId(self.counters.volume);
        let (lineage, layer) = (LineageId(self.counters.lineage), LayerId(self.counters.layer));
        let volume = Volume {
            id,
            name: name.to_owned(),
            size_bytes,
            block_size,
            policy,
            lineage,
            layers: vec![layer],
            state: VolumeState::Active,
            created_ms: self.time_ms,
            head: Head::default(),
            generation: 0,
            attachment: None,
            fenced: Vec::new(),
        };
        self.volumes.insert(id, volume);
        Ok(Applied::Volume { volume: id, lineage, layer })
    }

    pub(super) fn resize_volume(
        &mut self,
        id: VolumeId,
        size_bytes: u64,
        expected: u64,
    ) -> Outcome {
        let current = self.active(id)?.size_bytes;
        check_size(size_bytes)?;
        if current != expected {
            return Err(Rejection::Stale { what: Kind::Volume, expected, current });
        }
        if size_bytes < current {
            return Err(Rejection::Invalid { what: Kind::Volume, fault: Fault::Shrink });
        }
        self.change_volume(id).size_bytes = size_bytes;
        Ok(Applied::Done)
    }

    pub(super) fn rename_volume(&mut self, id: VolumeId, name: &str) -> Outcome {
        if self.active(id)?.name != name {
            self.check_volume_name(name)?;
            name.clone_into(&mut self.change_volume(id).name);
        }
        Ok(Applied::Done)
    }

    pub(super) fn delete_volume(&mut self, id: VolumeId) -> Outcome {
        let volume = self.active(id)?;
        if let Some(attachment) = volume.attachment {
            let (peer, generation) = (attachment.peer, attachment.generation);
            return Err(Rejection::Attached { volume: id, peer, generation });
        }
        let table = &self.tables[&volume.policy];
        let purge: BTreeSet<DiskId> =
            table.records().flat_map(|r| r.members.iter().map(|m| m.disk)).collect();
        self.growth.grains.remove(&id);
        self.forget_reads(id);
        if purge.is_empty() {
            self.volumes.remove(&id);
        } else {
            self.change_volume(id).state = VolumeState::Deleting { purge };
        }
        Ok(Applied::Done)
    }

    /// Idempotent: a disk, or the whole tombstone, may be gone already.
    pub(super) fn purge_done(&mut self, id: VolumeId, disks: &[DiskId]) -> Outcome {
        let Some(volume) = self.volumes.get_mut(&id) else { return Ok(Applied::Done) };
        let VolumeState::Deleting { purge } = &mut volume.state else {
            return Err(Rejection::Invalid { what: Kind::Volume, fault: Fault::State });
        };
        purge.retain(|disk| !disks.contains(disk));
        if purge.is_empty() {
            self.volumes.remove(&id);
        }
        Ok(Applied::Done)
    }
}

fn check_size(size_bytes: u64) -> Result<(), Rejection> {
    if size_bytes == 0
        || size_bytes > VOLUME_BYTES_MAX
        || !size_bytes.is_multiple_of(VOLUME_ALIGN_BYTES)
    {
        return Err(Rejection::Invalid { what: Kind::Volume, fault: Fault::Size });
    }
    Ok(())
}
