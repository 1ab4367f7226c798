//! What a device shall be: checked here, because the driver takes odd values without a word.

use std::fmt;

use shoal_types::BLOCK_BYTES;

use crate::device_info::{Features, OwnerTag};
use crate::uapi::{self, BasicParams, DeviceInfoRaw, DiscardParams, Params, SECTOR_BYTES, flag};

/// Requests in flight per queue.
pub const DEPTH_DEFAULT: u16 = 128;
/// Largest read or write: one replication message.
pub const IO_BYTES_DEFAULT: u32 = shoal_types::geometry::MESSAGE_BLOCKS_MAX * BLOCK_BYTES as u32;
/// Largest discard or write-zeroes: bounds how many extents one request spans.
pub const TRIM_BYTES_DEFAULT: u32 = 128 << 20;
/// Optimal I/O size told to file systems: one chunk.
const IO_OPTIMUM_BYTES: u32 = shoal_types::geometry::CHUNK_BLOCKS_DEFAULT * BLOCK_BYTES as u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceSpec {
    pub size_bytes: u64,
    /// 512 or 4096; physical block and minimum I/O are always 4096.
    pub logical_block_bytes: u32,
    pub read_only: bool,
    pub queues: u16,
    pub depth: u16,
    pub max_io_bytes: u32,
    pub max_trim_bytes: u32,
    pub owner: OwnerTag,
    /// Data moves by pread and pwrite on the device (the default), not through a buffer per tag.
    pub user_copy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpecError {
    LogicalBlock(u32),
    /// Zero, or no multiple of the logical block.
    Size(u64),
    Queues(u16),
    Depth(u16),
    IoBytes(u32),
    TrimBytes(u32),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogicalBlock(bytes) => write!(f, "block size {bytes} is neither 512 nor 4096"),
            Self::Size(bytes) => write!(f, "size {bytes} is not a positive multiple of the block"),
            Self::Queues(count) => write!(f, "{count} queues: 1 to {} work", uapi::QUEUES_MAX),
            Self::Depth(count) => write!(f, "depth {count}: 1 to {} work", uapi::QUEUE_DEPTH_MAX),
            Self::IoBytes(bytes) => {
                write!(f, "largest I/O {bytes}: multiples of 4096 to {} work", uapi::IO_BYTES_MAX)
            }
            Self::TrimBytes(bytes) => write!(f, "largest discard {bytes}: no multiple of 4096"),
        }
    }
}

impl std::error::Error for SpecError {}

impl DeviceSpec {
    pub fn new(size_bytes: u64, owner: OwnerTag) -> Self {
        Self {
            size_bytes,
            logical_block_bytes: 512,
            read_only: false,
            queues: 1,
            depth: DEPTH_DEFAULT,
            max_io_bytes: IO_BYTES_DEFAULT,
            max_trim_bytes: TRIM_BYTES_DEFAULT,
            owner,
            user_copy: true,
        }
    }

    pub fn check(&self) -> Result<(), SpecError> {
        let block = self.logical_block_bytes;
        let whole_blocks = |bytes: u32| bytes > 0 && bytes.is_multiple_of(BLOCK_BYTES as u32);
        if block != 512 && block != BLOCK_BYTES as u32 {
            return Err(SpecError::LogicalBlock(block));
        }
        if self.size_bytes == 0 || !self.size_bytes.is_multiple_of(u64::from(block)) {
            return Err(SpecError::Size(self.size_bytes));
        }
        if self.queues == 0 || self.queues > uapi::QUEUES_MAX {
            return Err(SpecError::Queues(self.queues));
        }
        if self.depth == 0 || self.depth > uapi::QUEUE_DEPTH_MAX {
            return Err(SpecError::Depth(self.depth));
        }
        if !whole_blocks(self.max_io_bytes) || self.max_io_bytes > uapi::IO_BYTES_MAX {
            return Err(SpecError::IoBytes(self.max_io_bytes));
        }
        if !whole_blocks(self.max_trim_bytes) {
            return Err(SpecError::TrimBytes(self.max_trim_bytes));
        }
        Ok(())
    }

    /// The features that the device must have been given.
    pub fn features(&self) -> Features {
        let copy = if self.user_copy { flag::USER_COPY } else { 0 };
        Features(Features::REQUIRED.0 & !flag::USER_COPY | copy)
    }

    pub(crate) fn info(&self) -> DeviceInfoRaw {
        DeviceInfoRaw {
            queues: self.queues,
            depth: self.depth,
            max_io_bytes: self.max_io_bytes,
            device: u32::MAX, // the driver picks the number
            server_pid: -1,
            flags: self.features().0,
            server_flags: self.owner.to_bits(),
            ..Default::default()
        }
    }

    /// No volatile cache: what is acknowledged is durable, so the kernel has nothing to flush.
    pub(crate) fn params(&self) -> Params {
        let sectors = |bytes: u32| (u64::from(bytes) / SECTOR_BYTES) as u32;
        let block_shift = BLOCK_BYTES.trailing_zeros() as u8;
        Params {
            len: size_of::<Params>() as u32,
            types: uapi::PARAMS_BASIC | uapi::PARAMS_DISCARD,
            basic: BasicParams {
                attributes: if self.read_only { uapi::ATTRIBUTE_READ_ONLY } else { 0 },
                logical_block_shift: self.logical_block_bytes.trailing_zeros() as u8,
                physical_block_shift: block_shift,
                io_optimum_shift: IO_OPTIMUM_BYTES.trailing_zeros() as u8,
                io_minimum_shift: block_shift,
                max_sectors: sectors(self.max_io_bytes),
                chunk_sectors: 0,
                device_sectors: self.size_bytes / SECTOR_BYTES,
                virtual_boundary_mask: 0,
            },
            discard: DiscardParams {
                alignment: 0,
                granularity: BLOCK_BYTES as u32,
                max_discard_sectors: sectors(self.max_trim_bytes),
                max_write_zeroes_sectors: sectors(self.max_trim_bytes),
                max_segments: 1,
                reserved: 0,
            },
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> DeviceSpec {
        DeviceSpec::new(1 << 30, OwnerTag(7))
    }

    #[test]
    fn defaults_pass_and_become_parameters() {
        let spec = DeviceSpec { read_only: true, ..spec() };
        spec.check().unwrap();
        let params = spec.params();
        assert_eq!(params.len, 80);
        assert_eq!(params.basic.attributes, uapi::ATTRIBUTE_READ_ONLY);
        assert_eq!((params.basic.logical_block_shift, params.basic.physical_block_shift), (9, 12));
        assert_eq!((params.basic.io_minimum_shift, params.basic.io_optimum_shift), (12, 17));
        assert_eq!(params.basic.max_sectors, 2048);
        assert_eq!(params.basic.device_sectors, 1 << 21);
        assert_eq!(params.discard.max_discard_sectors, (128 << 20) / 512);
        assert_eq!(spec.info().server_flags, OwnerTag(7).to_bits());
    }

    #[test]
    fn odd_values_are_refused() {
        let bad = |change: &dyn Fn(&mut DeviceSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.check().unwrap_err()
        };
        assert_eq!(bad(&|s| s.logical_block_bytes = 1024), SpecError::LogicalBlock(1024));
        assert_eq!(bad(&|s| s.size_bytes = 0), SpecError::Size(0));
        assert_eq!(bad(&|s| s.size_bytes = 1000), SpecError::Size(1000));
        assert_eq!(bad(&|s| s.queues = 0), SpecError::Queues(0));
        assert_eq!(bad(&|s| s.depth = 4097), SpecError::Depth(4097));
        assert_eq!(bad(&|s| s.max_io_bytes = 1 << 26), SpecError::IoBytes(1 << 26));
        assert_eq!(bad(&|s| s.max_io_bytes = 6000), SpecError::IoBytes(6000));
        assert_eq!(bad(&|s| s.max_trim_bytes = 0), SpecError::TrimBytes(0));
        let big_blocks = DeviceSpec { logical_block_bytes: 4096, size_bytes: 4608, ..spec() };
        assert_eq!(big_blocks.check(), Err(SpecError::Size(4608)));
    }

    #[test]
    fn features_follow_the_data_path() {
        assert_eq!(spec().features(), Features::REQUIRED);
        let buffers = DeviceSpec { user_copy: false, ..spec() };
        assert_eq!(buffers.features().0 & flag::USER_COPY, 0);
    }
}
