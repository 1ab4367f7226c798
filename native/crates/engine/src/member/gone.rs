//! Layers that were deleted. What names one comes too late, however long it was under way: a head that lost
//! its volume finishes, a source told a joiner of its layers before it dropped them itself.

use std::collections::BTreeSet;

use shoal_types::LayerId;

use crate::common::FastSet;

/// Of those that the store forgot. No layer's number is used again, so the lowest are the oldest.
const FORGOTTEN_MAX: usize = 65_536;

#[derive(Clone, Debug, Default)]
pub(super) struct Gone {
    /// The store knows them, too: also after a restart.
    deleted: FastSet<LayerId>,
    forgotten: BTreeSet<LayerId>,
}

impl Gone {
    pub fn new(deleted: Vec<LayerId>) -> Self {
        Self { deleted: deleted.into_iter().collect(), forgotten: BTreeSet::new() }
    }

    pub fn has(&self, layer: LayerId) -> bool {
        self.deleted.contains(&layer) || self.forgotten.contains(&layer)
    }

    pub fn delete(&mut self, layer: LayerId) {
        self.deleted.insert(layer);
    }

    /// Nobody waits for it to be dropped any more.
    pub fn forget(&mut self, layer: LayerId) {
        self.deleted.remove(&layer);
        self.forgotten.insert(layer);
        if self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.pop_first();
        }
    }
}
