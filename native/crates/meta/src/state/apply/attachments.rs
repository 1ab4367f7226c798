//! Which peer has a volume. One at a time; each attachment has a generation of its own.

use shoal_types::{PeerId, VolumeId};

use super::super::cluster::ClusterState;
use super::super::command::Command;
use super::super::event::Severity;
use super::super::limits::{EXPORTS_MAX, FENCED_MAX};
use super::super::name::check_text;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::volume::{Attachment, Export, ExportKind, Fenced, Via, Volume};

impl ClusterState {
    /// A peer that has it already (by exports) keeps its generation and gets the device beside.
    pub(super) fn attach(&mut self, command: &Command) -> Outcome {
        let Command::Attach { volume: id, peer, via, read_only, queues, takeover } = command else {
            unreachable!("dispatched by variant");
        };
        let volume = self.active(*id)?;
        self.peer(*peer)?;
        let generation = match volume.attachment {
            Some(held) if held.peer == *peer => held.generation,
            Some(held) => {
                check_takeover(volume, held, *takeover)?;
                self.fence(*id, held)
            }
            None => volume.generation + 1,
        };
        let (via, read_only, queues) = (*via, *read_only, *queues);
        let volume = self.change_volume(*id);
        volume.generation = generation;
        volume.attachment = Some(Attachment { peer: *peer, generation, via, read_only, queues });
        Ok(Applied::Attached { generation })
    }

    /// The old attachment loses its exports; a device is remembered as fenced until its peer
    /// detaches it.
    fn fence(&mut self, id: VolumeId, held: Attachment) -> u64 {
        self.exports.retain(|_, export| export.volume != id);
        let message = format!("attachment of peer {} was taken over", held.peer.0);
        self.note(Severity::Warn, "attachment_fenced", message, format!("volume {}", id.0));
        let volume = self.change_volume(id);
        if held.via != Via::Export {
            volume.fenced.push(Fenced { peer: held.peer, generation: held.generation });
        }
        volume.generation + 1
    }

    pub(super) fn detach(&mut self, id: VolumeId, peer: PeerId, generation: u64) -> Outcome {
        let volume = self.volume(id)?;
        let fenced = Fenced { peer, generation };
        if volume.fenced.contains(&fenced) {
            self.change_volume(id).fenced.retain(|f| *f != fenced);
            return Ok(Applied::Done);
        }
        let held = |a: Attachment| a.peer == peer && a.generation == generation;
        if !volume.attachment.is_some_and(held) {
            return Err(Rejection::NotAttached { volume: id, generation: volume.generation });
        }
        if self.exports.values().any(|export| export.volume == id) {
            let attachment = self.change_volume(id).attachment.as_mut();
            attachment.expect("held").via = Via::Export;
        } else {
            self.end_attachment(id);
        }
        Ok(Applied::Done)
    }

    /// The generation moves on: whoever still holds the old one can never take the head again.
    fn end_attachment(&mut self, id: VolumeId) {
        let volume = self.change_volume(id);
        volume.attachment = None;
        volume.generation += 1;
    }

    /// An export keeps the volume attached by itself; the same one again is the same export.
    pub(super) fn create_export(
        &mut self,
        id: VolumeId,
        peer: PeerId,
        kind: ExportKind,
        path: &str,
    ) -> Outcome {
        let volume = self.active(id)?;
        self.peer(peer)?;
        check_text(Kind::Export, path)?;
        if path.is_empty() {
            return Err(Rejection::Invalid { what: Kind::Export, fault: Fault::Text });
        }
        if let Some(held) = volume.attachment.filter(|a| a.peer != peer) {
            let (peer, generation) = (held.peer, held.generation);
            return Err(Rejection::Attached { volume: id, peer, generation });
        }
        let same = |e: &&Export| e.volume == id && e.kind == kind && e.path == path;
        if let Some(export) = self.exports.values().find(same) {
            let (export, generation) = (export.id, volume.generation);
            return Ok(Applied::Export { export, generation });
        }
        if self.exports.len() >= EXPORTS_MAX {
            return Err(Rejection::Limit { what: Kind::Export, max: EXPORTS_MAX as u64 });
        }
        let generation = self.attach_for_export(id, peer);
        self.counters.export += 1;
        let export = self.counters.export;
        let record = Export { id: export, volume: id, peer, kind, path: path.to_owned() };
        self.exports.insert(export, record);
        Ok(Applied::Export { export, generation })
    }

    fn attach_for_export(&mut self, id: VolumeId, peer: PeerId) -> u64 {
        let volume = self.change_volume(id);
        if volume.attachment.is_none() {
            volume.generation += 1;
            let generation = volume.generation;
            let (via, read_only, queues) = (Via::Export, false, 0);
            volume.attachment = Some(Attachment { peer, generation, via, read_only, queues });
        }
        volume.generation
    }

    pub(super) fn delete_export(&mut self, export: u64) -> Outcome {
        let missing = Rejection::NotFound { what: Kind::Export, id: export };
        let id = self.exports.remove(&export).ok_or(missing)?.volume;
        let others = self.exports.values().any(|e| e.volume == id);
        let alone = |a: Attachment| a.via == Via::Export;
        if !others && self.volumes.get(&id).is_some_and(|v| v.attachment.is_some_and(alone)) {
            self.end_attachment(id);
        }
        Ok(Applied::Done)
    }
}

/// Compare-and-set on the generation, so that nobody fences an attachment he never saw.
fn check_takeover(
    volume: &Volume,
    held: Attachment,
    takeover: Option<u64>,
) -> Result<(), Rejection> {
    if takeover != Some(held.generation) {
        let (peer, generation) = (held.peer, held.generation);
        return Err(Rejection::Attached { volume: volume.id, peer, generation });
    }
    if volume.fenced.len() >= FENCED_MAX {
        return Err(Rejection::Limit { what: Kind::Attachment, max: FENCED_MAX as u64 });
    }
    Ok(())
}
