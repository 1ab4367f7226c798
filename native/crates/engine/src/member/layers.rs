//! Layers: known before their first write, gone by name.

use shoal_types::{HeadEpoch, LayerId, Refusal, StoreOp, VolumeId};

use super::job::Job;
use super::{Member, ReplyTo};
use crate::planted::{Bug, is_planted};

impl Member {
    pub(super) fn on_open_layer(
        &mut self,
        to: ReplyTo,
        volume: VolumeId,
        layer: LayerId,
        head_epoch: HeadEpoch,
    ) {
        let taken = self.layers.get(&layer).is_some_and(|owner| *owner != volume);
        let checked = match self.fenced {
            true => Err(Refusal::Fenced),
            false => self.check_head(volume, head_epoch),
        };
        if let Err(refusal) = checked {
            return self.refuse(to, refusal);
        }
        if taken || self.gone.has(layer) {
            return self.refuse(to, Refusal::Deleted);
        }
        self.layers.insert(layer, volume);
        self.submit(Job::OpenLayer { to, layer }, StoreOp::OpenLayer { volume, layer });
    }

    pub(super) fn on_delete_layer(&mut self, layer: LayerId) {
        let volume = self.layers.remove(&layer);
        self.gone.delete(volume, layer);
        if let Some(volume) = volume.filter(|volume| !self.has_layer_of(*volume)) {
            self.refused.retain(|(_, of), _| *of != volume);
        }
        let op = match is_planted(Bug::DeletedLayerKept) {
            true => StoreOp::ForgetLayer { layer },
            false => StoreOp::DeleteLayer { layer },
        };
        self.submit(Job::DeleteLayer { layer }, op);
    }

    pub(super) fn on_forget_layer(&mut self, layer: LayerId) {
        if let Some(volume) = self.gone.forget(layer).filter(|v| !self.has_layer_of(*v)) {
            self.forget_volume(volume);
        }
        self.submit(Job::Silent, StoreOp::ForgetLayer { layer });
    }

    fn has_layer_of(&self, volume: VolumeId) -> bool {
        self.layers.values().any(|of| *of == volume)
    }

    /// As the store does once the layer's blocks are gone: rows of volumes that were would fill it.
    fn forget_volume(&mut self, volume: VolumeId) {
        self.heads.remove(&volume);
        for pg in self.pgs.keys() {
            self.marks.remove(&(*pg, volume));
        }
    }
}
