//! A queue into a ring thread. The wake-up is written only when the queue goes from empty to
//! non-empty, so a busy receiver costs its senders no system call.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex};

struct Shared<M> {
    queue: Mutex<Vec<M>>,
    eventfd: OwnedFd,
}

/// The sending half; cheap to clone.
pub struct Sender<M>(Arc<Shared<M>>);

/// The receiving half; owned by the ring thread.
pub struct Mailbox<M> {
    shared: Arc<Shared<M>>,
    spare: Vec<M>,
}

/// A mailbox and its first sender.
pub fn mailbox<M>() -> io::Result<(Sender<M>, Mailbox<M>)> {
    // SAFETY: eventfd takes no pointers; a negative result is checked.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fd is open and ours alone.
    let eventfd = unsafe { OwnedFd::from_raw_fd(fd) };
    let shared = Arc::new(Shared { queue: Mutex::new(Vec::new()), eventfd });
    Ok((Sender(shared.clone()), Mailbox { shared, spare: Vec::new() }))
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> Sender<M> {
    pub fn send(&self, message: M) {
        let was_empty = {
            let mut queue = self.0.queue.lock().expect("mailbox poisoned");
            queue.push(message);
            queue.len() == 1
        };
        if was_empty {
            self.wake();
        }
    }

    fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: `one` is 8 readable bytes. The counter cannot overflow: one wake per drain.
        let written =
            unsafe { libc::write(self.0.eventfd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        assert_eq!(written, 8, "eventfd refused a wake-up");
    }
}

impl<M> Mailbox<M> {
    pub fn wake_fd(&self) -> RawFd {
        self.shared.eventfd.as_raw_fd()
    }

    /// Everything sent so far, in order. Give the vector back with `recycle` to keep its memory.
    pub fn take(&mut self) -> Vec<M> {
        let mut queue = self.shared.queue.lock().expect("mailbox poisoned");
        std::mem::replace(&mut *queue, std::mem::take(&mut self.spare))
    }

    pub fn recycle(&mut self, mut drained: Vec<M>) {
        drained.clear();
        if drained.capacity() > self.spare.capacity() {
            self.spare = drained;
        }
    }

    pub fn sender(&self) -> Sender<M> {
        Sender(self.shared.clone())
    }
}
