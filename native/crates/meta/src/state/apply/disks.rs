//! Disks come, change and go.

use shoal_types::{DiskId, PgId};

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::command::Command;
use super::super::disk::{Disk, NewDisk, check_weight};
use super::super::event::Severity;
use super::super::limits::DISKS_MAX;
use super::super::name::check_text;
use super::super::outcome::{
    Applied, Fault, Kind, Outcome, PgOutcome, PgRefused, PgResult, Rejection,
};
use super::super::volume::VolumeState;
use crate::hex::StoreUuid;

impl ClusterState {
    pub(super) fn disk(&self, id: DiskId) -> Result<&Disk, Rejection> {
        self.disks.get(&id).ok_or(Rejection::NotFound { what: Kind::Disk, id: id.0 })
    }

    pub(super) fn add_disk(&mut self, disk: &NewDisk) -> Outcome {
        disk.check()?;
        if self.peer(disk.peer)?.witness {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::Witness });
        }
        if let Some(other) = self.disks.values().find(|d| d.store == disk.store) {
            return Err(Rejection::Exists { what: Kind::Disk, id: other.id.0 });
        }
        if self.disks.len() >= DISKS_MAX {
            return Err(Rejection::Limit { what: Kind::Disk, max: DISKS_MAX as u64 });
        }
        self.counters.disk += 1;
        let id = DiskId(self.counters.disk);
        self.disks.insert(id, disk.clone().into_disk(id, self.incarnation));
        self.touch(Touched::Disk(id));
        Ok(Applied::Disk { disk: id })
    }

    pub(super) fn set_disk(&mut self, command: &Command) -> Outcome {
        let Command::SetDisk { disk: id, state, weight, size_bytes, reserve_bytes, path, peer } =
            command
        else {
            unreachable!("dispatched by variant");
        };
        let mut disk = self.disk(*id)?.clone();
        disk.state = state.unwrap_or(disk.state);
        let standing = *state;
        disk.weight = weight.unwrap_or(disk.weight);
        check_weight(disk.weight)?;
        disk.size_bytes = size_bytes.unwrap_or(disk.size_bytes);
        disk.reserve_bytes = reserve_bytes.unwrap_or(disk.reserve_bytes);
        if disk.size_bytes == 0 || disk.reserve_bytes >= disk.size_bytes {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::Size });
        }
        if let Some(path) = path {
            check_text(Kind::Disk, path)?;
            disk.path.clone_from(path);
        }
        if let Some(peer) = peer {
            disk.peer = self.peer(*peer)?.id;
        }
        if let Some(standing) = standing {
            self.note_disk_standing(*id, standing);
        }
        if self.disks[id] != disk {
            self.disks.insert(*id, disk);
            self.touch(Touched::Disk(*id));
        }
        Ok(Applied::Done)
    }

    /// Not part of the map: a start moves no data.
    pub(super) fn announce_store(&mut self, id: DiskId, store: StoreUuid, session: u64) -> Outcome {
        let disk = self.disk(id)?;
        if disk.store != store {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::State });
        }
        if session <= disk.store_session {
            let current = disk.store_session;
            return Err(Rejection::Stale { what: Kind::Disk, expected: session, current });
        }
        self.disks.get_mut(&id).expect("found above").store_session = session;
        Ok(Applied::Done)
    }

    pub(super) fn mark_store_unfit(&mut self, id: DiskId) -> Outcome {
        self.disk(id)?;
        let mut results = Vec::new();
        for record in self.tables.values_mut().flat_map(|table| table.records_mut()) {
            let Some(member) = record.member(id) else { continue };
            if member.full && !record.is_in_sync(id) {
                continue;
            }
            let left = record.mark_full(id).expect("it is a member");
            let epoch = record.epoch;
            let blocks = !left && record.is_in_sync(id);
            let outcome = if blocks {
                PgOutcome::Refused { reason: PgRefused::LastInSync }
            } else {
                PgOutcome::Changed { epoch }
            };
            results.push(PgResult { pg: record.pg, outcome });
        }
        self.touch_pgs(results.iter().map(|r| r.pg));
        self.await_purges_again(id);
        let message = "its store lost writes: to be filled anew".to_owned();
        self.note(Severity::Error, "store_unfit", message, format!("disk {}", id.0));
        Ok(Applied::Pgs { results })
    }

    pub(super) fn remove_disk(&mut self, id: DiskId) -> Outcome {
        self.disk(id)?;
        let named = |record: &&shoal_engine::insync::PgRecord| record.member(id).is_some();
        let user = self.tables.values().find_map(|table| table.records().find(named));
        if let Some(record) = user {
            let (by, by_id) = (Kind::Policy, u64::from(record.pg.policy.0));
            return Err(Rejection::InUse { what: Kind::Disk, id: id.0, by, by_id });
        }
        self.disks.remove(&id);
        self.placing.labels.remove(&id);
        self.fill.0.remove(&id);
        self.upkeep.forget_disk(id);
        self.restored.forget_disk(id);
        for gone in self.forget_lost_peers() {
            self.touch(Touched::Peer(gone));
        }
        self.forget_purges_of(id);
        self.touch(Touched::Disk(id));
        Ok(Applied::Done)
    }

    /// What it knew of deleted volumes is gone with what it held, and it may be filled from one that has
    /// not purged them yet.
    fn await_purges_again(&mut self, id: DiskId) {
        for volume in self.volumes.values_mut() {
            let table = self.tables.get(&volume.policy);
            let is_member = table.is_some_and(|t| t.records().any(|r| r.member(id).is_some()));
            if let VolumeState::Deleting { purge } = &mut volume.state
                && is_member
            {
                purge.insert(id);
            }
        }
    }

    /// A disk that is gone for good has nothing left to purge.
    fn forget_purges_of(&mut self, id: DiskId) {
        self.volumes.retain(|_, volume| match &mut volume.state {
            VolumeState::Active => true,
            VolumeState::Deleting { purge } => {
                purge.remove(&id);
                !purge.is_empty()
            }
        });
    }

    pub(super) fn touch_pgs(&mut self, pgs: impl Iterator<Item = PgId>) {
        for pg in pgs {
            self.touch(Touched::Pg(pg));
        }
    }
}
