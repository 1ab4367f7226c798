//! What a served disk can do. Small and blocking: it stands where a volume's head stands.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use shoal_nbd::{Extent, ReadPart};

pub trait Disk: Send + Sync {
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// The range reads as zeros, and gives its space back where it can.
    fn zero(&self, offset: u64, length: u64) -> io::Result<()>;
    fn read(&self, offset: u64, length: u64) -> io::Result<Vec<ReadPart>>;
    fn extents(&self, offset: u64, length: u64) -> Vec<Extent>;
}

/// A sparse file, so that a served disk outlives its server.
pub struct FileDisk {
    file: File,
}

impl FileDisk {
    pub fn open(path: &Path, size: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(size)?;
        Ok(Self { file })
    }
}

impl Disk for FileDisk {
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let (offset, length) = (offset as libc::off_t, length as libc::off_t);
        // SAFETY: no memory is passed.
        let result = unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset, length) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn read(&self, offset: u64, length: u64) -> io::Result<Vec<ReadPart>> {
        let mut data = vec![0; length as usize];
        self.file.read_exact_at(&mut data, offset)?;
        Ok(vec![ReadPart::Data(Bytes::from(data))])
    }

    fn extents(&self, _: u64, length: u64) -> Vec<Extent> {
        vec![Extent { length, hole: false, zero: false }]
    }
}
