//! The ublk devices of one I/O thread: turns their requests into the heads', and commits the
//! answers. All queues of all devices live in the thread's one ring.
//!
//! A REQUEST IS NEVER FAILED BECAUSE ITS HEAD GOES AWAY: it is parked until the next head of the
//! volume comes, or until the process ends and the next one takes the device back: the kernel then
//! sends it again. Only a fenced device answers EIO.

mod device;
mod fetch;
mod request;

use shoal_engine::head::{ClientError, ClientReply};
use shoal_types::VolumeId;
use shoal_types::buffer::BufferPool;
use shoal_ublk::{Event, Queue, Request};
use slab::Slab;

pub use device::NewDevice;
use device::{PendingOp, Place, Served};

use super::HeadKey;
use super::action::{Completed, FrontAction};
use crate::ring::Reactor;
use crate::tag::Tag;

/// Marks the operations of this front end; slab keys stay far below it.
const OP_MARK: u64 = 1 << 63;

struct Slot {
    queue: Queue,
    /// Key of its device.
    device: usize,
}

pub struct UblkFront {
    pool: BufferPool,
    devices: Slab<Served>,
    queues: Slab<Slot>,
    ops: Slab<PendingOp>,
    /// Not fetched yet.
    coming: Vec<NewDevice>,
    /// What the kernel was told: queue, tag, result.
    #[cfg(test)]
    told: Vec<(usize, u16, Result<u32, i32>)>,
}

impl UblkFront {
    pub fn new(pool: BufferPool) -> Self {
        let (devices, queues, ops) = (Slab::new(), Slab::new(), Slab::new());
        Self {
            pool,
            devices,
            queues,
            ops,
            coming: Vec::new(),
            #[cfg(test)]
            told: Vec::new(),
        }
    }

    /// Is this operation of a ublk device?
    pub fn owns(op_id: u64) -> bool {
        op_id & OP_MARK != 0
    }

    /// An entry of a queue completed.
    pub fn on_cqe(
        &mut self,
        key: usize,
        tag: u16,
        result: i32,
        reactor: &mut Reactor<Tag>,
        actions: &mut Vec<FrontAction>,
    ) {
        match self.queues[key].queue.on_cqe(tag, result) {
            Event::Request(request) => {
                let op = PendingOp { queue: key, request, place: Place::Parked };
                let op = self.ops.insert(op);
                self.ask(op, reactor, actions);
            }
            Event::Refuse { tag, errno } => self.commit(key, tag, Err(errno), reactor),
            Event::Draining | Event::Closed => self.close_if_done(key),
            Event::Failed { tag, errno } => {
                let device = self.devices[self.queues[key].device].number;
                eprintln!("ublk device {device}: tag {tag} of a queue failed with errno {errno}");
                self.close_if_done(key);
            }
        }
    }

    /// Hand a request to the head, or let it wait for one.
    fn ask(&mut self, key: usize, reactor: &mut Reactor<Tag>, actions: &mut Vec<FrontAction>) {
        let op = &mut self.ops[key];
        let slot = &self.queues[op.queue];
        let Some(head) = self.devices[slot.device].head else {
            op.place = Place::Parked;
            return;
        };
        match request::client_op(&slot.queue, &op.request, &self.pool) {
            Ok(Some(asked)) => {
                op.place = Place::InHead(head);
                let op_id = key as u64 | OP_MARK;
                actions.push(FrontAction::Ask { head, op_id, op: asked });
            }
            Ok(None) => self.finish(key, Ok(0), reactor),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                self.finish(key, Err(errno), reactor);
            }
        }
    }

    /// A head finished (or there is no such head any more: `ClientError::Closed`).
    pub fn complete(
        &mut self,
        op_id: u64,
        result: Result<ClientReply, ClientError>,
        reactor: &mut Reactor<Tag>,
    ) -> Completed {
        let key = (op_id & !OP_MARK) as usize;
        let PendingOp { queue, request, place } = &mut self.ops[key];
        let (queue, request) = (*queue, *request);
        let completed = completed(&request);
        match (result, *place) {
            (_, Place::Abandoned(_)) => drop(self.ops.remove(key)),
            (Err(ClientError::Closed), _) => *place = Place::Parked,
            (Err(ClientError::Fenced), _) => {
                let device = self.queues[queue].device;
                self.finish(key, Err(libc::EIO), reactor);
                self.fence_device(device, reactor);
            }
            (Ok(ClientReply::Read(segments)), _) => {
                let given = request::give(&mut self.queues[queue].queue, &request, &segments);
                self.finish(key, given, reactor);
            }
            (Ok(ClientReply::Written | ClientReply::Flushed), _) => {
                self.finish(key, Ok(request::done_bytes(&request)), reactor);
            }
            (Err(error), _) => self.finish(key, Err(request::errno(error)), reactor),
        }
        completed
    }

    fn finish(&mut self, key: usize, result: Result<u32, i32>, reactor: &mut Reactor<Tag>) {
        let op = self.ops.remove(key);
        self.commit(op.queue, op.request.tag, result, reactor);
    }

    fn commit(
        &mut self,
        queue: usize,
        tag: u16,
        result: Result<u32, i32>,
        reactor: &mut Reactor<Tag>,
    ) {
        #[cfg(test)]
        self.told.push((queue, tag, result));
        let entry = self.queues[queue].queue.commit(tag, result);
        // SAFETY: user copy: the entry names no memory.
        unsafe { reactor.push(entry, Tag::Ublk { queue, tag }) };
    }

    /// The volume has a head on this thread: what waited for one goes on.
    pub fn head_came(
        &mut self,
        volume: VolumeId,
        head: HeadKey,
        reactor: &mut Reactor<Tag>,
        actions: &mut Vec<FrontAction>,
    ) {
        let devices = self.devices.iter_mut().map(|(_, device)| device);
        for device in devices.filter(|device| device.volume == volume) {
            device.head = Some(head);
        }
        let of = |op: &PendingOp| self.devices[self.queues[op.queue].device].volume;
        for key in self.ops_where(|op| op.place == Place::Parked && of(op) == volume) {
            self.ask(key, reactor, actions);
        }
    }

    /// The head is gone; what it held waits for the next one. EVERY `Ask` FOR IT MUST HAVE BEEN
    /// CARRIED OUT BEFORE: a late one would be answered twice.
    pub fn head_gone(&mut self, head: HeadKey) {
        let devices = self.devices.iter_mut().map(|(_, device)| device);
        for device in devices.filter(|device| device.head == Some(head)) {
            device.head = None;
        }
        for (_, op) in &mut self.ops {
            if op.place == Place::InHead(head) {
                op.place = Place::Parked;
            }
        }
        // No answer comes for these any more.
        self.ops.retain(|_, op| op.place != Place::Abandoned(head));
    }

    /// No request is failed from here on: the process ends, and the devices wait for the next one.
    pub fn stop(&mut self) {
        for (_, device) in &mut self.devices {
            device.head = None;
        }
    }

    /// From now on the volume's device answers EIO; so it does to what it holds. One that has not
    /// started yet starts so.
    pub fn fence(&mut self, volume: VolumeId, reactor: &mut Reactor<Tag>) {
        for new in self.coming.iter_mut().filter(|new| new.volume == volume) {
            new.fenced = true;
        }
        let devices = self.devices.iter().filter(|(_, device)| device.volume == volume);
        let keys: Vec<usize> = devices.map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.fence_device(key, reactor));
    }

    fn fence_device(&mut self, key: usize, reactor: &mut Reactor<Tag>) {
        for queue in self.devices[key].queues.clone() {
            self.queues[queue].queue.fence();
        }
        for key in self.ops_where(|op| self.queues[op.queue].device == key) {
            let PendingOp { queue, request, place } = &mut self.ops[key];
            let (queue, tag) = (*queue, request.tag);
            match place {
                // The head's answer must find something.
                Place::InHead(head) => *place = Place::Abandoned(*head),
                _ => drop(self.ops.remove(key)),
            }
            self.commit(queue, tag, Err(libc::EIO), reactor);
        }
    }

    /// Of those that the kernel waits for: an abandoned one may have outlived its queue.
    fn ops_where(&self, wanted: impl Fn(&PendingOp) -> bool) -> Vec<usize> {
        let is_open = |op: &PendingOp| !matches!(op.place, Place::Abandoned(_));
        let ops = self.ops.iter().filter(|(_, op)| is_open(op) && wanted(op));
        ops.map(|(key, _)| key).collect()
    }

    /// The last tag is back: the queue lets go of the device, which DEL_DEV waits for.
    fn close_if_done(&mut self, key: usize) {
        if !self.queues[key].queue.is_closed() {
            return;
        }
        let slot = self.queues.remove(key);
        let device = &mut self.devices[slot.device];
        device.queues.retain(|queue| *queue != key);
        if device.queues.is_empty() {
            self.devices.remove(slot.device);
        }
    }
}

fn completed(request: &Request) -> Completed {
    Completed { kind: request::kind(request), offset: request.offset, length: request.len }
}

#[cfg(test)]
mod tests;
