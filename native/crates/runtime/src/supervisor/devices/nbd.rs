//! Devices of the kernel's nbd client: a socket pair whose one end an I/O thread serves as it serves
//! any NBD client, and whose other end the kernel gets.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use shoal_meta::state::Via;
use shoal_nbd::{Connection, Limits};
use shoal_types::VolumeId;

use super::entry::{At, Phase};
use crate::io_thread::{HeadKey, IoMessage, MovedClient};
use crate::kernel_devices::nbd::{self, NbdDevice};
use crate::supervisor::Supervisor;
use crate::supervisor::heads::HeadState;

impl Supervisor {
    pub(super) fn bring_up_nbd(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get(&volume) else { return };
        let head = self.heads.get(&volume).filter(|head| entry.may_connect_to(head.generation));
        let (Some(head), Some(export)) = (head, self.export_of(volume)) else {
            // Fenced: there is nobody to connect it to, and it has been disconnected.
            return self.on_device_up(volume);
        };
        let (key, thread) = (head.key, head.thread);
        let (theirs, ours) = match UnixStream::pair() {
            Ok(pair) => pair,
            Err(error) => return self.on_device_failed(volume, error.to_string()),
        };
        let pool = self.context.pool.clone();
        let connection = Connection::for_kernel(export.clone(), Limits::default(), pool);
        // Served before the kernel knows the other end: the first requests come at once.
        let client = MovedClient {
            head: key,
            socket: ours.into(),
            connection,
            requests: Vec::new(),
            is_kernel: true,
        };
        self.context.io_threads[thread].send(IoMessage::AdoptNbd(Box::new(client)));
        let Some(entry) = self.devices.entries.get(&volume) else { return };
        let wanted = entry.wanted.clone();
        let present = match &entry.at {
            Some(At::Nbd { device, .. }) => Some(device.clone()),
            _ => None,
        };
        let owner = nbd::owner_of(&self.context.config.device_dir);
        // The kernel keeps its own hold of the socket: ours ends with this step.
        let socket = OwnedFd::from(theirs);
        let step = move || match present {
            Some(device) => nbd::reconnect(&device, owner, &socket).map(|()| device),
            None => nbd::connect(&wanted, &export, owner, &socket),
        };
        self.off_thread(step, move |supervisor, connected| {
            supervisor.on_nbd_connected(volume, key, connected);
        });
    }

    fn on_nbd_connected(
        &mut self,
        volume: VolumeId,
        head: HeadKey,
        connected: Result<NbdDevice, String>,
    ) {
        match connected {
            Ok(device) => {
                if let Some(entry) = self.devices.entries.get_mut(&volume) {
                    entry.at = Some(At::Nbd { device, head: Some(head) });
                }
                self.on_device_up(volume);
                self.fence_nbd(volume);
            }
            Err(why) => self.on_device_failed(volume, why),
        }
    }

    /// The connection ends with the head it was made for: a new head gets a new one.
    pub(super) fn notice_lost_nbd(&mut self, volume: VolumeId) {
        let granted =
            self.heads.get(&volume).filter(|head| matches!(head.state, HeadState::Granted { .. }));
        let (Some(now), Some(entry)) =
            (granted.map(|head| head.key), self.devices.entries.get_mut(&volume))
        else {
            return;
        };
        let is_idle = matches!(entry.phase, Phase::Active) && !entry.fenced;
        if let Some(At::Nbd { head, .. }) = entry.at
            && is_idle
            && head != Some(now)
        {
            entry.phase = Phase::Waiting;
        }
    }

    /// Disconnected, the kernel fails all its I/O.
    pub(super) fn fence_nbd(&mut self, volume: VolumeId) {
        let Some(entry) = self.devices.entries.get(&volume) else { return };
        if entry.via != Via::Nbd || !entry.fenced {
            return;
        }
        let Some(At::Nbd { device, .. }) = &entry.at else { return };
        let device = device.clone();
        let owner = nbd::owner_of(&self.context.config.device_dir);
        self.off_thread(
            move || nbd::take_down(&device, owner, true),
            |_, taken| {
                if let Err(error) = taken {
                    eprintln!("a fenced nbd device is still connected: {error:?}");
                }
            },
        );
    }
}
