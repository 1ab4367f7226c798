//! What the kernel's include/uapi/linux/ublk_cmd.h fixes: numbers and layouts, nothing of our own.

use std::mem::{align_of, offset_of, size_of};

/// Control commands, by their number; the code on the wire is `control_op`.
pub mod command {
    pub const GET_DEV_INFO: u32 = read(0x02);
    pub const ADD_DEV: u32 = read_write(0x04);
    pub const DEL_DEV: u32 = read_write(0x05);
    pub const START_DEV: u32 = read_write(0x06);
    pub const STOP_DEV: u32 = read_write(0x07);
    pub const SET_PARAMS: u32 = read_write(0x08);
    pub const GET_PARAMS: u32 = read(0x09);
    pub const START_USER_RECOVERY: u32 = read_write(0x10);
    pub const END_USER_RECOVERY: u32 = read_write(0x11);
    pub const GET_FEATURES: u32 = read(0x13);
    pub const DEL_DEV_ASYNC: u32 = read(0x14);

    const SIZE: usize = size_of::<super::ControlCommand>();

    const fn read(number: u32) -> u32 {
        super::ioctl(2, SIZE, number)
    }

    const fn read_write(number: u32) -> u32 {
        super::ioctl(3, SIZE, number)
    }
}

/// I/O commands, sent to /dev/ublkcN by the thread that serves the queue.
pub mod io_command {
    const SIZE: usize = size_of::<super::IoCommand>();

    pub const FETCH: u32 = super::ioctl(3, SIZE, 0x20);
    pub const COMMIT_AND_FETCH: u32 = super::ioctl(3, SIZE, 0x21);
}

/// Feature and device flags.
pub mod flag {
    pub const USER_RECOVERY: u64 = 1 << 3;
    pub const USER_RECOVERY_REISSUE: u64 = 1 << 4;
    pub const CMD_IOCTL_ENCODE: u64 = 1 << 6;
    pub const USER_COPY: u64 = 1 << 7;
}

/// Values of `DeviceInfoRaw::state`.
pub mod state {
    pub const DEAD: u16 = 0;
    pub const LIVE: u16 = 1;
    pub const QUIESCED: u16 = 2;
    pub const FAIL_IO: u16 = 3;
}

/// Low 8 bits of `IoDescriptor::op_flags`.
pub mod op {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const FLUSH: u32 = 2;
    pub const DISCARD: u32 = 3;
    pub const WRITE_ZEROES: u32 = 5;
}

/// Flag of a write-zeroes request: the space must stay allocated.
pub const IO_FLAG_NO_UNMAP: u32 = 1 << 15;

pub const ATTRIBUTE_READ_ONLY: u32 = 1;
pub const PARAMS_BASIC: u32 = 1;
pub const PARAMS_DISCARD: u32 = 2;

/// The unit of every offset and length of this interface, whatever the logical block size.
pub const SECTOR_BYTES: u64 = 512;
/// Completion of a fetch whose device was stopped.
pub const RESULT_ABORT: i32 = -libc::ENODEV;
/// Descriptors of queue `q` start at `q` times the size of a queue of this depth.
pub const QUEUE_DEPTH_MAX: u16 = 4096;
pub const QUEUES_MAX: u16 = 4096;
/// Largest request, in bytes: what the offset of a user copy can express.
pub const IO_BYTES_MAX: u32 = 1 << 25;

/// Position in /dev/ublkcN at which pread and pwrite reach byte `offset` of a request's data.
pub const fn data_position(queue: u16, tag: u16, offset: u32) -> u64 {
    assert!(offset < IO_BYTES_MAX && queue < QUEUES_MAX && tag < QUEUE_DEPTH_MAX);
    0x8000_0000 + ((queue as u64) << 41 | (tag as u64) << 25 | offset as u64)
}

/// The payload of a control SQE.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ControlCommand {
    pub device: u32,
    /// 0xffff: the command is not for one queue.
    pub queue: u16,
    pub buffer_bytes: u16,
    pub buffer: u64,
    pub data: u64,
    pub path_bytes: u16,
    pub pad: u16,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfoRaw {
    pub queues: u16,
    pub depth: u16,
    pub state: u16,
    pub pad0: u16,
    pub max_io_bytes: u32,
    pub device: u32,
    pub server_pid: i32,
    pub pad1: u32,
    pub flags: u64,
    /// Kept and returned by the driver, which gives it no meaning: our owner tag.
    pub server_flags: u64,
    pub owner_uid: u32,
    pub owner_gid: u32,
    pub reserved1: u64,
    pub reserved2: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasicParams {
    pub attributes: u32,
    pub logical_block_shift: u8,
    pub physical_block_shift: u8,
    pub io_optimum_shift: u8,
    pub io_minimum_shift: u8,
    pub max_sectors: u32,
    pub chunk_sectors: u32,
    pub device_sectors: u64,
    pub virtual_boundary_mask: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscardParams {
    pub alignment: u32,
    pub granularity: u32,
    pub max_discard_sectors: u32,
    pub max_write_zeroes_sectors: u32,
    pub max_segments: u16,
    pub reserved: u16,
}

/// The head of the kernel's structure, up to the device numbers; `len` says how much we know.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    pub len: u32,
    pub types: u32,
    pub basic: BasicParams,
    pub discard: DiscardParams,
    /// char major, char minor, disk major, disk minor; filled by the driver.
    pub numbers: [u32; 4],
    /// First word of the zoned parameters, always 0: pads the structure to 8 bytes.
    pub reserved: u32,
}

/// One request, written by the kernel into the mapped array before its completion.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct IoDescriptor {
    pub op_flags: u32,
    pub sectors: u32,
    pub start_sector: u64,
    pub address: u64,
}

/// The payload of an I/O SQE: fits the 16 bytes of an ordinary 64-byte entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct IoCommand {
    pub queue: u16,
    pub tag: u16,
    pub result: i32,
    /// Buffer of the tag; 0 when data moves by user copy.
    pub address: u64,
}

const fn ioctl(direction: u32, size: usize, number: u32) -> u32 {
    direction << 30 | (size as u32) << 16 | (b'u' as u32) << 8 | number
}

const _: () = {
    assert!(size_of::<ControlCommand>() == 32 && offset_of!(ControlCommand, data) == 16);
    assert!(size_of::<DeviceInfoRaw>() == 64 && align_of::<DeviceInfoRaw>() == 8);
    assert!(offset_of!(DeviceInfoRaw, flags) == 24 && offset_of!(DeviceInfoRaw, owner_uid) == 40);
    assert!(size_of::<BasicParams>() == 32 && size_of::<DiscardParams>() == 20);
    assert!(offset_of!(Params, basic) == 8 && offset_of!(Params, discard) == 40);
    assert!(offset_of!(Params, numbers) == 60 && size_of::<Params>() == 80);
    assert!(size_of::<IoDescriptor>() == 24 && size_of::<IoCommand>() == 16);
    assert!(offset_of!(IoCommand, address) == 8);
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes as the C macros give them on a 64-bit machine.
    #[test]
    fn codes_are_those_of_the_header() {
        assert_eq!(command::ADD_DEV, 0xc020_7504);
        assert_eq!(command::GET_DEV_INFO, 0x8020_7502);
        assert_eq!(command::GET_FEATURES, 0x8020_7513);
        assert_eq!(command::DEL_DEV_ASYNC, 0x8020_7514);
        assert_eq!(io_command::FETCH, 0xc010_7520);
        assert_eq!(io_command::COMMIT_AND_FETCH, 0xc010_7521);
    }

    #[test]
    fn position_keeps_its_fields_apart() {
        assert_eq!(data_position(0, 0, 0), 0x8000_0000);
        assert_eq!(data_position(0, 0, 512), 0x8000_0200);
        assert_eq!(data_position(0, 1, 0), 0x8000_0000 + (1 << 25));
        assert_eq!(data_position(3, 64, 1), 0x8000_0000 + (3 << 41) + (1 << 31) + 1);
        let last = data_position(QUEUES_MAX - 1, QUEUE_DEPTH_MAX - 1, IO_BYTES_MAX - 1);
        assert!(last < i64::MAX as u64);
    }
}
