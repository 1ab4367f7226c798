//! `volume.attach`: the cluster first, then the head, then the device.

use serde_json::json;
use shoal_meta::state::{Command, Via};
use shoal_types::VolumeId;

use super::entry::{DeviceEntry, Phase};
use crate::clock;
use crate::control::{ControlError, Responder};
use crate::kernel_devices;
use crate::supervisor::membership::{no_cluster, settled};
use crate::supervisor::{Supervisor, params};

/// How long an attach waits for the device; the device may come later all the same.
const ATTACH_MS: u64 = 20_000;

impl Supervisor {
    /// The same device again when it is attached here already.
    pub(in crate::supervisor) fn attach_device(
        &mut self,
        attach: params::Attach,
        via: Option<Via>,
        responder: Responder,
    ) {
        let volume = match self.volume_named(&attach.volume) {
            Ok(volume) => volume,
            Err(error) => return responder.answer(Err(error)),
        };
        if let Some(entry) = self.devices.entries.get_mut(&volume) {
            if matches!(entry.phase, Phase::Leaving { .. }) {
                return responder.answer(Err(is_leaving(&entry.wanted.name)));
            }
            return self.wait_for_device(volume, responder);
        }
        let choose = move || kernel_devices::choose(via);
        self.off_thread(choose, move |supervisor, chosen| match chosen {
            Ok(via) => supervisor.propose_attach(volume, via, &attach, responder),
            Err(refusal) => responder.answer(Err(refusal)),
        });
    }

    fn propose_attach(
        &mut self,
        volume: VolumeId,
        via: Via,
        attach: &params::Attach,
        responder: Responder,
    ) {
        let Some(peer) = self.peer_id() else { return responder.answer(Err(no_cluster())) };
        let (read_only, queues) = (attach.read_only, attach.queues.unwrap_or(0));
        let takeover = self.generation_to_fence(volume, attach.takeover);
        let command = Command::Attach { volume, peer, via, read_only, queues, takeover };
        self.propose(command, move |supervisor, result| match settled(result) {
            Ok(_) => {
                supervisor.sync();
                supervisor.wait_for_device(volume, responder);
            }
            Err(error) => responder.answer(Err(error)),
        });
    }

    fn wait_for_device(&mut self, volume: VolumeId, responder: Responder) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else {
            if !self.devices.followed {
                // This process has only just begun: no attachment has its device yet.
                let until_ms = clock::now_ms() + ATTACH_MS;
                return self.devices.early.push((volume, until_ms, responder));
            }
            let error = ControlError::new("conflict", "it was detached meanwhile");
            return responder.answer(Err(error));
        };
        if entry.fenced {
            return responder.answer(Err(is_fenced(entry)));
        }
        entry.waiting.push((clock::now_ms() + ATTACH_MS, responder));
        if matches!(entry.phase, Phase::Active) {
            self.answer_attached(volume);
        }
    }

    /// The devices follow the attachments now: who asked before that waits as everybody does.
    pub(super) fn admit_early(&mut self) {
        if !self.is_current() {
            return;
        }
        self.devices.followed = true;
        for (volume, _, responder) in std::mem::take(&mut self.devices.early) {
            self.wait_for_device(volume, responder);
        }
    }

    pub(super) fn tick_early(&mut self, now_ms: u64) {
        let early = &mut self.devices.early;
        for (_, _, responder) in early.extract_if(.., |(_, until_ms, _)| *until_ms <= now_ms) {
            let message = "attached, but this peer does not know the cluster's newest state yet";
            responder.answer(Err(ControlError::new("timeout", message)));
        }
    }

    pub(super) fn answer_attached(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        let answer = match entry.fenced {
            true => Err(is_fenced(entry)),
            false => Ok(json!({
                "device": entry.path(),
                "kind": entry.kind(),
                "generation": entry.wanted.generation,
            })),
        };
        for (_, responder) in std::mem::take(&mut entry.waiting) {
            responder.answer(answer.clone());
        }
    }

    /// Whoever has waited long enough is told how it stands.
    pub(super) fn tick_waiting(&mut self, volume: VolumeId, now_ms: u64) {
        let head = self.heads.get(&volume).and_then(|head| head.state.reason()).map(str::to_owned);
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        let due = entry.waiting.iter().any(|(until_ms, _)| *until_ms <= now_ms);
        if !due {
            return;
        }
        let name = &entry.wanted.name;
        let why = head.unwrap_or_else(|| "its members do not all answer yet".into());
        let message = format!("{name} is attached, but its device is not there yet: {why}");
        let next = format!("it comes by itself; watch: shoal device list; or shoal detach {name}");
        let error = ControlError::new("timeout", message).with(json!({ "next": next }));
        for (_, responder) in std::mem::take(&mut entry.waiting) {
            responder.answer(Err(error.clone()));
        }
    }

    /// The attachment of a device that could not be made ends.
    pub(super) fn undo_attach(&mut self, volume: VolumeId) {
        self.leave_device(volume, true, Box::new(|_, _| {}));
    }
}

pub(super) fn is_leaving(name: &str) -> ControlError {
    ControlError::new("busy", format!("{name} is being detached; try again in a moment"))
}

fn is_fenced(entry: &DeviceEntry) -> ControlError {
    let name = &entry.wanted.name;
    let message = format!("the device of {name} is fenced: another attachment took over");
    let next = format!("shoal detach {name}, then attach it again");
    ControlError::new("conflict", message).with(json!({ "next": next }))
}
