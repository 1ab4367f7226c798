//! The bytes of a device: a file, mapped shared, so that they survive a killed server.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

pub struct Backing {
    file: File,
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone.
unsafe impl Send for Backing {}

impl Backing {
    pub fn open(path: &Path, len: u64) -> io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(len)?;
        let len = len as usize;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel picks.
        let base = unsafe {
            let fd = file.as_raw_fd();
            libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd, 0)
        };
        match base {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            base => Ok(Self { file, base: base.cast(), len }),
        }
    }

    pub fn slice(&self, offset: u64, len: u64) -> &[u8] {
        // SAFETY: `start` checks the range; nobody else writes while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start(offset, len), len as usize) }
    }

    pub fn slice_mut(&mut self, offset: u64, len: u64) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start(offset, len), len as usize) }
    }

    /// Gives the space back; the range reads as zeros.
    pub fn free(&self, offset: u64, len: u64) -> io::Result<()> {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: plain system call.
        match unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset as i64, len as i64) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn start(&self, offset: u64, len: u64) -> *mut u8 {
        assert!(offset as usize + len as usize <= self.len);
        // SAFETY: within the mapping.
        unsafe { self.base.add(offset as usize) }
    }
}
