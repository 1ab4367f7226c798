//! What must be true at the moment of an acknowledgement; which disks may be lost.

use shoal_engine::insync::PgRecord;
use shoal_engine::member::Recovered;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::placement_hash::pg_index;
use shoal_types::{BlockState, DiskId, LineageId, PgId, VolumeId};

use super::World;
use super::members::DiskState;
use crate::check::value::{SECTOR_BYTES, SECTORS, value_of};
use crate::disk_fault::OpenError;

impl World {
    pub fn pg_of(&self, volume: VolumeId, block: u64) -> PgId {
        let extent = block / u64::from(self.plan.blocks_per_extent);
        PgId::new(1, pg_index(LineageId(volume.0), extent, self.plan.pg_count))
    }

    /// Acknowledged = durable on every in-sync member, under this head or a later one.
    pub fn check_acknowledged(
        &mut self,
        head: u64,
        volume: VolumeId,
        from: u64,
        count: u64,
        value: u64,
    ) {
        let Some(head_epoch) = self.heads.get(&head).map(|h| h.head_epoch) else { return };
        if self.cluster.deleted.has(volume) {
            return;
        }
        for sector in from..from + count {
            let block = sector / SECTORS;
            let pg = self.pg_of(volume, block);
            let holders = self.cluster.records[&pg].in_sync.clone();
            if holders.len() < self.plan.min_in_sync as usize {
                // Somebody left after the last acknowledgement came; the others are checked.
                self.note(|| format!("{pg} is below its minimum now"));
            }
            for disk in holders {
                let layer = self.plan.layer_of(volume);
                let state = &self.disks[&disk];
                // Gone or replaced since it acknowledged: found out when it is opened.
                let exchanged = state.kept.is_some() || state.swapped;
                let Some(image) = state.store.durable().filter(|_| !exchanged) else { continue };
                let entry = image.blocks.get(&(pg, layer, block));
                let held = entry.map(|e| (e.version.head_epoch, held_value(&e.state, sector)));
                // A piece of a longer request may have been overwritten by a later one already.
                let single = from / SECTORS == (from + count - 1) / SECTORS;
                let later = |held: u64| !single && (held > value || held == 0);
                let fine = match held {
                    Some((epoch, _)) if epoch > head_epoch => true,
                    Some((_, Some(held))) => held == value || later(held),
                    Some((_, None)) => false,
                    // Zeros copied from a source that holds nothing.
                    None => value == 0,
                };
                if !fine {
                    return self.fail(format!(
                        "volume {volume} sector {sector} was acknowledged as {value} by \
                         {head_epoch:?}, and {disk} holds {held:?}"
                    ));
                }
            }
        }
    }

    /// A disk may be lost only while some other in-sync member holds what it holds.
    pub fn may_lose(&self, disk: DiskId) -> bool {
        let other = |r: &PgRecord| r.in_sync.iter().any(|d| *d != disk && self.is_sound(*d));
        self.cluster.records.values().all(|r| !r.is_in_sync(disk) || other(r))
    }

    /// Another member holds good bytes of all that this disk may spoil.
    pub fn may_damage(&self, disk: DiskId) -> bool {
        let other = |r: &PgRecord| r.in_sync.iter().any(|d| *d != disk && self.is_sound(*d));
        self.cluster.records.values().all(|r| r.member(disk).is_none() || other(r))
    }

    fn is_sound(&self, disk: DiskId) -> bool {
        let state = &self.disks[&disk];
        let exchanged = state.kept.is_some() || state.swapped || state.given_up;
        !state.store.is_damaged() && !exchanged
    }

    /// One in-sync member of each PG has only good copies: else the promise would not hold.
    pub fn keep_a_good_copy(&mut self, pg: PgId) {
        let in_sync = self.cluster.records[&pg].in_sync.clone();
        if in_sync.iter().any(|d| self.is_sound(*d)) {
            return;
        }
        let exchanged = |d: &DiskState| d.kept.is_some() || d.swapped || d.given_up;
        let store = |d: &&DiskId| !exchanged(&self.disks[*d]);
        let Some(disk) = in_sync.iter().find(store).copied() else { return };
        self.note(|| format!("{disk} must be the good copy of {pg}"));
        self.damage_until_us = self.now_us + EXCUSED_US;
        self.disk(disk).store.undo_damage();
    }

    /// A client may be told EIO: a damage was just undone, and an answer that was under way then may
    /// still say it. Otherwise one in-sync member of each group always has a good copy.
    pub fn may_be_bad(&self) -> bool {
        self.damage_until_us > self.now_us
    }

    /// What a start finds on the disk, and what the cluster makes of it (docs/protocol.md, "Damaged
    /// stores"). `None`: it is another disk's store, which stays out.
    pub fn open_store(&mut self, id: DiskId) -> Option<Recovered> {
        let known = self.cluster.positions.get(&id).copied().unwrap_or(0);
        let found = self.disk(id).store.open(id);
        let store = &self.disks[&id].store;
        let why = match found {
            Ok(_) if store.may_have_lost() => None,
            // Each start makes the log longer.
            Ok(_) if store.position() <= known && !is_planted(Bug::RollbackUnnoticed) => {
                Some("an older image".to_owned())
            }
            Ok(recovered) => return Some(self.store_opened(id, recovered)),
            Err(OpenError::OtherDisk { found }) => {
                self.note(|| format!("{id} holds the store of {found}"));
                return None;
            }
            Err(OpenError::Damaged(why)) => Some(why),
        };
        self.disk(id).store.close();
        let Some(why) = why.filter(|_| self.may_lose(id)) else { return self.put_right(id) };
        self.note(|| format!("{id} is replaced: {why}"));
        Some(self.replace_store(id, known))
    }

    /// The fault did not happen: the promise needs this copy.
    pub fn put_right(&mut self, id: DiskId) -> Option<Recovered> {
        self.note(|| format!("{id} must be a good copy"));
        let disk = self.disk(id);
        // The start that met the damage has not happened either.
        disk.store.close();
        if let Some(kept) = disk.kept.take() {
            disk.store.restore(kept);
        }
        disk.store.undo_damage();
        match disk.store.open(id) {
            Ok(recovered) => Some(self.store_opened(id, recovered)),
            Err(error) => {
                self.fail(format!("{id} does not open although nothing is wrong: {error:?}"));
                None
            }
        }
    }

    /// Rule 30: registered before it serves, under the same name, beyond what was heard of it.
    fn replace_store(&mut self, id: DiskId, known: u64) -> Recovered {
        self.cluster.deleted.made_anew(id);
        let disk = self.disk(id);
        (disk.kept, disk.old) = (None, None);
        disk.store.format(id, known);
        let unnoticed = is_planted(Bug::H18WipeUnnoticed);
        disk.replaced |= !unnoticed;
        for pg in self.pgs() {
            let record = self.cluster.records.get_mut(&pg).expect("listed");
            if !unnoticed && record.mark_full(id).is_ok() {
                self.changed(pg);
            }
        }
        let recovered = self.disk(id).store.open(id).expect("it was just made");
        self.store_opened(id, recovered)
    }

    fn store_opened(&mut self, id: DiskId, recovered: Recovered) -> Recovered {
        let disk = self.disk(id);
        disk.kept = None;
        let position = disk.store.position();
        // Services hear of it first.
        if !self.has_services() {
            self.cluster.positions.insert(id, position);
        }
        recovered
    }
}

/// So long after a damage was undone.
const EXCUSED_US: u64 = 10_000_000;

pub fn held_value(state: &BlockState, sector: u64) -> Option<u64> {
    match state {
        BlockState::Absent | BlockState::Zero => Some(0),
        BlockState::Data { data, .. } => {
            let at = (sector % SECTORS) as usize * SECTOR_BYTES;
            value_of(&data[at..at + SECTOR_BYTES])
        }
    }
}
