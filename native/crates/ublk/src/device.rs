//! /dev/ublkcN, open for serving. The driver lets one process have it open at a time.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use crate::device_info::DeviceInfo;
use crate::device_spec::DeviceSpec;
use crate::request::Limits;

pub struct Device {
    file: File,
    info: DeviceInfo,
    limits: Limits,
    user_copy: bool,
}

impl Device {
    /// Opens the device that `info` describes for serving what `spec` says.
    pub fn open(dev_dir: &Path, info: DeviceInfo, spec: &DeviceSpec) -> io::Result<Self> {
        let path = dev_dir.join(format!("ublkc{}", info.device));
        let file = File::options().read(true).write(true).open(path)?;
        let limits = Limits {
            size_bytes: spec.size_bytes,
            block_bytes: spec.logical_block_bytes,
            max_io_bytes: info.max_io_bytes,
            read_only: spec.read_only,
        };
        Ok(Self { file, info, limits, user_copy: spec.user_copy })
    }

    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    pub fn user_copy(&self) -> bool {
        self.user_copy
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
