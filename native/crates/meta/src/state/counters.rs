//! The last id given out of each kind. Ids are never used twice.

use serde::Serialize;

use crate::codec::codec_struct;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub peer: u64,
    pub disk: u64,
    pub policy: u32,
    pub volume: u64,
    pub lineage: u64,
    pub layer: u64,
    pub export: u64,
    pub event: u64,
}

codec_struct!(Counters { peer, disk, policy, volume, lineage, layer, export, event });
