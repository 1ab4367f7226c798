use std::path::Path;

use shoal_ublk::{Claim, Control, DeviceDir};

use crate::AnyResult;
use crate::options::Options;

pub fn detach(control: &Control, options: &Options) -> AnyResult<()> {
    let dir = DeviceDir::open(&options.dir)?;
    let name = options.names.first().ok_or("which device?")?;
    let record = dir.find(name)?.ok_or(format!("{name} is not attached here"))?;
    let device = record.device;
    let claim = Claim::take(Path::new("/dev"), device)?;
    if claim.is_none() && !options.force {
        return Err(format!("{name} (/dev/ublkb{device}) is in use: unmount it, or --force").into());
    }
    control.stop(device)?;
    drop(claim);
    match options.force {
        true => control.delete_async(device)?,
        false => control.delete(device)?,
    }
    dir.remove(device)?;
    println!("detached {name}");
    Ok(())
}
