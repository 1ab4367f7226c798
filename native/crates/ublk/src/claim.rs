//! Is /dev/ublkbN in use? STOP_DEV does not ask: it shuts a mounted file system's disk down.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The exclusive hold on a block device. While it lives nobody can mount the device; it must be
/// dropped before DEL_DEV, which waits for every opener.
pub struct Claim {
    _file: File,
}

impl Claim {
    /// None: a file system, a mapping or another program has it, or one of its partitions.
    pub fn take(dev_dir: &Path, device: u32) -> io::Result<Option<Self>> {
        let path = dev_dir.join(format!("ublkb{device}"));
        match File::options().read(true).custom_flags(libc::O_EXCL).open(path) {
            Ok(file) => Ok(Some(Self { _file: file })),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
