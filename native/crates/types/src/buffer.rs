//! Buffers that O_DIRECT takes as they are: from the socket to the disk without a copy.

mod pool;
#[cfg(test)]
mod tests;

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Weak;

use bytes::Bytes;

pub use pool::BufferPool;
use pool::Shelf;

/// Start and capacity of every buffer are multiples of this, in bytes: the largest logical block
/// size that O_DIRECT asks for on the disks we support.
pub const BUFFER_ALIGN: usize = 4096;

/// Memory of a fixed size, aligned to `BUFFER_ALIGN`. It never moves and never grows, so that the
/// kernel may hold its address while a request is in flight.
pub struct AlignedBuf {
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
    /// The pool that gets the memory back; dangling if the buffer belongs to none.
    shelf: Weak<Shelf>,
}

// SAFETY: the memory is owned by this value alone; `&AlignedBuf` gives shared reads only.
unsafe impl Send for AlignedBuf {}
// SAFETY: see above.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// An empty buffer with room for at least `capacity` bytes, not initialised.
    pub fn with_capacity(capacity: usize) -> Self {
        let layout = layout_of(capacity);
        // SAFETY: the layout's size is never zero.
        Self::from_raw(unsafe { alloc(layout) }, layout, 0)
    }

    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        let layout = layout_of(len);
        // SAFETY: the layout's size is never zero.
        Self::from_raw(unsafe { alloc_zeroed(layout) }, layout, len)
    }

    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut buf = Self::with_capacity(bytes.len());
        buf.extend_from_slice(bytes);
        buf
    }

    /// In bytes, a multiple of `BUFFER_ALIGN`.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn remaining(&self) -> usize {
        self.capacity - self.len
    }

    /// Panics if it does not fit: a buffer never grows.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.remaining(), "buffer of {} is full", self.capacity);
        // SAFETY: the room was checked, and `bytes` cannot overlap memory that we own mutably.
        unsafe {
            let end = self.start.as_ptr().add(self.len);
            end.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.len += bytes.len();
    }

    /// Appends `count` zero bytes. Panics if they do not fit.
    pub fn extend_zeros(&mut self, count: usize) {
        assert!(count <= self.remaining(), "buffer of {} is full", self.capacity);
        // SAFETY: the room was checked.
        unsafe { self.start.as_ptr().add(self.len).write_bytes(0, count) };
        self.len += count;
    }

    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The memory behind `len`, for a read into it; `set_len` then takes in what was read.
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: inside the allocation, and MaybeUninit asks for no initialisation.
        unsafe {
            let end = self.start.as_ptr().add(self.len).cast();
            std::slice::from_raw_parts_mut(end, self.remaining())
        }
    }

    /// # Safety
    /// The first `len` bytes must be initialised, and `len` at most the capacity.
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity);
        self.len = len;
    }

    /// Shared, immutable, still aligned: `Bytes` whose slices keep the memory alive.
    pub fn freeze(self) -> Bytes {
        if self.is_empty() { Bytes::new() } else { Bytes::from_owner(self) }
    }

    fn from_raw(start: *mut u8, layout: Layout, len: usize) -> Self {
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, len, capacity: layout.size(), shelf: Weak::new() }
    }
}

/// Whether O_DIRECT may read from or write to this memory.
pub fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(BUFFER_ALIGN) && bytes.len().is_multiple_of(BUFFER_ALIGN)
}

fn layout_of(bytes: usize) -> Layout {
    let size = bytes.max(1).checked_next_multiple_of(BUFFER_ALIGN).expect("buffer size overflow");
    Layout::from_size_align(size, BUFFER_ALIGN).expect("buffer size overflow")
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.upgrade()
            && shelf.put_back(self.start, self.capacity)
        {
            return;
        }
        // SAFETY: allocated with exactly this layout, and not handed to the pool.
        unsafe { dealloc(self.start.as_ptr(), layout_of(self.capacity)) };
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the first `len` bytes are initialised, and `&mut self` makes them ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<AlignedBuf> for Bytes {
    fn from(buf: AlignedBuf) -> Self {
        buf.freeze()
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuf({} of {})", self.len, self.capacity)
    }
}
