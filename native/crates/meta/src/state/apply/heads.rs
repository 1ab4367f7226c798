//! Who orders a volume's I/O (docs/protocol.md rules 11, 28).

use shoal_engine::planted::{Bug, is_planted};
use shoal_types::{HeadEpoch, PeerId, VolumeId};

use super::super::cluster::ClusterState;
use super::super::command::{Command, TakeBasis};
use super::super::event::Severity;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::policy::ReadMode;
use super::super::volume::{HeadOwner, Volume};
use crate::hex::ProcessNonce;

impl ClusterState {
    /// Rule 11: he + 1 for every take, under the attachment's generation, both compared here.
    pub(super) fn take_head(&mut self, command: &Command) -> Outcome {
        let Command::TakeHead { volume: id, peer, process, generation, expected, basis } = command
        else {
            unreachable!("dispatched by variant");
        };
        let volume = self.active(*id)?;
        let held = |a: &super::super::Attachment| a.peer == *peer && a.generation == *generation;
        let held = volume.attachment.as_ref().is_some_and(held);
        if !held && !is_planted(Bug::GenerationUnchecked) {
            return Err(Rejection::NotAttached { volume: *id, generation: volume.generation });
        }
        if volume.head.epoch != *expected {
            let (expected, current) = (u64::from(expected.0), u64::from(volume.head.epoch.0));
            return Err(Rejection::Stale { what: Kind::Head, expected, current });
        }
        self.check_basis(volume, *peer, *basis)?;
        let fenced = volume.head.owner.filter(|owner| owner.peer != *peer);
        let name = volume.name.clone();
        let head = &mut self.change_volume(*id).head;
        head.epoch = head.epoch.next();
        let owner = HeadOwner { peer: *peer, process: *process, generation: *generation };
        head.owner = Some(owner);
        let head_epoch = head.epoch;
        self.settle_reads(*id);
        if let Some(old) = fenced {
            let message =
                format!("head of {name} moved from peer {} to peer {}", old.peer.0, peer.0);
            self.note(Severity::Warn, "head_taken_over", message, format!("volume {}", id.0));
        }
        Ok(Applied::Head { head_epoch })
    }

    /// The leader's judgement must fit what the log knows: a judgement that was overtaken fails.
    fn check_basis(
        &self,
        volume: &Volume,
        peer: PeerId,
        basis: TakeBasis,
    ) -> Result<(), Rejection> {
        let fits = match (volume.head.owner, basis) {
            (None, _) | (Some(_), TakeBasis::LeaseOver) => true,
            (Some(_), TakeBasis::Free) => false,
            (Some(owner), TakeBasis::Own) => owner.peer == peer,
            (Some(_), TakeBasis::Confirmed) => self.head_reads(volume.id) == ReadMode::Confirmed,
        };
        match volume.head.owner {
            Some(owner) if !fits => {
                let (peer, head_epoch) = (owner.peer, volume.head.epoch);
                Err(Rejection::HeadHeld { volume: volume.id, peer, head_epoch })
            }
            _ => Ok(()),
        }
    }

    /// Idempotent for the owner that released before.
    pub(super) fn release_head(
        &mut self,
        id: VolumeId,
        peer: PeerId,
        process: ProcessNonce,
        head_epoch: HeadEpoch,
    ) -> Outcome {
        let head = &self.volume(id)?.head;
        if head.epoch != head_epoch {
            let (expected, current) = (u64::from(head_epoch.0), u64::from(head.epoch.0));
            return Err(Rejection::Stale { what: Kind::Head, expected, current });
        }
        match head.owner {
            Some(owner) if owner.peer != peer || owner.process != process => {
                Err(Rejection::Invalid { what: Kind::Head, fault: Fault::Basis })
            }
            _ => {
                self.change_volume(id).head.owner = None;
                self.forget_reads(id);
                Ok(Applied::Done)
            }
        }
    }
}
