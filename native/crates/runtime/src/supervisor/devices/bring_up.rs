//! From an attachment to a device that serves: step by step, each blocking one on its own thread.
//!
//! new:        head active → ADD_DEV → fetch and map (I/O thread) → START_DEV
//! taken back: head granted, or fenced → START_USER_RECOVERY → fetch and map → END_USER_RECOVERY

use std::io;
use std::sync::Arc;

use serde_json::json;
use shoal_meta::state::Via;
use shoal_types::VolumeId;
use shoal_ublk::Device;

use super::RETRY_MS;
use super::entry::{At, Phase};
use crate::clock;
use crate::io_thread::{IoMessage, NewDevice};
use crate::kernel_devices::ublk;
use crate::supervisor::Supervisor;
use crate::supervisor::heads::HeadState;

impl Supervisor {
    /// Take the next step, if it is time for one.
    pub(in crate::supervisor) fn drive_device(&mut self, volume: VolumeId) {
        self.notice_lost_nbd(volume);
        if self.closing.is_some() || !self.is_ready(volume) {
            return;
        }
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        entry.phase = Phase::Busy;
        let dir = self.context.config.device_dir.clone();
        match (&entry.at, entry.via) {
            (_, Via::Nbd) => self.bring_up_nbd(volume),
            (Some(At::Ublk(record)), _) => {
                let record = record.clone();
                let step = move || ublk::take_back(&dir, &record);
                self.off_thread(step, move |supervisor, opened| match opened {
                    Ok(device) => supervisor.serve_device(volume, device, false),
                    Err(why) => supervisor.on_device_failed(volume, why),
                });
            }
            _ => {
                let wanted = entry.wanted.clone();
                let step = move || ublk::add(&dir, &wanted);
                self.off_thread(step, move |supervisor, added| match added {
                    Ok((device, record)) => {
                        if let Some(entry) = supervisor.devices.entries.get_mut(&volume) {
                            entry.at = Some(At::Ublk(record));
                        }
                        supervisor.serve_device(volume, device, true);
                    }
                    Err(why) => supervisor.on_device_failed(volume, why),
                });
            }
        }
    }

    /// RULE: the head is held under the device's generation before its I/O goes on. A new device's
    /// partition table is read at its start, so that its head must be able to serve.
    fn is_ready(&self, volume: VolumeId) -> bool {
        let Some(entry) = self.devices.entries.get(&volume) else { return false };
        if !matches!(entry.phase, Phase::Waiting) {
            return false;
        }
        if entry.fenced {
            return entry.at.is_some();
        }
        let head = self.heads.get(&volume).filter(|h| h.generation == entry.wanted.generation);
        match head.map(|head| &head.state) {
            Some(HeadState::Granted { is_active, .. }) => *is_active || entry.at.is_some(),
            _ => false,
        }
    }

    fn serve_device(&mut self, volume: VolumeId, device: Arc<Device>, is_new: bool) {
        let Some(entry) = self.devices.entries.get(&volume) else { return };
        let (fenced, number) = (entry.fenced, device.info().device);
        let inlet = self.context.inlet.clone();
        let done = Box::new(move |served| {
            inlet.go_on(move |supervisor| supervisor.on_served(volume, number, is_new, served));
        });
        let new = Box::new(NewDevice { volume, device, fenced, done });
        let thread = self.io_thread_of(volume);
        self.context.io_threads[thread].send(IoMessage::AddDevice(new));
    }

    fn on_served(&mut self, volume: VolumeId, number: u32, is_new: bool, served: io::Result<()>) {
        if let Err(error) = served {
            return self.on_device_failed(volume, error.to_string());
        }
        let step = move || ublk::start(number, is_new);
        self.off_thread(step, move |supervisor, started| match started {
            Ok(()) => supervisor.on_device_up(volume),
            Err(why) => supervisor.on_device_failed(volume, why),
        });
    }

    pub(super) fn on_device_up(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        entry.phase = Phase::Active;
        entry.is_up = true;
        let path = entry.path();
        eprintln!("{} is {}", entry.wanted.name, path.unwrap_or_default().display());
        let data = json!({ "volume": entry.wanted.name, "state": "device" });
        self.answer_attached(volume);
        self.broadcast("head.changed", data);
    }

    /// A device that never started is unmade; one that did keeps waiting.
    pub(super) fn on_device_failed(&mut self, volume: VolumeId, why: String) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        eprintln!("the device of {} does not come up: {why}", entry.wanted.name);
        let retry_at_ms = clock::now_ms() + RETRY_MS;
        entry.phase = Phase::Failed { retry_at_ms, why: why.clone() };
        let refusal = crate::control::ControlError::new("io", format!("no device: {why}"));
        let asked = std::mem::take(&mut entry.waiting);
        let ends = entry.ends_if_it_fails(!asked.is_empty());
        asked.into_iter().for_each(|(_, responder)| responder.answer(Err(refusal.clone())));
        if ends {
            return self.undo_attach(volume);
        }
        self.unmake_device(volume);
    }

    /// What was made and never started: the next try makes another one.
    fn unmake_device(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        let Some(At::Ublk(record)) = &entry.at else { return };
        if entry.is_up {
            return;
        }
        let (dir, number) = (self.context.config.device_dir.clone(), record.device);
        entry.at = None;
        self.off_thread(
            move || ublk::take_down(&dir, number, true),
            |_, taken| {
                if let Err(error) = taken {
                    eprintln!("a device that did not come up is left behind: {error:?}");
                }
            },
        );
    }

    /// Entry and all: there is no device.
    pub(super) fn forget_device(&mut self, volume: VolumeId, why: &str) {
        let Some(entry) = self.devices.entries.remove(&volume) else { return };
        let refusal = crate::control::ControlError::new("conflict", why);
        for (_, responder) in entry.waiting {
            responder.answer(Err(refusal.clone()));
        }
        let data = json!({ "volume": entry.wanted.name, "state": "gone" });
        self.broadcast("head.changed", data);
    }
}
