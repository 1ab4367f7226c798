//! Blocking work on the kernel's block devices: added, started, taken back, taken down. Each call is
//! made on a thread of its own, never on one that serves I/O: some of them return only after I/O of
//! theirs was answered (docs/formats/ublk.md). Nothing is decided here.

pub mod detached;
mod force;
pub mod nbd;
pub mod ublk;

pub use force::force_detach;

use std::path::{Path, PathBuf};

use shoal_meta::state::Via;
use shoal_types::VolumeId;

use crate::control::ControlError;

pub const DEV_DIR: &str = "/dev";

/// A volume that is to be a device.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub volume: VolumeId,
    pub name: String,
    pub incarnation: u64,
    pub generation: u64,
    pub size_bytes: u64,
    pub logical_block_bytes: u32,
    pub read_only: bool,
    /// 0: as fits.
    pub queues: u16,
}

/// Why a device was not taken down.
#[derive(Debug)]
pub enum TakeDownError {
    /// Mounted, mapped or otherwise held.
    InUse,
    Failed(String),
}

/// By what this kernel can show a volume. `wanted`: `None` takes what there is, ublk first.
pub fn choose(wanted: Option<Via>) -> Result<Via, ControlError> {
    let ublk = || ublk::is_there().map(|()| Via::Ublk);
    let nbd = || nbd::is_there().map(|()| Via::Nbd);
    let found = match wanted {
        Some(Via::Nbd) => nbd(),
        Some(_) => ublk(),
        None => ublk().or_else(|first| nbd().map_err(|second| format!("{first}; {second}"))),
    };
    found.map_err(|why| {
        let message = format!("no device on this peer: {why}");
        let hint = "export the volume instead: shoal export create";
        ControlError::new("unsupported", message).with(serde_json::json!({ "next": hint }))
    })
}

/// Is the block device held by anybody?
pub fn is_in_use(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::File::options().read(true).custom_flags(libc::O_EXCL).open(path);
    match opened {
        Ok(_) => Ok(false),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(true),
        Err(error) => Err(error),
    }
}

/// `/dev/ublkbN`.
pub fn ublk_path(number: u32) -> PathBuf {
    Path::new(DEV_DIR).join(format!("ublkb{number}"))
}

#[allow(clippy::disallowed_methods)] // the kernel signals nothing when it is done
fn pause() {
    std::thread::sleep(PAUSE);
}

/// Between two looks at whether the kernel is done with something.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// Looks, before it is given up: 10 seconds.
const LOOKS_MAX: usize = 500;
