//! Devices of the kernel's nbd client: set up, given new sockets, taken down. Needs
//! CAP_SYS_ADMIN. Calls block for as long as the kernel takes; not for an I/O thread.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use crate::kernel::command::{self, BadCommand, Connect, DeviceStatus, FAMILY, Reconfigure};
use crate::kernel::message::{Content, messages};
use crate::kernel::socket::Socket;

#[derive(Debug)]
pub enum KernelError {
    /// The kernel has no nbd, or the module is not loaded.
    NoModule,
    BadCommand(BadCommand),
    /// What the kernel said, as errno: EPERM, EBUSY (in use), EINVAL (no such device, or
    /// another backend)...
    Refused(i32),
    /// The answer is not one.
    Malformed,
    Io(io::Error),
}

impl From<io::Error> for KernelError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BadCommand> for KernelError {
    fn from(bad: BadCommand) -> Self {
        Self::BadCommand(bad)
    }
}

pub struct NbdControl {
    socket: Socket,
    family: u16,
    sequence: u32,
}

impl NbdControl {
    pub fn open() -> Result<Self, KernelError> {
        let mut control = Self { socket: Socket::open()?, family: 0, sequence: 0 };
        control.family = control.resolve(FAMILY)?.ok_or(KernelError::NoModule)?;
        Ok(control)
    }

    /// Gives back which device it is. The kernel may send requests at once.
    pub fn connect(&mut self, connect: &Connect) -> Result<u32, KernelError> {
        let sequence = self.next();
        let message = connect.encode(self.family, sequence)?;
        let mut index = None;
        self.call(sequence, &message, |kind, attributes| {
            if kind == command::CONNECT {
                index = command::connected_index(attributes);
            }
        })?;
        index.ok_or(KernelError::Malformed)
    }

    /// Requests that were in flight on the dead socket are sent again on the new one.
    pub fn reconfigure(&mut self, reconfigure: &Reconfigure) -> Result<(), KernelError> {
        let sequence = self.next();
        let message = reconfigure.encode(self.family, sequence)?;
        self.call(sequence, &message, |_, _| {})
    }

    /// The device sends a goodbye. No error if it is not connected.
    pub fn disconnect(&mut self, index: u32) -> Result<(), KernelError> {
        let sequence = self.next();
        let message = command::disconnect(self.family, sequence, index);
        self.call(sequence, &message, |_, _| {})
    }

    /// All devices, connected or not.
    pub fn devices(&mut self) -> Result<Vec<DeviceStatus>, KernelError> {
        let sequence = self.next();
        let message = command::status(self.family, sequence, None);
        let mut devices = Vec::new();
        self.call(sequence, &message, |kind, attributes| {
            if kind == command::STATUS {
                devices.extend(command::devices(attributes));
            }
        })?;
        Ok(devices)
    }

    /// A device that nobody uses at this moment; `connect` without an index asks the kernel to
    /// choose, which no other process can get between.
    pub fn find_free(&mut self) -> Result<Option<u32>, KernelError> {
        let devices = self.devices()?;
        Ok(devices.iter().find(|device| !device.connected).map(|device| device.index))
    }

    /// How soon requests that were in flight on a dead socket are tried on a new one: the
    /// kernel looks at each request this long after it was sent, and again and again. One that
    /// is only slow is left alone. Without it: 30 seconds.
    pub fn set_retry_interval(&self, index: u32, interval: Duration) -> io::Result<()> {
        let path = format!("/sys/block/nbd{index}/queue/io_timeout");
        fs::write(path, interval.as_millis().to_string())
    }

    fn resolve(&mut self, name: &str) -> Result<Option<u16>, KernelError> {
        let sequence = self.next();
        let message = command::get_family(name, sequence);
        let mut id = None;
        let result = self.call(sequence, &message, |_, attributes| {
            id = id.or(command::family_id(attributes));
        });
        match result {
            Err(KernelError::Refused(libc::ENOENT)) => Ok(None),
            result => result.map(|()| id),
        }
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends, and hands over the data of the answer until it is acknowledged.
    fn call(
        &mut self,
        sequence: u32,
        message: &[u8],
        mut data: impl FnMut(u8, crate::kernel::message::Attributes),
    ) -> Result<(), KernelError> {
        self.socket.send(message)?;
        loop {
            for message in messages(self.socket.receive()?) {
                let message = message.map_err(|_| KernelError::Malformed)?;
                if message.sequence != sequence {
                    // The late answer of a call that was given up.
                    continue;
                }
                match message.content().map_err(|_| KernelError::Malformed)? {
                    Content::Acknowledged(0) => return Ok(()),
                    Content::Acknowledged(errno) => return Err(KernelError::Refused(errno)),
                    Content::Data { command, attributes } => data(command, attributes),
                }
            }
        }
    }
}

/// Where a device appears.
pub fn device_path(index: u32) -> PathBuf {
    PathBuf::from(format!("/dev/nbd{index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel under the tests, whatever modules it has: the controller is always there.
    #[test]
    fn the_controller_answers() {
        let socket = Socket::open().expect("generic netlink");
        let mut control = NbdControl { socket, family: 0, sequence: 0 };
        assert_eq!(control.resolve("nlctrl").unwrap(), Some(0x10));
        assert_eq!(control.resolve("no-such-family").unwrap(), None);
        assert_eq!(control.resolve("nlctrl").unwrap(), Some(0x10));
    }
}
