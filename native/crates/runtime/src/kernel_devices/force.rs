//! Taking a device down with no daemon running.

use std::path::{Path, PathBuf};

use shoal_ublk::DeviceDir;

use super::{TakeDownError, detached, nbd, ublk, ublk_path};

/// The device of the volume `name` is taken away from whoever uses it; gives its path. `dir`: the
/// peer's directory of device files. The daemon tells the cluster when it comes back.
pub fn force_detach(dir: &Path, name: &str) -> Result<String, String> {
    let files = DeviceDir::open(dir).map_err(|error| error.to_string())?;
    let record = files.find(name).map_err(|error| error.to_string())?;
    let owner = nbd::owner_of(dir);
    let nbd = || nbd::sweep(owner).into_iter().find(|device| device.name == name);
    let (taken, path, attachment): (_, PathBuf, _) = if let Some(record) = record {
        let attachment = (record.volume, record.generation);
        (ublk::take_down(dir, record.device, true), ublk_path(record.device), attachment)
    } else if let Some(device) = nbd() {
        (nbd::take_down(&device, owner, true), device.path(), (device.volume, device.generation))
    } else {
        return Err(format!("no device of this peer shows a volume '{name}'"));
    };
    match taken {
        Ok(()) => {}
        Err(TakeDownError::InUse) => unreachable!("force does not ask"),
        Err(TakeDownError::Failed(why)) => return Err(why),
    }
    detached::note(dir, attachment.0, attachment.1).map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}
