//! Layers that were deleted. What names one comes too late, however long it was under way: a head that lost
//! its volume finishes, a source told a joiner of its layers before it dropped them itself.

use std::collections::BTreeSet;

use shoal_types::{LayerId, VolumeId};

use crate::common::{FastMap, FastSet};

/// Of those that the store forgot. No layer's number is used again, so the lowest are the oldest.
const FORGOTTEN_MAX: usize = 65_536;

#[derive(Clone, Debug, Default)]
pub(super) struct Gone {
    /// With their volumes, where the store knows them, too: also after a restart.
    deleted: FastMap<LayerId, Option<VolumeId>>,
    forgotten: BTreeSet<LayerId>,
}

impl Gone {
    pub fn new(deleted: Vec<(VolumeId, LayerId)>) -> Self {
        let deleted = deleted.into_iter().map(|(volume, layer)| (layer, Some(volume))).collect();
        Self { deleted, forgotten: BTreeSet::new() }
    }

    pub fn has(&self, layer: LayerId) -> bool {
        self.deleted.contains_key(&layer) || self.forgotten.contains(&layer)
    }

    /// Deleted, and a layer of it not yet forgotten.
    pub fn volumes(&self) -> FastSet<VolumeId> {
        self.deleted.values().copied().flatten().collect()
    }

    pub fn delete(&mut self, volume: Option<VolumeId>, layer: LayerId) {
        let known = self.deleted.entry(layer).or_default();
        *known = known.or(volume);
    }

    /// Nobody waits for it to be dropped any more. Gives its volume, if no other deleted layer is of that.
    pub fn forget(&mut self, layer: LayerId) -> Option<VolumeId> {
        self.forgotten.insert(layer);
        if self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.pop_first();
        }
        let volume = self.deleted.remove(&layer)?;
        volume.filter(|_| !self.deleted.values().any(|other| *other == volume))
    }
}
