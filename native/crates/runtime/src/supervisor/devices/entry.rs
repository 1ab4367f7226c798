//! One volume's device on this peer, as the supervisor knows it.

use std::path::PathBuf;

use shoal_meta::state::Via;
use shoal_ublk::DeviceRecord;

use crate::control::Responder;
use crate::io_thread::HeadKey;
use crate::kernel_devices::nbd::NbdDevice;
use crate::kernel_devices::{Wanted, ublk_path};

pub struct DeviceEntry {
    pub wanted: Wanted,
    pub via: Via,
    /// What the kernel has; none: not made yet.
    pub at: Option<At>,
    pub phase: Phase,
    /// It was started, here or by an earlier process.
    pub is_up: bool,
    /// Another attachment took over: it answers EIO until it is detached.
    pub fenced: bool,
    /// Who asked for it, and until when he waits.
    pub waiting: Vec<(u64, Responder)>,
}

pub enum At {
    Ublk(DeviceRecord),
    /// `head`: whose client its connection is; none: of an earlier process.
    Nbd {
        device: NbdDevice,
        head: Option<HeadKey>,
    },
}

pub enum Phase {
    /// Of an earlier process: whether it is still attached is being asked.
    Checking,
    /// Asked for again at that time.
    Unchecked {
        retry_at_ms: u64,
    },
    /// For its head.
    Waiting,
    /// The kernel or the I/O thread is at work.
    Busy,
    Active,
    Failed {
        retry_at_ms: u64,
        why: String,
    },
    /// `was_active`: it goes on so when it cannot be taken down.
    Leaving {
        was_active: bool,
    },
}

impl DeviceEntry {
    pub fn new(wanted: Wanted, via: Via) -> Self {
        let (phase, waiting) = (Phase::Waiting, Vec::new());
        Self { wanted, via, at: None, phase, is_up: false, fenced: false, waiting }
    }

    /// A device of an earlier process.
    pub fn found(at: At) -> Self {
        let (via, wanted, fenced) = match &at {
            At::Ublk(record) => (Via::Ublk, wanted_of(record), record.fenced),
            At::Nbd { device, .. } => (Via::Nbd, wanted_nbd(device), false),
        };
        let (phase, waiting) = (Phase::Checking, Vec::new());
        Self { wanted, via, at: Some(at), phase, is_up: true, fenced, waiting }
    }

    /// Whoever asked for it is told that it does not come up, and then nothing is to appear by
    /// itself. BUT ONE THAT WAS UP MAY BE MOUNTED: IT KEEPS WAITING, whoever asks for it again.
    pub fn ends_if_it_fails(&self, is_asked_for: bool) -> bool {
        is_asked_for && !self.is_up
    }

    /// The kernel sends what it holds again to whoever it is connected to: A HEAD OF A LATER
    /// ATTACHMENT MUST NOT GET THAT. `generation`: of the head.
    pub fn may_connect_to(&self, generation: u64) -> bool {
        !self.fenced && self.wanted.generation == generation
    }

    pub fn path(&self) -> Option<PathBuf> {
        self.at.as_ref().map(|at| match at {
            At::Ublk(record) => ublk_path(record.device),
            At::Nbd { device, .. } => device.path(),
        })
    }

    pub fn kind(&self) -> &'static str {
        match self.via {
            Via::Nbd => "nbd",
            _ => "ublk",
        }
    }

    /// `head`: the name of its head's state.
    pub fn state_name<'a>(&self, head: Option<&'a str>) -> &'a str {
        match &self.phase {
            _ if self.fenced => "fenced",
            Phase::Checking | Phase::Unchecked { .. } => "recovering",
            Phase::Waiting | Phase::Busy if self.at.is_some() => "recovering",
            Phase::Waiting | Phase::Busy => "starting",
            Phase::Active => head.unwrap_or("waiting"),
            Phase::Failed { .. } => "failed",
            Phase::Leaving { .. } => "detaching",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match &self.phase {
            Phase::Failed { why, .. } => Some(why),
            _ => None,
        }
    }
}

fn wanted_of(record: &DeviceRecord) -> Wanted {
    Wanted {
        volume: record.volume,
        name: record.name.clone(),
        incarnation: record.incarnation,
        generation: record.generation,
        size_bytes: record.size_bytes,
        logical_block_bytes: record.logical_block_bytes,
        read_only: record.read_only,
        queues: record.queues,
    }
}

/// Size and block size come from the cluster when the device is served again.
fn wanted_nbd(device: &NbdDevice) -> Wanted {
    Wanted {
        volume: device.volume,
        name: device.name.clone(),
        incarnation: device.incarnation,
        generation: device.generation,
        size_bytes: 0,
        logical_block_bytes: 0,
        read_only: false,
        queues: 1,
    }
}

#[cfg(test)]
mod tests {
    use shoal_types::VolumeId;

    use super::*;

    fn wanted() -> Wanted {
        let (volume, name) = (VolumeId(1), "db".to_owned());
        Wanted {
            volume,
            name,
            incarnation: 1,
            generation: 5,
            size_bytes: 1 << 20,
            logical_block_bytes: 4096,
            read_only: false,
            queues: 1,
        }
    }

    fn nbd() -> At {
        let (volume, name) = (VolumeId(1), "db".to_owned());
        let device = NbdDevice { index: 0, volume, incarnation: 1, generation: 5, name };
        At::Nbd { device, head: None }
    }

    #[test]
    fn an_attachment_ends_with_a_device_that_was_asked_for_and_never_came_up() {
        let entry = DeviceEntry::new(wanted(), Via::Ublk);
        assert!(entry.ends_if_it_fails(true));
        assert!(!entry.ends_if_it_fails(false));
    }

    #[test]
    fn requests_of_an_attachment_get_to_its_own_head_only() {
        let mut found = DeviceEntry::found(nbd());
        assert!(found.may_connect_to(5));
        assert!(!found.may_connect_to(6));
        found.fenced = true;
        assert!(!found.may_connect_to(5));
    }

    #[test]
    fn a_device_that_was_up_is_never_taken_away_because_somebody_asked_for_it_again() {
        let found = DeviceEntry::found(nbd());
        assert!(!found.ends_if_it_fails(true), "an earlier process had it up");
        let mut own = DeviceEntry::new(wanted(), Via::Ublk);
        own.is_up = true;
        assert!(!own.ends_if_it_fails(true));
    }
}
