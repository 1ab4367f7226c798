//! Devices of this peer: one per attachment that is not by exports alone. They follow the cluster
//! state; blocking steps run on threads of their own (`kernel_devices`).
//!
//! A DEVICE OF AN EARLIER PROCESS IS TAKEN BACK ONLY WITH ITS HEAD HELD UNDER THE SAME ATTACHMENT
//! GENERATION, or fenced: it never comes back with old dirty pages over somebody else's writes.

mod attach;
mod bring_up;
mod check;
mod detach;
mod entry;
mod nbd;
mod report;

use std::collections::HashMap;

use shoal_meta::state::{ClusterState, Via};
use shoal_types::{PeerId, VolumeId};

use entry::{At, DeviceEntry, Phase};

use super::Supervisor;
use crate::clock;
use crate::control::Responder;
use crate::io_thread::IoMessage;
use crate::kernel_devices::{Wanted, ublk};

/// Pause before a device that did not come up is tried again, and what could not be looked for.
const RETRY_MS: u64 = 5_000;

#[derive(Default)]
pub struct Devices {
    entries: HashMap<VolumeId, DeviceEntry>,
    /// What earlier processes left is known.
    swept: bool,
    /// It could not be found out; it is tried again then.
    sweep_again_at_ms: Option<u64>,
    /// The entries are what the attachments ask for.
    followed: bool,
    /// Who asked for a device before that, and until when he waits.
    early: Vec<(VolumeId, u64, Responder)>,
}

impl Supervisor {
    /// Run a blocking step on a thread of its own, then go on here.
    fn off_thread<T: Send + 'static>(
        &self,
        step: impl FnOnce() -> T + Send + 'static,
        next: impl FnOnce(&mut Self, T) + Send + 'static,
    ) {
        let inlet = self.context.inlet.clone();
        let work = move || {
            let outcome = step();
            inlet.go_on(move |supervisor| next(supervisor, outcome));
        };
        let spawned = std::thread::Builder::new().name("device".into()).spawn(work);
        drop(spawned.expect("a thread for a control command"));
    }

    /// Devices follow the attachments. Idempotent.
    pub(super) fn sync_devices(&mut self) {
        let Some(me) = self.peer_id() else { return };
        if !self.devices.swept {
            return;
        }
        let Some(attached) = self.context.meta.read(|state| attached(state, me)) else { return };
        for (wanted, via) in attached.values().filter(|(_, via)| *via != Via::Export) {
            let entries = &mut self.devices.entries;
            let new = || DeviceEntry::new(wanted.clone(), *via);
            entries.entry(wanted.volume).or_insert_with(new);
        }
        let volumes: Vec<VolumeId> = self.devices.entries.keys().copied().collect();
        for volume in volumes {
            self.follow(volume, attached.get(&volume).map(|(wanted, _)| wanted));
            self.drive_device(volume);
        }
        self.admit_early();
    }

    /// What the cluster says of a device's attachment now.
    fn follow(&mut self, volume: VolumeId, attached: Option<&Wanted>) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        if matches!(entry.phase, Phase::Checking | Phase::Unchecked { .. } | Phase::Leaving { .. })
        {
            return;
        }
        match attached {
            Some(now) if is_same(&entry.wanted, now) => {
                let is_renamed = entry.wanted.name != now.name;
                entry.wanted = now.clone();
                if is_renamed {
                    self.rewrite_record(volume);
                }
            }
            _ => self.fence_device(volume),
        }
    }

    /// The head of that generation is fenced: so is its device, but not one of a later attachment.
    pub(super) fn fence_device_of(&mut self, volume: VolumeId, generation: u64) {
        let entry = self.devices.entries.get(&volume);
        if entry.is_some_and(|entry| entry.wanted.generation <= generation) {
            self.fence_device(volume);
        }
    }

    /// It answers EIO from now on, also to whoever serves it next, until it is detached.
    pub(super) fn fence_device(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        if entry.fenced {
            return;
        }
        entry.fenced = true;
        let name = entry.wanted.name.clone();
        eprintln!("the device of {name} is fenced: another attachment took over");
        if entry.at.is_none() && !matches!(entry.phase, Phase::Busy) {
            self.forget_device(volume, "another attachment took over");
            return;
        }
        let thread = self.io_thread_of(volume);
        let message = IoMessage::FenceDevice { volume, done: Box::new(|| {}) };
        self.context.io_threads[thread].send(message);
        self.rewrite_record(volume);
        self.fence_nbd(volume);
        let message = format!("device of {name} answers EIO until: shoal detach {name}");
        let severity = shoal_meta::state::Severity::Warn;
        self.note(severity, "device_fenced", message, format!("volume {}", volume.0));
    }

    /// The device file says what the entry says.
    fn rewrite_record(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        let Some(At::Ublk(record)) = &mut entry.at else { return };
        record.fenced = entry.fenced;
        record.name.clone_from(&entry.wanted.name);
        let (dir, record) = (self.context.config.device_dir.clone(), record.clone());
        self.off_thread(
            move || ublk::rewrite(&dir, &record),
            |_, written| {
                if let Err(error) = written {
                    eprintln!("a device file could not be written: {error}");
                }
            },
        );
    }

    pub(super) fn tick_devices(&mut self) {
        let now_ms = clock::now_ms();
        self.tick_sweep(now_ms);
        self.tick_early(now_ms);
        let volumes: Vec<VolumeId> = self.devices.entries.keys().copied().collect();
        for volume in volumes {
            self.tick_waiting(volume, now_ms);
            let Some(entry) = self.devices.entries.get_mut(&volume) else { continue };
            match entry.phase {
                Phase::Failed { retry_at_ms, .. } if retry_at_ms <= now_ms => {
                    entry.phase = Phase::Waiting;
                }
                Phase::Unchecked { retry_at_ms } if retry_at_ms <= now_ms => {
                    self.check_device(volume);
                }
                _ => {}
            }
            self.drive_device(volume);
        }
    }

    /// Those that wait for the next process now, by name.
    pub(super) fn devices_left(&self) -> Vec<String> {
        let entries = self.devices.entries.values();
        let left = entries.filter(|entry| entry.at.is_some());
        left.map(|entry| entry.wanted.name.clone()).collect()
    }

    fn io_thread_of(&self, volume: VolumeId) -> usize {
        (volume.0 % self.context.io_threads.len() as u64) as usize
    }
}

/// The same attachment, so that a device of the one is the other's.
fn is_same(ours: &Wanted, theirs: &Wanted) -> bool {
    (ours.generation, ours.incarnation) == (theirs.generation, theirs.incarnation)
}

/// What this peer has attached.
fn attached(state: &ClusterState, me: PeerId) -> HashMap<VolumeId, (Wanted, Via)> {
    let incarnation = u64::from(state.incarnation());
    let ours = state.volumes().values().filter(|volume| volume.is_active()).filter_map(|volume| {
        let held = volume.attachment.filter(|held| held.peer == me)?;
        let wanted = Wanted {
            volume: volume.id,
            name: volume.name.clone(),
            incarnation,
            generation: held.generation,
            size_bytes: volume.size_bytes,
            logical_block_bytes: volume.block_size,
            read_only: held.read_only,
            queues: held.queues,
        };
        Some((volume.id, (wanted, held.via)))
    });
    ours.collect()
}
