//! Devices of the kernel's nbd client. What a device is lies in its backend identifier, which the
//! kernel keeps with it: no file is needed to take it back.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shoal_nbd::Export;
use shoal_nbd::kernel::{Connect, KernelError, NbdControl, Reconfigure, device_path};
use shoal_types::VolumeId;
use shoal_ublk::OwnerTag;

use super::{LOOKS_MAX, TakeDownError, Wanted, is_in_use, pause};

/// How long I/O waits for a daemon that is gone, in seconds: a day. Then it fails.
const DEAD_CONNECTION_SECONDS: u64 = 86_400;
/// How soon requests of a dead connection are tried on the new one.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
const BLOCK_CLASS_DIR: &str = "/sys/block";

/// A device of ours, as its backend identifier tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NbdDevice {
    pub index: u32,
    pub volume: VolumeId,
    pub incarnation: u64,
    pub generation: u64,
    pub name: String,
}

impl NbdDevice {
    pub fn path(&self) -> PathBuf {
        device_path(self.index)
    }

    /// `shoal:OWNER:VOLUME:INCARNATION:GENERATION:NAME`, numbers in hexadecimal.
    pub fn backend(&self, owner: OwnerTag) -> String {
        let Self { volume, incarnation, generation, name, .. } = self;
        format!("shoal:{:x}:{:x}:{incarnation:x}:{generation:x}:{name}", owner.0, volume.0)
    }

    /// None: not ours.
    pub fn parse(index: u32, backend: &str, owner: OwnerTag) -> Option<Self> {
        let mut parts = backend.trim_end().splitn(6, ':');
        if parts.next() != Some("shoal") {
            return None;
        }
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        if number()? != u64::from(owner.0) {
            return None;
        }
        let (volume, incarnation, generation) = (VolumeId(number()?), number()?, number()?);
        let name = parts.next()?.to_owned();
        Some(Self { index, volume, incarnation, generation, name })
    }
}

pub fn is_there() -> Result<(), String> {
    control().map(drop)
}

fn control() -> Result<NbdControl, String> {
    NbdControl::open().map_err(told)
}

fn told(error: KernelError) -> String {
    match error {
        KernelError::NoModule => "no nbd in the kernel; try modprobe nbd".into(),
        KernelError::Refused(errno) => {
            format!("the kernel's nbd: {}", std::io::Error::from_raw_os_error(errno))
        }
        other => format!("the kernel's nbd: {other:?}"),
    }
}

/// Devices of the daemon with this tag.
pub fn sweep(owner: OwnerTag) -> Vec<NbdDevice> {
    let Ok(entries) = std::fs::read_dir(BLOCK_CLASS_DIR) else { return Vec::new() };
    let ours = entries.flatten().filter_map(|entry| {
        let index = entry.file_name().to_str()?.strip_prefix("nbd")?.parse().ok()?;
        at(Path::new(BLOCK_CLASS_DIR), index, owner)
    });
    ours.collect()
}

/// The device that has this index now, if it is ours. `dir`: that of all block devices.
fn at(dir: &Path, index: u32, owner: OwnerTag) -> Option<NbdDevice> {
    let backend = std::fs::read_to_string(dir.join(format!("nbd{index}/backend"))).ok()?;
    NbdDevice::parse(index, &backend, owner)
}

/// Sets up a device on one end of a socket pair whose other end is served already.
pub fn connect(
    wanted: &Wanted,
    export: &Export,
    owner: OwnerTag,
    socket: &OwnedFd,
) -> Result<NbdDevice, String> {
    let mut device = NbdDevice {
        index: 0,
        volume: wanted.volume,
        incarnation: wanted.incarnation,
        generation: wanted.generation,
        name: wanted.name.clone(),
    };
    let backend = device.backend(owner);
    let block = wanted.logical_block_bytes;
    let connect = Connect {
        dead_connection_seconds: DEAD_CONNECTION_SECONDS,
        ..Connect::new(export, block, &backend, socket.as_raw_fd())
    };
    let mut control = control()?;
    device.index = control.connect(&connect).map_err(told)?;
    control.set_retry_interval(device.index, RETRY_INTERVAL).map_err(|e| e.to_string())?;
    Ok(device)
}

/// Gives a device the new socket; what was in flight is sent again on it.
pub fn reconnect(device: &NbdDevice, owner: OwnerTag, socket: &OwnedFd) -> Result<(), String> {
    let mut control = control()?;
    let reconfigure = Reconfigure {
        index: device.index,
        socket: Some(socket.as_raw_fd()),
        backend: device.backend(owner),
        size: None,
    };
    for _ in 0..LOOKS_MAX {
        match control.reconfigure(&reconfigure) {
            // It has not noticed yet that the old connection is dead.
            Err(KernelError::Refused(libc::ENOSPC)) => pause(),
            result => return result.map_err(told),
        }
    }
    Err("the kernel's nbd keeps its old connection".into())
}

/// The kernel gives the index of a device that was disconnected to somebody else: THAT ONE IS LEFT
/// ALONE, for ours is gone.
pub fn take_down(device: &NbdDevice, owner: OwnerTag, force: bool) -> Result<(), TakeDownError> {
    if at(Path::new(BLOCK_CLASS_DIR), device.index, owner).as_ref() != Some(device) {
        return Ok(());
    }
    if !force && is_in_use(&device.path()).unwrap_or(false) {
        return Err(TakeDownError::InUse);
    }
    let disconnected = control().and_then(|mut c| c.disconnect(device.index).map_err(told));
    disconnected.map_err(TakeDownError::Failed)
}

/// The tag of the daemon that keeps its device files there.
pub fn owner_of(dir: &Path) -> OwnerTag {
    OwnerTag::of_dir(&dir.canonicalize().unwrap_or_else(|_| dir.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> NbdDevice {
        NbdDevice {
            index: 3,
            volume: VolumeId(0x1f),
            incarnation: 1,
            generation: 18,
            name: "db-0.data".into(),
        }
    }

    #[test]
    fn an_index_is_ours_only_while_the_kernel_keeps_our_backend_with_it() {
        let dir = std::env::temp_dir().join(format!("shoal-nbd-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("nbd3")).unwrap();
        let (ours, owner) = (device(), OwnerTag(0xabc));
        assert_eq!(at(&dir, 3, owner), None, "not connected");
        let connect = |to: &NbdDevice, owner| {
            std::fs::write(dir.join("nbd3/backend"), to.backend(owner) + "\n").unwrap();
        };
        connect(&ours, owner);
        assert_eq!(at(&dir, 3, owner), Some(ours.clone()));
        connect(&NbdDevice { generation: 19, ..device() }, owner);
        assert_ne!(at(&dir, 3, owner), Some(ours.clone()), "a later attachment has it");
        connect(&ours, OwnerTag(0xabd));
        assert_eq!(at(&dir, 3, owner), None, "another daemon has it");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_backend_tells_the_device_and_only_to_its_owner() {
        let device = device();
        let backend = device.backend(OwnerTag(0xabc));
        assert_eq!(backend, "shoal:abc:1f:1:12:db-0.data");
        assert_eq!(NbdDevice::parse(3, &format!("{backend}\n"), OwnerTag(0xabc)), Some(device));
        assert_eq!(NbdDevice::parse(3, &backend, OwnerTag(0xabd)), None);
        for foreign in ["", "shoal", "shoal:abc", "shoal:abc:1f:1:x:n", "other:abc:1f:1:12:n"] {
            assert_eq!(NbdDevice::parse(3, foreign, OwnerTag(0xabc)), None, "{foreign}");
        }
    }
}
