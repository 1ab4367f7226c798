//! Control commands. They block: START_DEV, for one, returns only after the queue threads have
//! served its partition scan. So they belong on a control thread, never on one that serves a queue.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use io_uring::squeue::Entry128;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use crate::control_error::ControlError;
use crate::device_info::{DeviceInfo, Features};
use crate::device_spec::DeviceSpec;
use crate::uapi::{ControlCommand, DeviceInfoRaw, Params, command};

pub const CONTROL_PATH: &str = "/dev/ublk-control";
/// How long a command may take before it is given up, the hang of a broken driver.
pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(30);

pub struct Control {
    file: File,
    patience: Duration,
}

impl Control {
    pub fn open(path: &Path, patience: Duration) -> Result<Self, ControlError> {
        let file = File::options().read(true).write(true).open(path);
        Ok(Self { file: file.map_err(ControlError::NoDriver)?, patience })
    }

    pub fn features(&self) -> Result<Features, ControlError> {
        let features = self.ask("GET_FEATURES", command::GET_FEATURES, u32::MAX, 0u64)?;
        Ok(Features(features))
    }

    /// Makes /dev/ublkcN with its parameters set. The driver drops flags that it does not know
    /// without a word: what it returns is compared, and the device is unmade if something lacks.
    pub fn add(&self, spec: &DeviceSpec) -> Result<DeviceInfo, ControlError> {
        spec.check()?;
        let raw = self.ask("ADD_DEV", command::ADD_DEV, u32::MAX, spec.info())?;
        let info = DeviceInfo::from(&raw);
        let lacking = info.features.missing(spec.features());
        let result = if lacking.is_empty() {
            self.set_params(info.device, spec.params())
        } else {
            Err(ControlError::Lacks(lacking))
        };
        if let Err(error) = result {
            self.delete(info.device)?;
            return Err(error);
        }
        Ok(info)
    }

    pub fn info(&self, device: u32) -> Result<DeviceInfo, ControlError> {
        let raw = DeviceInfoRaw::default();
        let raw = self.ask("GET_DEV_INFO", command::GET_DEV_INFO, device, raw)?;
        Ok(DeviceInfo::from(&raw))
    }

    pub fn params(&self, device: u32) -> Result<Params, ControlError> {
        let params = Params { len: size_of::<Params>() as u32, ..Default::default() };
        self.ask("GET_PARAMS", command::GET_PARAMS, device, params)
    }

    /// Makes /dev/ublkbN. Returns when all tags of all queues are fetched and the partition
    /// table has been read through them.
    pub fn start(&self, device: u32) -> Result<(), ControlError> {
        self.tell("START_DEV", command::START_DEV, device, u64::from(std::process::id()))
    }

    /// Removes /dev/ublkbN, mounted or not: take a `Claim` first. With a live server it waits
    /// for the requests in flight; without one it fails them.
    pub fn stop(&self, device: u32) -> Result<(), ControlError> {
        self.tell("STOP_DEV", command::STOP_DEV, device, 0)
    }

    /// Removes /dev/ublkcN and waits until nobody has it or the block device open or mapped.
    pub fn delete(&self, device: u32) -> Result<(), ControlError> {
        self.tell("DEL_DEV", command::DEL_DEV, device, 0)
    }

    /// Like `delete`, but the last holder frees the number, and nobody waits for him.
    pub fn delete_async(&self, device: u32) -> Result<(), ControlError> {
        self.tell("DEL_DEV_ASYNC", command::DEL_DEV_ASYNC, device, 0)
    }

    pub(crate) fn start_recovery(&self, device: u32) -> Result<(), ControlError> {
        self.tell("START_USER_RECOVERY", command::START_USER_RECOVERY, device, 0)
    }

    /// Lets the waiting I/O through. Like `start`, needs all tags fetched.
    pub fn end_recovery(&self, device: u32) -> Result<(), ControlError> {
        let process = u64::from(std::process::id());
        self.tell("END_USER_RECOVERY", command::END_USER_RECOVERY, device, process)
    }

    fn set_params(&self, device: u32, params: Params) -> Result<(), ControlError> {
        self.ask("SET_PARAMS", command::SET_PARAMS, device, params).map(drop)
    }

    fn tell(
        &self,
        name: &'static str,
        op: u32,
        device: u32,
        data: u64,
    ) -> Result<(), ControlError> {
        let command = ControlCommand { device, queue: u16::MAX, data, ..Default::default() };
        match self.run(op, command).map_err(ControlError::Ring)? {
            Some(result) => judge(name, device, result),
            None => Err(ControlError::TimedOut { command: name, device }),
        }
    }

    /// A command with a buffer that the kernel reads and writes.
    fn ask<T: Copy>(
        &self,
        name: &'static str,
        op: u32,
        device: u32,
        value: T,
    ) -> Result<T, ControlError> {
        let buffer = Box::into_raw(Box::new(value));
        let command = ControlCommand {
            device,
            queue: u16::MAX,
            buffer_bytes: size_of::<T>() as u16,
            buffer: buffer as u64,
            ..Default::default()
        };
        let result = self.run(op, command).map_err(ControlError::Ring)?;
        let Some(result) = result else {
            // The kernel may yet write to the buffer: it is given up with the command.
            return Err(ControlError::TimedOut { command: name, device });
        };
        // SAFETY: the command is complete, so the kernel is done with the box made above.
        let value = unsafe { *Box::from_raw(buffer) };
        judge(name, device, result).map(|()| value)
    }

    /// Runs one command on a ring of its own; none: it took longer than we wait.
    fn run(&self, op: u32, command: ControlCommand) -> io::Result<Option<i32>> {
        let mut ring: IoUring<Entry128, cqueue::Entry> = IoUring::builder().build(1)?;
        let mut payload = [0u8; 80];
        payload[..size_of::<ControlCommand>()].copy_from_slice(command_bytes(&command));
        let entry = opcode::UringCmd80::new(Fd(self.file.as_raw_fd()), op).cmd(payload).build();
        // SAFETY: the entry names no memory but `command.buffer`, which `ask` keeps for as long
        // as the command may run.
        unsafe { ring.submission().push(&entry) }.expect("an empty ring takes one entry");
        let patience = Timespec::from(self.patience);
        let arguments = SubmitArgs::new().timespec(&patience);
        loop {
            let entered = ring.submitter().submit_with_args(1, &arguments);
            if let Some(completion) = ring.completion().next() {
                return Ok(Some(completion.result()));
            }
            match entered {
                Err(error) if error.raw_os_error() == Some(libc::ETIME) => return Ok(None),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }
}

fn command_bytes(command: &ControlCommand) -> &[u8] {
    // SAFETY: the structure has no padding (its fields fill its 32 bytes) and outlives the slice.
    unsafe {
        std::slice::from_raw_parts(
            (command as *const ControlCommand).cast(),
            size_of::<ControlCommand>(),
        )
    }
}

fn judge(command: &'static str, device: u32, result: i32) -> Result<(), ControlError> {
    if result >= 0 {
        return Ok(());
    }
    Err(ControlError::Refused { command, device, errno: -result })
}

const _: () = assert!(size_of::<ControlCommand>() <= 80);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_driver_is_said_as_such() {
        let error = Control::open(Path::new("/dev/no-ublk-here"), PATIENCE_DEFAULT).err().unwrap();
        assert!(error.to_string().contains("modprobe ublk_drv"), "{error}");
    }

    #[test]
    fn errnos_are_judged() {
        assert!(judge("STOP_DEV", 3, 0).is_ok());
        assert!(judge("STOP_DEV", 3, -libc::EBUSY).unwrap_err().is_busy());
        assert!(judge("STOP_DEV", 3, -libc::ENODEV).unwrap_err().is_gone());
    }
}
