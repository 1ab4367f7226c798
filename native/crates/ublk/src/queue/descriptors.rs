//! The array, one entry per tag, in which the kernel describes requests; mapped read-only.

use std::io;
use std::os::fd::AsRawFd;

use crate::device::Device;
use crate::uapi::{IoDescriptor, QUEUE_DEPTH_MAX};

const PAGE_BYTES: usize = 4096;

pub(super) struct Descriptors {
    base: *const IoDescriptor,
    depth: u16,
}

// SAFETY: a read-only mapping that belongs to this value alone.
unsafe impl Send for Descriptors {}

impl Descriptors {
    pub(super) fn map(device: &Device, queue: u16) -> io::Result<Self> {
        let depth = device.info().depth;
        let position = usize::from(queue) * mapping_bytes(QUEUE_DEPTH_MAX);
        // SAFETY: a new mapping at an address that the kernel picks.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapping_bytes(depth),
                libc::PROT_READ,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                device.as_raw_fd(),
                position as libc::off_t,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base.cast(), depth })
    }

    pub(super) fn read(&self, tag: u16) -> IoDescriptor {
        assert!(tag < self.depth);
        // SAFETY: within the mapping. The kernel wrote the entry before the completion which the
        // caller has seen, and leaves it alone until the tag is committed.
        unsafe { self.base.add(usize::from(tag)).read_volatile() }
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`, and no reference into it exists.
        let result = unsafe { libc::munmap(self.base as *mut _, mapping_bytes(self.depth)) };
        assert_eq!(result, 0, "munmap of our own mapping");
    }
}

fn mapping_bytes(depth: u16) -> usize {
    (usize::from(depth) * size_of::<IoDescriptor>()).next_multiple_of(PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_lie_as_the_driver_lays_them() {
        assert_eq!(mapping_bytes(1), 4096);
        assert_eq!(mapping_bytes(128), 4096);
        assert_eq!(mapping_bytes(171), 8192);
        assert_eq!(mapping_bytes(QUEUE_DEPTH_MAX), 98304);
    }
}
