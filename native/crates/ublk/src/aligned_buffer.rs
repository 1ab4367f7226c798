//! Memory for the data of one request: aligned for O_DIRECT, never zeroed, cheap to share.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use bytes::Bytes;
use shoal_types::BLOCK_BYTES;

/// At least one byte; every byte is initialized (the constructors see to it).
pub struct AlignedBuffer {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: owns its memory alone, like a Box<[u8]>.
unsafe impl Send for AlignedBuffer {}
// SAFETY: shared references only read.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// `len` bytes of `file` from `position` on; an error if there are fewer.
    pub fn read_exact_at(file: &File, position: u64, len: usize) -> io::Result<Self> {
        let buffer = Self::uninitialized(len);
        let mut done = 0;
        while done < len {
            // SAFETY: the range lies in our allocation.
            let count = unsafe {
                libc::pread(
                    file.as_raw_fd(),
                    buffer.start.as_ptr().add(done).cast(),
                    len - done,
                    (position + done as u64) as libc::off_t,
                )
            };
            match count {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                1.. => done += count as usize,
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        Ok(buffer)
    }

    pub fn copy_of(bytes: &[u8]) -> Self {
        let buffer = Self::uninitialized(bytes.len());
        // SAFETY: a new allocation of that length overlaps nothing.
        unsafe { buffer.start.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        buffer
    }

    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Every constructor must fill it before anyone sees it.
    fn uninitialized(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout has a size (checked in `layout`).
        let start = unsafe { alloc(layout) };
        Self { start: NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout)), len }
    }

    fn layout(len: usize) -> Layout {
        assert!(len > 0, "an empty buffer");
        Layout::from_size_align(len, BLOCK_BYTES).expect("a length in memory")
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `len` initialized bytes that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `uninitialized` with this layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.len)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str, content: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!("shoal-ublk-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    #[test]
    fn reads_exactly_and_aligned() {
        let content: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
        let file = scratch("exact", &content);
        let buffer = AlignedBuffer::read_exact_at(&file, 100, 8192).unwrap();
        assert_eq!(buffer.as_ref(), &content[100..8292]);
        assert_eq!(buffer.as_ref().as_ptr() as usize % BLOCK_BYTES, 0);
        assert_eq!(&buffer.into_bytes()[..], &content[100..8292]);
    }

    #[test]
    fn too_few_bytes_are_an_error_and_never_old_memory() {
        let file = scratch("short", &[1; 100]);
        let error = AlignedBuffer::read_exact_at(&file, 0, 101).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
