//! A disk as the map shows it: without what only its own peer needs.

use serde::Serialize;
use shoal_types::{DiskId, PeerId};

use crate::codec::codec_struct;
use crate::hex::StoreUuid;
use crate::state::{Disk, DiskClass, Standing};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapDisk {
    pub id: DiskId,
    pub peer: PeerId,
    pub store: StoreUuid,
    pub size_bytes: u64,
    pub class: DiskClass,
    pub weight: u32,
    pub state: Standing,
    pub reserve_bytes: u64,
    pub incarnation: u32,
}

impl From<&Disk> for MapDisk {
    fn from(disk: &Disk) -> Self {
        Self {
            id: disk.id,
            peer: disk.peer,
            store: disk.store,
            size_bytes: disk.size_bytes,
            class: disk.class,
            weight: disk.weight,
            state: disk.state,
            reserve_bytes: disk.reserve_bytes,
            incarnation: disk.incarnation,
        }
    }
}

codec_struct!(MapDisk {
    id,
    peer,
    store,
    size_bytes,
    class,
    weight,
    state,
    reserve_bytes,
    incarnation,
});
