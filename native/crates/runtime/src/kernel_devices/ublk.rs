//! Devices of the ublk driver. Sequences: docs/formats/ublk.md.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_ublk::{
    Begun, Claim, Control, ControlError, Device, DeviceDir, DeviceInfo, DeviceRecord, DeviceSpec,
    Features, OwnerTag, Verdict, judge, list, recovery,
};

use super::{DEV_DIR, LOOKS_MAX, TakeDownError, Wanted, pause};

/// All tags of a device enter the ring of its I/O thread together.
const QUEUES_MAX: u16 =
    (crate::io_thread::RING_ENTRIES / shoal_ublk::device_spec::DEPTH_DEFAULT as u32) as u16;
/// Queues of a device for which nobody asked for a number: one thread serves them all.
const QUEUES_DEFAULT: u16 = 4;

pub fn is_there() -> Result<(), String> {
    let features = control().and_then(|control| control.features()).map_err(|e| e.to_string())?;
    let lacking = features.missing(Features::REQUIRED);
    if lacking.is_empty() { Ok(()) } else { Err(ControlError::Lacks(lacking).to_string()) }
}

fn control() -> Result<Control, ControlError> {
    Control::open(
        Path::new(shoal_ublk::control::CONTROL_PATH),
        shoal_ublk::control::PATIENCE_DEFAULT,
    )
}

/// The devices of this directory's daemon, from its last life. WHOEVER CALLS HOLDS THE LOCK OF
/// THE PEER'S DIRECTORY: nobody else serves them. Those that no volume can be found for are
/// removed, and so are files of devices that the kernel has forgotten.
pub fn sweep(dir: &Path) -> Result<Vec<DeviceRecord>, String> {
    let dir = DeviceDir::open(dir).map_err(|error| error.to_string())?;
    let owner = OwnerTag::of_dir(dir.path());
    let numbers = list::devices(Path::new(list::CLASS_DIR)).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    if !numbers.is_empty() {
        let control = control().map_err(|error| error.to_string())?;
        for number in &numbers {
            let kept = look(&control, &dir, owner, *number).map_err(|error| error.to_string())?;
            found.extend(kept);
        }
    }
    for number in dir.devices().map_err(|error| error.to_string())? {
        if !found.iter().any(|record: &DeviceRecord| record.device == number) {
            dir.remove(number).map_err(|error| error.to_string())?;
        }
    }
    Ok(found)
}

fn look(
    control: &Control,
    dir: &DeviceDir,
    owner: OwnerTag,
    number: u32,
) -> Result<Option<DeviceRecord>, ControlError> {
    let info = match control.info(number) {
        Err(error) if error.is_gone() => return Ok(None),
        info => info?,
    };
    let record = dir.read(number).unwrap_or_default();
    // A number in `info.server` that lives is another process by now.
    match judge(&info, owner, record.as_ref(), false) {
        Verdict::Foreign | Verdict::Served => Ok(None),
        Verdict::Recover => Ok(record),
        Verdict::Dead | Verdict::Orphan => {
            eprintln!("ublk device {number} belongs to no volume any more and is removed");
            control.stop(number)?;
            control.delete_async(number)?;
            Ok(None)
        }
    }
}

/// Makes the device; it is not started.
pub fn add(dir: &Path, wanted: &Wanted) -> Result<(Arc<Device>, DeviceRecord), String> {
    let dir = DeviceDir::open(dir).map_err(|error| error.to_string())?;
    let owner = OwnerTag::of_dir(dir.path());
    let spec = DeviceSpec {
        logical_block_bytes: wanted.logical_block_bytes,
        read_only: wanted.read_only,
        queues: queues(wanted.queues),
        ..DeviceSpec::new(wanted.size_bytes, owner)
    };
    let control = control().map_err(|error| error.to_string())?;
    let info = control.add(&spec).map_err(|error| error.to_string())?;
    let record = record_of(wanted, &spec, &info);
    let opened = dir.write(&record).and_then(|()| open(info, &record, owner));
    opened.map(|device| (device, record)).map_err(|error| {
        let number = info.device;
        if let Err(error) = control.delete_async(number).map(|()| dir.remove(number)) {
            eprintln!("ublk device {number} is left behind: {error}");
        }
        format!("ublk device {number}: {error}")
    })
}

fn queues(asked: u16) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u16;
    let wanted = if asked == 0 { QUEUES_DEFAULT } else { asked };
    wanted.min(cores).clamp(1, QUEUES_MAX)
}

fn record_of(wanted: &Wanted, spec: &DeviceSpec, info: &DeviceInfo) -> DeviceRecord {
    DeviceRecord {
        device: info.device,
        volume: wanted.volume,
        name: wanted.name.clone(),
        incarnation: wanted.incarnation,
        generation: wanted.generation,
        size_bytes: spec.size_bytes,
        logical_block_bytes: spec.logical_block_bytes,
        queues: info.queues,
        depth: info.depth,
        max_io_bytes: info.max_io_bytes,
        max_trim_bytes: spec.max_trim_bytes,
        read_only: spec.read_only,
        fenced: false,
        user_copy: spec.user_copy,
    }
}

fn open(info: DeviceInfo, record: &DeviceRecord, owner: OwnerTag) -> io::Result<Arc<Device>> {
    Device::open(Path::new(DEV_DIR), info, &record.spec(owner)).map(Arc::new)
}

/// Asks the kernel to forget the dead server, and opens the device for serving it.
pub fn take_back(dir: &Path, record: &DeviceRecord) -> Result<Arc<Device>, String> {
    let dir = DeviceDir::open(dir).map_err(|error| error.to_string())?;
    let control = control().map_err(|error| error.to_string())?;
    let mut looks = 0;
    while recovery::begin(&control, record.device).map_err(|e| e.to_string())? == Begun::NotYet {
        looks += 1;
        if looks == LOOKS_MAX {
            return Err(format!("device {} is still held by its dead server", record.device));
        }
        pause();
    }
    let info = control.info(record.device).map_err(|error| error.to_string())?;
    open(info, record, OwnerTag::of_dir(dir.path())).map_err(|error| error.to_string())
}

/// `is_new`: never started; otherwise taken back, and its I/O goes on.
pub fn start(number: u32, is_new: bool) -> Result<(), String> {
    let control = control().map_err(|error| error.to_string())?;
    let started = if is_new { control.start(number) } else { control.end_recovery(number) };
    started.map_err(|error| error.to_string())
}

/// Replaces the device file: renamed, or fenced.
pub fn rewrite(dir: &Path, record: &DeviceRecord) -> io::Result<()> {
    DeviceDir::open(dir)?.write(record)
}

/// Without force: refused while anybody holds it. By force it is taken away, and its last holder
/// frees the number. Works whether or not a server lives, unless that server owes answers.
pub fn take_down(dir: &Path, number: u32, force: bool) -> Result<(), TakeDownError> {
    let failed = |error: &dyn std::fmt::Display| TakeDownError::Failed(error.to_string());
    let dir: PathBuf = dir.into();
    let control = control().map_err(|error| failed(&error))?;
    let claim = match force {
        true => None,
        false => match Claim::take(Path::new(DEV_DIR), number) {
            Ok(Some(claim)) => Some(claim),
            Ok(None) => return Err(TakeDownError::InUse),
            // Never started: there is no block device.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&error)),
        },
    };
    let gone = |result: Result<(), ControlError>| match result {
        Err(error) if !error.is_gone() => Err(failed(&error)),
        _ => Ok(()),
    };
    gone(control.stop(number))?;
    drop(claim);
    gone(if force { control.delete_async(number) } else { control.delete(number) })?;
    let removed = DeviceDir::open(&dir).and_then(|dir| dir.remove(number));
    removed.map_err(|error| failed(&error))
}
