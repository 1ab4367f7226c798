//! `volume.detach`: the device first, then the head, then the attachment. Without a device it is the
//! last two.

use serde_json::{Value, json};
use shoal_meta::state::{ClusterState, Command, Rejection};
use shoal_types::VolumeId;

use super::attach::is_leaving;
use super::entry::{At, Phase};
use crate::control::{ControlError, Responder};
use crate::io_thread::IoMessage;
use crate::kernel_devices::{TakeDownError, nbd, ublk};
use crate::supervisor::membership::{meta_error, no_cluster, rejected};
use crate::supervisor::{Supervisor, params};

/// How long a head may finish its I/O when its volume is detached.
const DETACH_MS: u64 = 5_000;

pub type Told = Box<dyn FnOnce(&mut Supervisor, Result<Value, ControlError>) + Send>;

impl Supervisor {
    pub(in crate::supervisor) fn detach(&mut self, detach: &params::Detach, responder: Responder) {
        let told: Told = Box::new(|_, outcome| responder.answer(outcome));
        let mut entries = self.devices.entries.iter();
        let known = entries.find(|(_, entry)| entry.wanted.name == detach.volume);
        // A fenced device may outlive its volume.
        match known.map(|(volume, _)| *volume) {
            Some(volume) => self.leave_device(volume, detach.force, told),
            None => match self.volume_named(&detach.volume) {
                Ok(volume) => self.end_attachment(volume, None, detach.force, told),
                Err(error) => told(self, Err(error)),
            },
        }
    }

    /// The device, and then the rest.
    pub(super) fn leave_device(&mut self, volume: VolumeId, force: bool, told: Told) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        let generation = entry.wanted.generation;
        let refusal = match entry.phase {
            Phase::Leaving { .. } => Some(is_leaving(&entry.wanted.name)),
            Phase::Busy => {
                let message = format!("{} is being brought up; try again", entry.wanted.name);
                Some(ControlError::new("busy", message))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            return told(self, Err(refusal));
        }
        entry.phase = Phase::Leaving { was_active: matches!(entry.phase, Phase::Active) };
        if entry.at.is_none() {
            return self.end_attachment(volume, Some(generation), force, told);
        }
        if !force {
            return self.take_device_down(volume, false, told);
        }
        // STOP_DEV waits for requests that we owe: they are answered first.
        let (inlet, thread) = (self.context.inlet.clone(), self.io_thread_of(volume));
        let go_on = move |supervisor: &mut Self| supervisor.take_device_down(volume, true, told);
        let done = Box::new(move || inlet.go_on(go_on));
        self.context.io_threads[thread].send(IoMessage::FenceDevice { volume, done });
    }

    fn take_device_down(&mut self, volume: VolumeId, force: bool, told: Told) {
        let Some(entry) = self.devices.entries.get(&volume) else { return };
        let dir = self.context.config.device_dir.clone();
        let step: Box<dyn FnOnce() -> Result<(), TakeDownError> + Send> = match &entry.at {
            Some(At::Ublk(record)) => {
                let number = record.device;
                Box::new(move || ublk::take_down(&dir, number, force))
            }
            Some(At::Nbd { device, .. }) => {
                let (device, owner) = (device.clone(), nbd::owner_of(&dir));
                Box::new(move || nbd::take_down(&device, owner, force))
            }
            None => Box::new(|| Ok(())),
        };
        self.off_thread(step, move |supervisor, taken| {
            supervisor.on_taken_down(volume, force, taken, told);
        });
    }

    fn on_taken_down(
        &mut self,
        volume: VolumeId,
        force: bool,
        taken: Result<(), TakeDownError>,
        told: Told,
    ) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        let (name, path) = (entry.wanted.name.clone(), entry.path().unwrap_or_default());
        let error = match taken {
            Ok(()) => {
                (entry.at, entry.is_up) = (None, false);
                let generation = entry.wanted.generation;
                return self.end_attachment(volume, Some(generation), force, told);
            }
            Err(TakeDownError::InUse) => {
                let message = format!("{name} ({}) is in use", path.display());
                let next = format!("unmount it, or by force: shoal detach {name} --force");
                ControlError::new("busy", message).with(json!({ "next": next }))
            }
            Err(TakeDownError::Failed(why)) => ControlError::new("io", why),
        };
        // By force, it answers EIO by now.
        let was_active = matches!(entry.phase, Phase::Leaving { was_active: true });
        entry.fenced |= force && was_active;
        entry.phase = if was_active { Phase::Active } else { Phase::Waiting };
        told(self, Err(error));
    }

    /// The head is released first: another peer may attach the moment the cluster knows. Exports
    /// keep head and attachment. `generation`: of the device that was here.
    fn end_attachment(
        &mut self,
        volume: VolumeId,
        generation: Option<u64>,
        force: bool,
        told: Told,
    ) {
        let held = match generation.map_or_else(|| self.held_generation(volume), Ok) {
            Ok(held) => held,
            Err(error) => return told(self, Err(error)),
        };
        let is_current = |state: &ClusterState| {
            let attachment = state.volumes().get(&volume).and_then(|v| v.attachment);
            attachment.is_some_and(|attachment| attachment.generation == held)
        };
        let is_exported = |s: &ClusterState| s.exports().values().any(|e| e.volume == volume);
        let keeps_head = self.context.meta.read(|s| is_exported(s) || !is_current(s));
        let next = move |supervisor: &mut Self| supervisor.propose_detach(volume, held, told);
        if keeps_head == Some(true) {
            return next(self);
        }
        let deadline_ms = if force { 0 } else { DETACH_MS };
        self.close_head(volume, deadline_ms, Box::new(next));
    }

    /// Of this peer's attachment, running or fenced.
    fn held_generation(&self, volume: VolumeId) -> Result<u64, ControlError> {
        let peer = self.peer_id().ok_or_else(no_cluster)?;
        let found = self.context.meta.read(|state| {
            let record = state.volumes().get(&volume)?;
            let mine = record.attachment.filter(|a| a.peer == peer).map(|a| a.generation);
            mine.or_else(|| record.fenced.iter().find(|f| f.peer == peer).map(|f| f.generation))
        });
        let missing = || ControlError::not_found("the volume is not attached on this peer");
        found.flatten().ok_or_else(missing)
    }

    fn propose_detach(&mut self, volume: VolumeId, generation: u64, told: Told) {
        let Some(peer) = self.peer_id() else { return told(self, Err(no_cluster())) };
        let command = Command::Detach { volume, peer, generation };
        self.propose(command, move |supervisor, result| {
            let outcome = match result {
                // Ended before: what was to be is so.
                Ok(Ok(_) | Err(Rejection::NotAttached { .. } | Rejection::NotFound { .. })) => {
                    supervisor.forget_device(volume, "it was detached");
                    Ok(json!({}))
                }
                Ok(Err(rejection)) => Err(rejected(&rejection)),
                Err(error) => Err(meta_error(&error)),
            };
            // Not known to be detached: the device comes back with its attachment.
            if let Some(entry) = supervisor.devices.entries.get_mut(&volume) {
                entry.phase = Phase::Waiting;
            }
            supervisor.sync();
            told(supervisor, outcome);
        });
    }
}
