//! What earlier processes left: found at the start, and judged by the cluster, never by what this
//! peer happens to remember.

use shoal_meta::state::{Command, Via};
use shoal_types::VolumeId;
use shoal_ublk::DeviceRecord;

use super::entry::{At, DeviceEntry, Phase};
use super::{RETRY_MS, attached, is_same};
use crate::clock;
use crate::kernel_devices::nbd::NbdDevice;
use crate::kernel_devices::{detached, nbd, ublk};
use crate::meta_thread::MetaError;
use crate::supervisor::Supervisor;

/// Pause before the cluster is asked again.
const ASK_MS: u64 = 500;

/// What the kernel and the device files tell.
struct Found {
    ublk: Result<Vec<DeviceRecord>, String>,
    nbd: Vec<NbdDevice>,
    detached: Vec<(VolumeId, u64)>,
}

impl Supervisor {
    pub(in crate::supervisor) fn sweep_devices(&mut self) {
        let dir = self.context.config.device_dir.clone();
        let look = move || Found {
            ublk: ublk::sweep(&dir),
            nbd: nbd::sweep(nbd::owner_of(&dir)),
            detached: detached::list(&dir),
        };
        self.off_thread(look, Self::on_swept);
    }

    fn on_swept(&mut self, found: Found) {
        // Until that is known nothing is made, and no attachment ends: its device may be mounted.
        let records = match found.ublk {
            Ok(records) => records,
            Err(why) => {
                eprintln!("devices of an earlier process cannot be looked for: {why}");
                self.devices.sweep_again_at_ms = Some(clock::now_ms() + RETRY_MS);
                return;
            }
        };
        let nbd = found.nbd.into_iter().map(|device| At::Nbd { device, head: None });
        for at in records.into_iter().map(At::Ublk).chain(nbd) {
            let entry = DeviceEntry::found(at);
            let volume = entry.wanted.volume;
            eprintln!("the device of {} waits to be served again", entry.wanted.name);
            self.devices.entries.insert(volume, entry);
            self.check_device(volume);
        }
        found.detached.into_iter().for_each(|(volume, generation)| {
            self.tell_detached(volume, generation);
        });
        self.devices.swept = true;
        self.sync_devices();
    }

    pub(super) fn tick_sweep(&mut self, now_ms: u64) {
        if self.devices.sweep_again_at_ms.take_if(|at| *at <= now_ms).is_some() {
            self.sweep_devices();
        }
    }

    /// Is it still this peer's? What was committed before now is known before that is answered.
    pub(super) fn check_device(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        entry.phase = Phase::Checking;
        let inlet = self.context.inlet.clone();
        self.context.meta.barrier(move |asked| {
            inlet.go_on(move |supervisor| supervisor.on_checked(volume, &asked));
        });
    }

    fn on_checked(&mut self, volume: VolumeId, asked: &Result<(), MetaError>) {
        let me = self.peer_id();
        let now = self.context.meta.read(|state| attached(state, me?).remove(&volume));
        let Some(entry) = self.devices.entries.get_mut(&volume) else { return };
        if !matches!(entry.phase, Phase::Checking) {
            return;
        }
        if matches!(asked, Err(MetaError::Unavailable(_))) {
            entry.phase = Phase::Unchecked { retry_at_ms: clock::now_ms() + ASK_MS };
            return;
        }
        entry.phase = Phase::Waiting;
        match now.flatten() {
            Some((now, via)) if is_same(&entry.wanted, &now) && via != Via::Export => {
                entry.wanted = now;
            }
            _ => self.fence_device(volume),
        }
        self.drive_device(volume);
    }

    /// A device was taken down while no daemon ran: its attachment ends now.
    fn tell_detached(&self, volume: VolumeId, generation: u64) {
        let Some(peer) = self.peer_id() else { return };
        let command = Command::Detach { volume, peer, generation };
        self.propose(command, move |supervisor, result| match result {
            Ok(_) => {
                let dir = &supervisor.context.config.device_dir;
                if let Err(error) = detached::forget(dir, volume, generation) {
                    eprintln!("the note of a detach cannot be removed: {error}");
                }
                supervisor.sync();
            }
            Err(MetaError::Unavailable(_)) => supervisor.tell_detached(volume, generation),
            Err(MetaError::NoCluster) => {}
        });
    }
}
