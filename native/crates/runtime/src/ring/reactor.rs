//! A ring with typed completions. The tag of an operation owns its buffers, and the reactor owns
//! the tag until the kernel is done with them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::{IoUring, opcode, squeue, types};
use slab::Slab;

/// Key of the wake-up read; slab keys stay far below it.
const WAKE: u64 = u64::MAX;
/// Operations that never report back (cancels).
const SILENT: u64 = u64::MAX - 1;

/// A finished operation: what it was, and the kernel's result (negative errno on failure).
pub struct Completion<T> {
    pub tag: T,
    pub result: i32,
}

pub struct Reactor<T> {
    ring: IoUring,
    tags: Slab<T>,
    /// Entries that found the submission queue full; handed over in order by `wait`.
    backlog: VecDeque<squeue::Entry>,
    wake_fd: RawFd,
    wake_value: Box<u64>,
    wake_armed: bool,
}

impl<T> Reactor<T> {
    /// `entries`: submission queue size; more may be in flight. `wake_fd`: the mailbox's eventfd.
    /// Must be created on the thread that uses it (SINGLE_ISSUER).
    pub fn new(entries: u32, wake_fd: RawFd) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(entries * 4)
            .build(entries)?;
        Ok(Self {
            ring,
            tags: Slab::new(),
            backlog: VecDeque::new(),
            wake_fd,
            wake_value: Box::new(0),
            wake_armed: false,
        })
    }

    pub fn in_flight(&self) -> usize {
        self.tags.len()
    }

    /// Queue one operation; it is handed to the kernel by the next `wait`. The key names it in
    /// `cancel`.
    ///
    /// # Safety
    /// Every pointer in `entry` must stay valid while `tag` lives unmoved on the heap: buffers
    /// belong to `tag`.
    pub unsafe fn push(&mut self, entry: squeue::Entry, tag: T) -> usize {
        let key = self.tags.insert(tag);
        self.push_raw(entry.user_data(key as u64));
        key
    }

    /// Hand `batch` to the kernel in one call and alone. False: nothing of it was taken, because
    /// completions must be reaped first; ask again after the next `wait`.
    ///
    /// # Safety
    /// As for `push`, for each of them.
    pub unsafe fn submit_together(
        &mut self,
        batch: impl ExactSizeIterator<Item = (squeue::Entry, T)>,
    ) -> io::Result<bool> {
        self.submit_backlog()?;
        if !self.ring.submission().is_empty() {
            match self.ring.submit() {
                Ok(_) => {}
                Err(error) if is_transient(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let room = self.ring.submission().capacity();
        if batch.len() > room {
            let message = format!("{} operations together, the ring takes {room}", batch.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if !self.backlog.is_empty() || !self.ring.submission().is_empty() {
            return Ok(false);
        }
        for (entry, tag) in batch {
            let key = self.tags.insert(tag);
            self.push_raw(entry.user_data(key as u64));
        }
        assert!(self.backlog.is_empty(), "the room was checked");
        self.submit_all()?;
        Ok(true)
    }

    /// What an interruption left is submitted by the next call.
    fn submit_all(&mut self) -> io::Result<()> {
        while !self.ring.submission().is_empty() {
            match self.ring.submit() {
                Err(error) if !is_transient(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The tag of a queued operation, for filling in what needs its own key.
    pub fn tag_mut(&mut self, key: usize) -> &mut T {
        &mut self.tags[key]
    }

    /// Ask the kernel to give up an operation; its completion still comes.
    pub fn cancel(&mut self, key: usize) {
        self.push_raw(opcode::AsyncCancel::new(key as u64).build().user_data(SILENT));
    }

    fn push_raw(&mut self, entry: squeue::Entry) {
        // SAFETY: the caller of `push` vouches for the pointers; cancels have none.
        let full =
            !self.backlog.is_empty() || unsafe { self.ring.submission().push(&entry) }.is_err();
        if full {
            self.backlog.push_back(entry);
        }
    }

    /// Hand the backlog to the kernel; what remains waits until completions were reaped.
    fn submit_backlog(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            match self.ring.submit() {
                Ok(_) => {}
                Err(error) if is_transient(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some(entry) = self.backlog.front() {
                // SAFETY: as in `push_raw`.
                if unsafe { self.ring.submission().push(entry) }.is_err() {
                    break;
                }
                self.backlog.pop_front();
            }
        }
        Ok(())
    }

    /// Submit, sleep until something completes, a mailbox wakes us or `timeout` passes, and put
    /// what completed into `done`. Returns true if the mailbox has something.
    pub fn wait(
        &mut self,
        timeout: Option<Duration>,
        done: &mut Vec<Completion<T>>,
    ) -> io::Result<bool> {
        self.arm_wake();
        self.enter(timeout)?;
        let mut woken = false;
        for cqe in self.ring.completion() {
            match cqe.user_data() {
                SILENT => {}
                WAKE => {
                    woken = true;
                    self.wake_armed = false;
                }
                key => {
                    let tag = self.tags.remove(key as usize);
                    done.push(Completion { tag, result: cqe.result() });
                }
            }
        }
        Ok(woken)
    }

    fn arm_wake(&mut self) {
        if self.wake_armed {
            return;
        }
        let value: *mut u64 = &mut *self.wake_value;
        let read = opcode::Read::new(types::Fd(self.wake_fd), value.cast(), 8).build();
        self.push_raw(read.user_data(WAKE));
        self.wake_armed = true;
    }

    fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.submit_backlog()?;
        let timeout = if self.backlog.is_empty() { timeout } else { Some(Duration::ZERO) };
        let entered = match timeout {
            None => self.ring.submit_and_wait(1),
            Some(limit) => {
                let spec = types::Timespec::from(limit);
                let args = types::SubmitArgs::new().timespec(&spec);
                self.ring.submitter().submit_with_args(1, &args)
            }
        };
        match entered {
            Ok(_) => Ok(()),
            Err(error) if is_transient(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The wait ended early (time-out, signal) or the completion queue must be reaped first.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}
