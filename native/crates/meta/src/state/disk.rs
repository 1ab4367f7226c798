//! Disks and the identity of the stores on them.

use serde::{Deserialize, Serialize};
use shoal_types::{DiskId, PeerId};

use super::limits::WEIGHT_MAX;
use super::name::check_text;
use super::outcome::{Fault, Kind, Rejection};
use super::peer::Standing;
use crate::codec::{codec_enum, codec_struct};
use crate::hex::StoreUuid;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    pub id: DiskId,
    pub peer: PeerId,
    /// Of the store's superblock: a disk with another store on it is another disk.
    pub store: StoreUuid,
    /// Where its peer finds it; for people.
    pub path: String,
    pub size_bytes: u64,
    pub class: DiskClass,
    /// Share of the data, in GiB unless set otherwise.
    pub weight: u32,
    pub state: Standing,
    /// Kept free for deletes, folds and metadata.
    pub reserve_bytes: u64,
    /// Incarnation of the cluster in which the store was made.
    pub incarnation: u32,
    /// Newest start number that the store announced. A store that comes with an older one was
    /// rolled back, and is not in sync again without a full rebuild (docs/protocol.md rule 30).
    pub store_session: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDisk {
    pub peer: PeerId,
    pub store: StoreUuid,
    pub path: String,
    pub size_bytes: u64,
    pub class: DiskClass,
    pub weight: u32,
    pub reserve_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskClass {
    Nvme,
    Ssd,
    Hdd,
}

impl NewDisk {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_text(Kind::Disk, &self.path)?;
        if self.size_bytes == 0 || self.reserve_bytes >= self.size_bytes {
            return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::Size });
        }
        check_weight(self.weight)
    }

    pub(super) fn into_disk(self, id: DiskId, incarnation: u32) -> Disk {
        Disk {
            id,
            peer: self.peer,
            store: self.store,
            path: self.path,
            size_bytes: self.size_bytes,
            class: self.class,
            weight: self.weight,
            state: Standing::In,
            reserve_bytes: self.reserve_bytes,
            incarnation,
            store_session: 0,
        }
    }
}

pub(super) fn check_weight(weight: u32) -> Result<(), Rejection> {
    if weight > WEIGHT_MAX {
        return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::Weight });
    }
    Ok(())
}

codec_struct!(Disk {
    id,
    peer,
    store,
    path,
    size_bytes,
    class,
    weight,
    state,
    reserve_bytes,
    incarnation,
    store_session,
});
codec_struct!(NewDisk { peer, store, path, size_bytes, class, weight, reserve_bytes });
codec_enum!(DiskClass: u8 { 1 => Nvme, 2 => Ssd, 3 => Hdd });
