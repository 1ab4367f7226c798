//! One hardware queue of a device, without a ring: its owner, always one and the same thread, puts
//! the entries made here into the ring he has, and hands back their completions.
//!
//! Life of a tag: `fetch` → in the kernel → `on_cqe` → held by us → `commit` → in the kernel ...
//! until the device is stopped and the kernel hands back every tag.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use crate::device::Device;
use crate::request::Request;
use crate::tag_buffers::TagBuffers;
use crate::uapi::{self, IoCommand, io_command};

mod data;
mod descriptors;
use descriptors::Descriptors;

pub struct Queue {
    device: Arc<Device>,
    index: u16,
    descriptors: Option<Descriptors>,
    tags: Box<[Tag]>,
    /// Tags that the kernel has not handed back for good.
    open: u16,
    buffers: Option<TagBuffers>,
    fenced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tag {
    Unused,
    /// A fetch is under way: the kernel completes it when a request comes.
    Fetching,
    /// A request that we owe an answer.
    Held,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Do it, then `commit` the tag.
    Request(Request),
    /// A request that must not be done: `commit` the tag with this errno.
    Refuse { tag: u16, errno: i32 },
    /// The device was stopped, this tag is done, others of the queue are not yet.
    Draining,
    /// The device was stopped and every tag is back: drop the queue.
    Closed,
    /// The kernel did not take the fetch or commit: the queue cannot go on.
    Failed { tag: u16, errno: i32 },
}

impl Queue {
    /// Queue `index` of `device`, nothing fetched yet. Data moves by user copy, or through a
    /// buffer per tag if the device was made without it.
    pub fn new(device: Arc<Device>, index: u16) -> io::Result<Self> {
        let info = device.info();
        assert!(index < info.queues, "queue {index} of {}", info.queues);
        let depth = info.depth;
        let buffers = match device.user_copy() {
            true => None,
            false => Some(TagBuffers::new(depth, info.max_io_bytes)?),
        };
        let tags = vec![Tag::Unused; usize::from(depth)].into_boxed_slice();
        Ok(Self { device, index, descriptors: None, tags, open: depth, buffers, fenced: false })
    }

    /// The first entries, one per tag. THE ENTRIES OF ALL QUEUES OF A DEVICE MUST ENTER THE KERNEL
    /// IN ONE CALL: Linux 6.12 panics when it recovers a device whose server died with some queues
    /// fetched and others not.
    pub fn fetch_all(&mut self) -> impl Iterator<Item = (u16, squeue::Entry)> + '_ {
        assert!(self.tags.iter().all(|tag| *tag == Tag::Unused), "a queue is fetched once");
        (0..self.tags.len() as u16).map(|tag| {
            self.tags[usize::from(tag)] = Tag::Fetching;
            (tag, self.entry(io_command::FETCH, tag, 0))
        })
    }

    /// Maps the descriptors. AFTER THE FETCHES, BEFORE START_DEV OR END_USER_RECOVERY: 6.12 lets
    /// no second process map a device whose server died mapped but not fetched, and no request
    /// comes before the start.
    pub fn map(&mut self) -> io::Result<()> {
        assert!(self.tags.iter().all(|tag| *tag != Tag::Unused), "fetch first, then map");
        self.descriptors = Some(Descriptors::map(&self.device, self.index)?);
        Ok(())
    }

    /// The completion of an entry of this queue.
    pub fn on_cqe(&mut self, tag: u16, result: i32) -> Event {
        let state = &mut self.tags[usize::from(tag)];
        assert_eq!(*state, Tag::Fetching, "completion of tag {tag} that was not fetched");
        if result != 0 {
            *state = Tag::Closed;
            self.open -= 1;
            return match result {
                uapi::RESULT_ABORT if self.open == 0 => Event::Closed,
                uapi::RESULT_ABORT => Event::Draining,
                _ => Event::Failed { tag, errno: -result },
            };
        }
        *state = Tag::Held;
        if self.fenced {
            return Event::Refuse { tag, errno: libc::EIO };
        }
        let descriptors = self.descriptors.as_ref().expect("a request comes after the mapping");
        match Request::decode(tag, &descriptors.read(tag), self.device.limits()) {
            Ok(request) => Event::Request(request),
            Err(errno) => Event::Refuse { tag, errno },
        }
    }

    /// The entry that answers a held request: bytes done (0 but for reads and writes), or errno.
    pub fn commit(&mut self, tag: u16, result: Result<u32, i32>) -> squeue::Entry {
        let state = &mut self.tags[usize::from(tag)];
        assert_eq!(*state, Tag::Held, "answer to tag {tag} that holds no request");
        *state = Tag::Fetching;
        let result = match result {
            Ok(bytes) => i32::try_from(bytes).expect("a request has less than 2 GiB"),
            Err(errno) => -errno,
        };
        self.entry(io_command::COMMIT_AND_FETCH, tag, result)
    }

    /// From now on every request is refused with EIO. Those held now are still owed an answer.
    pub fn fence(&mut self) {
        self.fenced = true;
    }

    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Every tag is back for good: nothing comes any more.
    pub fn is_closed(&self) -> bool {
        self.open == 0
    }

    /// Tags whose requests wait for an answer.
    pub fn held(&self) -> impl Iterator<Item = u16> + '_ {
        let held = self.tags.iter().enumerate().filter(|(_, state)| **state == Tag::Held);
        held.map(|(tag, _)| tag as u16)
    }

    pub fn index(&self) -> u16 {
        self.index
    }

    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    fn entry(&self, op: u32, tag: u16, result: i32) -> squeue::Entry {
        let address = self.buffers.as_ref().map_or(0, |buffers| buffers.address(tag));
        let payload = payload(IoCommand { queue: self.index, tag, result, address });
        // Never by the ring's file table: 6.12 frees a slot's file only when all older commands of
        // the ring are complete, and the fetches of other devices never are: DEL_DEV would hang.
        let fd = Fd(self.device.as_raw_fd());
        opcode::UringCmd16::new(fd, op).cmd(payload).build()
    }
}

fn payload(command: IoCommand) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0..2].copy_from_slice(&command.queue.to_ne_bytes());
    bytes[2..4].copy_from_slice(&command.tag.to_ne_bytes());
    bytes[4..8].copy_from_slice(&command.result.to_ne_bytes());
    bytes[8..16].copy_from_slice(&command.address.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests;
