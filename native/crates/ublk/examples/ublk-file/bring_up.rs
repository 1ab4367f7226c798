//! Which devices to serve: those that wait for a server, and those that do not exist yet.

use std::path::Path;

use shoal_types::VolumeId;
use shoal_ublk::{
    Begun, Control, Device, DeviceDir, DeviceInfo, DeviceRecord, DeviceSpec, OwnerTag, Verdict,
    judge, list, recovery,
};

use crate::backing::Backing;
use crate::options::Options;
use crate::{AnyResult, is_process};

/// 100 tries, 20 ms apart: how long the kernel may take to bury a killed server.
const RECOVERY_TRIES: usize = 100;

pub struct Ready {
    pub device: Device,
    pub backing: Backing,
    pub record: DeviceRecord,
    pub is_new: bool,
    pub options: Options,
}

pub fn all(control: &Control, options: &Options) -> AnyResult<Vec<Ready>> {
    let dir = DeviceDir::open(&options.dir)?;
    let owner = OwnerTag::of_dir(dir.path());
    let mut ready = Vec::new();
    for device in list::devices(Path::new(list::CLASS_DIR))? {
        let info = control.info(device)?;
        let record = dir.read(device).unwrap_or_default();
        match judge(&info, owner, record.as_ref(), is_process(info.server)) {
            Verdict::Foreign | Verdict::Served => {}
            Verdict::Recover => {
                let record = record.expect("judged by it");
                ready.push(take_back(control, &dir, owner, info, record, options)?);
            }
            Verdict::Dead | Verdict::Orphan => {
                eprintln!("ublk-file: remove device {device} of a dead server");
                control.stop(device)?;
                control.delete(device)?;
                dir.remove(device)?;
            }
        }
    }
    for name in &options.names {
        if !ready.iter().any(|ready| ready.record.name == *name) {
            ready.push(add(control, &dir, owner, name, options)?);
        }
    }
    Ok(ready)
}

fn add(
    control: &Control,
    dir: &DeviceDir,
    owner: OwnerTag,
    name: &str,
    options: &Options,
) -> AnyResult<Ready> {
    let spec = DeviceSpec {
        logical_block_bytes: options.block_bytes,
        read_only: options.read_only,
        queues: options.queues,
        depth: options.depth,
        user_copy: !options.tag_buffers,
        ..DeviceSpec::new(options.size, owner)
    };
    let info = control.add(&spec)?;
    options.maybe_die("add");
    let record = DeviceRecord {
        device: info.device,
        volume: VolumeId(1),
        name: name.into(),
        incarnation: 1,
        generation: 1,
        size_bytes: spec.size_bytes,
        logical_block_bytes: spec.logical_block_bytes,
        queues: info.queues,
        depth: info.depth,
        max_io_bytes: info.max_io_bytes,
        max_trim_bytes: spec.max_trim_bytes,
        read_only: spec.read_only,
        fenced: options.fence,
        user_copy: spec.user_copy,
    };
    dir.write(&record)?;
    open(info, owner, record, true, options)
}

fn take_back(
    control: &Control,
    dir: &DeviceDir,
    owner: OwnerTag,
    info: DeviceInfo,
    record: DeviceRecord,
    options: &Options,
) -> AnyResult<Ready> {
    let mut tries = 0;
    while recovery::begin(control, info.device)? == Begun::NotYet {
        tries += 1;
        if tries == RECOVERY_TRIES {
            return Err(format!("device {} is still held by its dead server", info.device).into());
        }
        #[allow(clippy::disallowed_methods)] // the kernel signals nothing when it is done
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    options.maybe_die("begin");
    let record = DeviceRecord { fenced: record.fenced || options.fence, ..record };
    dir.write(&record)?;
    open(info, owner, record, false, options)
}

fn open(
    info: DeviceInfo,
    owner: OwnerTag,
    record: DeviceRecord,
    is_new: bool,
    options: &Options,
) -> AnyResult<Ready> {
    let device = Device::open(Path::new("/dev"), info, &record.spec(owner))?;
    options.maybe_die("open");
    let backing = Backing::open(&options.back.join(&record.name), record.size_bytes)?;
    Ok(Ready { device, backing, record, is_new, options: options.clone() })
}
