//! Memory of dropped buffers, kept for the next ones: no page faults on the I/O path.

use std::alloc::dealloc;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{AlignedBuf, BUFFER_ALIGN, layout_of};

/// Sizes kept: `BUFFER_ALIGN` << class, so 4 KiB to 2 MiB.
const CLASSES: usize = 10;

/// A bounded store of idle buffers. Buffers and `Bytes` made from them may be dropped on any
/// thread, before or after the pool; larger ones than the largest class are never kept.
#[derive(Clone)]
pub struct BufferPool {
    shelf: Arc<Shelf>,
}

impl BufferPool {
    /// Keeps at most `idle_bytes_max` bytes of memory that nobody uses.
    pub fn new(idle_bytes_max: usize) -> Self {
        let idle = Idle { bytes: 0, classes: Default::default() };
        Self { shelf: Arc::new(Shelf { idle_bytes_max, idle: Mutex::new(idle) }) }
    }

    /// An empty buffer with room for at least `capacity` bytes, not initialised.
    pub fn take(&self, capacity: usize) -> AlignedBuf {
        let Some(class) = class_of(capacity) else { return AlignedBuf::with_capacity(capacity) };
        let weak: Weak<Shelf> = Arc::downgrade(&self.shelf);
        match self.shelf.take(class) {
            Some(start) => {
                AlignedBuf { start, len: 0, capacity: BUFFER_ALIGN << class, shelf: weak }
            }
            None => {
                let mut buf = AlignedBuf::with_capacity(BUFFER_ALIGN << class);
                buf.shelf = weak;
                buf
            }
        }
    }

    pub fn idle_bytes(&self) -> usize {
        self.shelf.lock().bytes
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufferPool({} of {} idle)", self.idle_bytes(), self.shelf.idle_bytes_max)
    }
}

pub(super) struct Shelf {
    idle_bytes_max: usize,
    idle: Mutex<Idle>,
}

struct Idle {
    bytes: usize,
    classes: [Vec<NonNull<u8>>; CLASSES],
}

// SAFETY: the pointers are owned memory that nobody else refers to.
unsafe impl Send for Idle {}

impl Shelf {
    /// Whether the memory was taken in; if not, the caller still owns it.
    pub(super) fn put_back(&self, start: NonNull<u8>, capacity: usize) -> bool {
        let Some(class) = class_of(capacity) else { return false };
        debug_assert_eq!(capacity, BUFFER_ALIGN << class);
        let mut idle = self.lock();
        if idle.bytes + capacity > self.idle_bytes_max {
            return false;
        }
        idle.bytes += capacity;
        idle.classes[class].push(start);
        true
    }

    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let mut idle = self.lock();
        let start = idle.classes[class].pop()?;
        idle.bytes -= BUFFER_ALIGN << class;
        Some(start)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // A panic elsewhere cannot leave the lists half changed: push and pop are whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (class, list) in idle.classes.iter().enumerate() {
            for start in list {
                // SAFETY: every pointer of a class was allocated with that class's layout.
                unsafe { dealloc(start.as_ptr(), layout_of(BUFFER_ALIGN << class)) };
            }
        }
    }
}

fn class_of(capacity: usize) -> Option<usize> {
    let units = capacity.max(1).div_ceil(BUFFER_ALIGN);
    let class = units.checked_next_power_of_two()?.trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}
