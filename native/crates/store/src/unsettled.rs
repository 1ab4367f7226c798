//! Dirty blocks above the watermark, per (volume, PG): what a take-over asks for. What a fold
//! moved to the index above the watermark is found there.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::{Seq, Version, VolumeId};

type Key = (VolumeId, u32);

#[derive(Default)]
pub struct Unsettled {
    /// Per (volume, PG number): (version, layer number, block).
    lists: BTreeMap<Key, BTreeSet<(Version, u32, u64)>>,
}

impl Unsettled {
    pub fn insert(&mut self, volume: VolumeId, pg: u32, version: Version, layer: u32, block: u64) {
        self.lists.entry((volume, pg)).or_default().insert((version, layer, block));
    }

    pub fn remove(&mut self, volume: VolumeId, pg: u32, version: Version, layer: u32, block: u64) {
        if let Some(list) = self.lists.get_mut(&(volume, pg)) {
            list.remove(&(version, layer, block));
        }
    }

    /// Everything up to `watermark` is settled.
    pub fn settle(&mut self, volume: VolumeId, pg: u32, watermark: Version) {
        if let Some(list) = self.lists.get_mut(&(volume, pg)) {
            let above = Version { seq: Seq(watermark.seq.0 + 1), ..watermark };
            *list = list.split_off(&(above, 0, 0));
        }
    }

    pub fn drop_pg(&mut self, pg: u32) {
        self.lists.retain(|(_, p), _| *p != pg);
    }

    /// (layer number, block), in no useful order.
    pub fn of(&self, volume: VolumeId, pg: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let list = self.lists.get(&(volume, pg));
        list.into_iter().flatten().map(|(_, layer, block)| (*layer, *block))
    }
}
