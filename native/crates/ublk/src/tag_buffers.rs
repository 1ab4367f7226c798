//! One buffer per tag, of the largest request's size: for devices without user copy.

use std::io;
use std::ptr::NonNull;

pub struct TagBuffers {
    base: NonNull<u8>,
    depth: u16,
    stride: usize,
}

// SAFETY: a mapping that belongs to this value alone. The kernel writes a tag's part only while
// the tag is in the kernel; then nobody here looks at it (Queue hands out data of held tags only).
unsafe impl Send for TagBuffers {}

impl TagBuffers {
    pub fn new(depth: u16, bytes: u32) -> io::Result<Self> {
        let stride = bytes as usize;
        // SAFETY: a new anonymous mapping at an address that the kernel picks.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                usize::from(depth) * stride,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("mmap gives no null");
        Ok(Self { base, depth, stride })
    }

    pub fn address(&self, tag: u16) -> u64 {
        self.start(tag) as u64
    }

    pub fn slice(&self, tag: u16) -> &[u8] {
        // SAFETY: within the mapping, which is initialized (zeros) and outlives `self`.
        unsafe { std::slice::from_raw_parts(self.start(tag), self.stride) }
    }

    pub fn slice_mut(&mut self, tag: u16) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.start(tag), self.stride) }
    }

    fn start(&self, tag: u16) -> *mut u8 {
        assert!(tag < self.depth);
        // SAFETY: tag < depth, so the offset lies in the mapping.
        unsafe { self.base.as_ptr().add(usize::from(tag) * self.stride) }
    }
}

impl Drop for TagBuffers {
    fn drop(&mut self) {
        let bytes = usize::from(self.depth) * self.stride;
        // SAFETY: exactly the mapping made in `new`, and no reference into it exists.
        let result = unsafe { libc::munmap(self.base.as_ptr().cast(), bytes) };
        assert_eq!(result, 0, "munmap of our own mapping");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_their_own_memory() {
        let mut buffers = TagBuffers::new(4, 8192).unwrap();
        for tag in 0..4 {
            buffers.slice_mut(tag).fill(tag as u8 + 1);
        }
        for tag in 0..4 {
            assert!(buffers.slice(tag).iter().all(|byte| *byte == tag as u8 + 1));
            assert_eq!(buffers.address(tag) - buffers.address(0), u64::from(tag) * 8192);
        }
    }
}
