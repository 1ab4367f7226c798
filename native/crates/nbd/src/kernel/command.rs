//! The commands of the kernel's nbd family, and of the controller that knows families by name.

use std::os::fd::RawFd;

use crate::Export;
use crate::constants::flag;
use crate::kernel::message::{Attributes, Builder};

pub const FAMILY: &str = "nbd";
const VERSION: u8 = 1;

const CONTROLLER_FAMILY: u16 = 0x10;
const CONTROLLER_GET_FAMILY: u8 = 3;
const CONTROLLER_ATTR_ID: u16 = 1;
const CONTROLLER_ATTR_NAME: u16 = 2;

pub const CONNECT: u8 = 1;
const DISCONNECT: u8 = 2;
const RECONFIGURE: u8 = 3;
pub const STATUS: u8 = 5;

/// Attributes of a command.
mod attr {
    pub const INDEX: u16 = 1;
    pub const SIZE_BYTES: u16 = 2;
    pub const BLOCK_SIZE_BYTES: u16 = 3;
    pub const TIMEOUT: u16 = 4;
    pub const SERVER_FLAGS: u16 = 5;
    pub const CLIENT_FLAGS: u16 = 6;
    pub const SOCKETS: u16 = 7;
    pub const DEAD_CONN_TIMEOUT: u16 = 8;
    pub const DEVICE_LIST: u16 = 9;
    pub const BACKEND_IDENTIFIER: u16 = 10;
    /// Within SOCKETS: items, each with one descriptor.
    pub const SOCKET_ITEM: u16 = 1;
    pub const SOCKET_FD: u16 = 1;
    /// Within DEVICE_LIST: items, each with an index and whether it is connected.
    pub const DEVICE_ITEM: u16 = 1;
    pub const DEVICE_INDEX: u16 = 1;
    pub const DEVICE_CONNECTED: u16 = 2;
}

/// Longest name of a backend, in bytes.
pub const BACKEND_BYTES_MAX: usize = 128;

/// Sets up a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Which device; `None`: the kernel takes a free one, or makes one.
    pub index: Option<u32>,
    /// In bytes.
    pub size: u64,
    /// 512 to 4096, in bytes.
    pub block_size: u32,
    pub read_only: bool,
    pub rotational: bool,
    /// Seconds that requests wait for a server that went away to come back with `Reconfigure`;
    /// then they fail. Zero: they fail at once.
    pub dead_connection_seconds: u64,
    /// One stream socket; the kernel keeps it open for itself. NEVER SEVERAL, AND NEVER WITH A
    /// TIME LIMIT: with either the kernel takes a slow answer for a dead connection, cuts it and
    /// fails the I/O, while a write may rightly wait for its members.
    pub socket: RawFd,
    /// Tells whose device this is; a `Reconfigure` must name it again. Shown in
    /// `/sys/block/nbdN/backend`.
    pub backend: String,
}

/// Gives a device a new socket for the one that died, or a new size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfigure {
    pub index: u32,
    pub socket: Option<RawFd>,
    pub backend: String,
    /// A new size, in bytes.
    pub size: Option<u64>,
}

/// Why a command is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCommand {
    BlockSize(u32),
    /// No multiple of the block size, or zero.
    Size(u64),
    Backend,
}

impl Connect {
    pub fn new(export: &Export, block_size: u32, backend: &str, socket: RawFd) -> Self {
        Self {
            index: None,
            size: export.size,
            block_size,
            read_only: export.read_only,
            rotational: false,
            dead_connection_seconds: 0,
            socket,
            backend: backend.to_owned(),
        }
    }

    pub fn encode(&self, family: u16, sequence: u32) -> Result<Vec<u8>, BadCommand> {
        if !(512..=4096).contains(&self.block_size) || !self.block_size.is_power_of_two() {
            return Err(BadCommand::BlockSize(self.block_size));
        }
        if self.size == 0 || !self.size.is_multiple_of(u64::from(self.block_size)) {
            return Err(BadCommand::Size(self.size));
        }
        check_backend(&self.backend)?;
        let mut builder = Builder::new(family, CONNECT, VERSION, sequence);
        if let Some(index) = self.index {
            builder = builder.u32(attr::INDEX, index);
        }
        builder = builder
            .u64(attr::SIZE_BYTES, self.size)
            .u64(attr::BLOCK_SIZE_BYTES, u64::from(self.block_size))
            .u64(attr::TIMEOUT, 0)
            .u64(attr::DEAD_CONN_TIMEOUT, self.dead_connection_seconds)
            .u64(attr::SERVER_FLAGS, u64::from(self.flags()))
            .u64(attr::CLIENT_FLAGS, 0)
            .string(attr::BACKEND_IDENTIFIER, &self.backend);
        Ok(put_socket(builder, self.socket).finish())
    }

    /// Neither FLUSH nor FUA: every write is durable when it is answered, so the device has no
    /// volatile cache, and the kernel sends no flushes.
    fn flags(&self) -> u16 {
        let mut flags = flag::HAS_FLAGS;
        if self.read_only {
            flags |= flag::READ_ONLY;
        } else {
            flags |= flag::SEND_TRIM | flag::SEND_WRITE_ZEROES;
        }
        if self.rotational { flags | flag::ROTATIONAL } else { flags }
    }
}

impl Reconfigure {
    pub fn encode(&self, family: u16, sequence: u32) -> Result<Vec<u8>, BadCommand> {
        check_backend(&self.backend)?;
        let mut builder = Builder::new(family, RECONFIGURE, VERSION, sequence)
            .u32(attr::INDEX, self.index)
            .string(attr::BACKEND_IDENTIFIER, &self.backend);
        if let Some(size) = self.size {
            builder = builder.u64(attr::SIZE_BYTES, size);
        }
        if let Some(socket) = self.socket {
            builder = put_socket(builder, socket);
        }
        Ok(builder.finish())
    }
}

fn check_backend(backend: &str) -> Result<(), BadCommand> {
    let good = backend.len() <= BACKEND_BYTES_MAX && !backend.contains('\0');
    if good { Ok(()) } else { Err(BadCommand::Backend) }
}

fn put_socket(builder: Builder, socket: RawFd) -> Builder {
    builder.nested(attr::SOCKETS, |list| {
        list.nested(attr::SOCKET_ITEM, |item| item.u32(attr::SOCKET_FD, socket as u32))
    })
}

pub fn disconnect(family: u16, sequence: u32, index: u32) -> Vec<u8> {
    Builder::new(family, DISCONNECT, VERSION, sequence).u32(attr::INDEX, index).finish()
}

/// Of one device, or of all.
pub fn status(family: u16, sequence: u32, index: Option<u32>) -> Vec<u8> {
    let builder = Builder::new(family, STATUS, VERSION, sequence);
    match index {
        Some(index) => builder.u32(attr::INDEX, index),
        None => builder,
    }
    .finish()
}

/// Asks the controller for the id of a family.
pub fn get_family(name: &str, sequence: u32) -> Vec<u8> {
    Builder::new(CONTROLLER_FAMILY, CONTROLLER_GET_FAMILY, 1, sequence)
        .string(CONTROLLER_ATTR_NAME, name)
        .finish()
}

/// Of the controller's answer.
pub fn family_id(attributes: Attributes) -> Option<u16> {
    attributes.find_u16(CONTROLLER_ATTR_ID)
}

/// Of the answer to CONNECT.
pub fn connected_index(attributes: Attributes) -> Option<u32> {
    attributes.find_u32(attr::INDEX)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    pub index: u32,
    pub connected: bool,
}

/// Of the answer to STATUS.
pub fn devices(attributes: Attributes) -> Vec<DeviceStatus> {
    let list = Attributes(attributes.find(attr::DEVICE_LIST).unwrap_or(&[]));
    let item = |(kind, value): (u16, _)| {
        let item = Attributes(value);
        let index = (kind == attr::DEVICE_ITEM).then(|| item.find_u32(attr::DEVICE_INDEX))??;
        let connected = item.find_u8(attr::DEVICE_CONNECTED)? != 0;
        Some(DeviceStatus { index, connected })
    };
    list.iter().filter_map(item).collect()
}

#[cfg(test)]
mod tests;
