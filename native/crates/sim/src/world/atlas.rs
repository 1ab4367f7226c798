//! What must be true at the moment of an acknowledgement; which disks may be lost.

use shoal_types::placement_hash::pg_index;
use shoal_types::{BlockState, DiskId, LayerId, LineageId, PgId, VolumeId};

use super::World;
use crate::check::value::{SECTOR_BYTES, SECTORS, value_of};

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
        for sector in from..from + count {
            let block = sector / SECTORS;
            let pg = self.pg_of(volume, block);
            let holders = self.cluster.records[&pg].in_sync.clone();
            if holders.len() < self.plan.min_in_sync as usize {
                // Somebody left after the last acknowledgement came; the others are checked.
                self.note(|| format!("{pg} is below its minimum now"));
            }
            for disk in holders {
                let layer = LayerId(volume.0 * 10);
                let Some(image) = self.disks[&disk].store.durable() else { continue };
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
        self.cluster.records.values().all(|r| !r.is_in_sync(disk) || r.in_sync.len() > 1)
    }
}

pub fn held_value(state: &BlockState, sector: u64) -> Option<u64> {
    match state {
        BlockState::Absent | BlockState::Zero => Some(0),
        BlockState::Data { data, .. } => {
            let at = (sector % SECTORS) as usize * SECTOR_BYTES;
            value_of(&data[at..at + SECTOR_BYTES])
        }
    }
}
