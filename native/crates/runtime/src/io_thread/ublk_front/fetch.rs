//! Bringing a device up on this thread.

use std::io;

use shoal_types::VolumeId;
use shoal_ublk::Queue;

use super::{NewDevice, Served, Slot, UblkFront};
use crate::io_thread::HeadKey;
use crate::ring::Reactor;
use crate::tag::Tag;

impl UblkFront {
    /// Serve a device; `start` does it.
    pub fn add(&mut self, new: NewDevice) {
        self.coming.push(new);
    }

    /// Start what was added; what finds no room in the ring waits for the next turn. `head_of`:
    /// the volume's head on this thread.
    pub fn start(
        &mut self,
        reactor: &mut Reactor<Tag>,
        head_of: impl Fn(VolumeId) -> Option<HeadKey>,
    ) {
        for new in std::mem::take(&mut self.coming) {
            let head = head_of(new.volume);
            match self.fetch(&new, head, reactor) {
                Ok(true) => (new.done)(Ok(())),
                Ok(false) => self.coming.push(new),
                Err(error) => (new.done)(Err(error)),
            }
        }
    }

    /// THE FETCHES OF ALL QUEUES ENTER IN ONE CALL, AND THE DESCRIPTORS ARE MAPPED AFTER IT
    /// (docs/formats/ublk.md). False: not now.
    fn fetch(
        &mut self,
        new: &NewDevice,
        head: Option<HeadKey>,
        reactor: &mut Reactor<Tag>,
    ) -> io::Result<bool> {
        let device = self.insert(new, head)?;
        let mut entries = Vec::new();
        for key in self.devices[device].queues.clone() {
            let fetches = self.queues[key].queue.fetch_all();
            entries.extend(fetches.map(|(tag, entry)| (entry, Tag::Ublk { queue: key, tag })));
        }
        // SAFETY: user copy: the entries name no memory.
        let taken = unsafe { reactor.submit_together(entries.into_iter()) };
        if !matches!(taken, Ok(true)) {
            self.forget(device);
            return taken;
        }
        for key in &self.devices[device].queues {
            self.queues[*key].queue.map()?;
        }
        Ok(true)
    }

    fn insert(&mut self, new: &NewDevice, head: Option<HeadKey>) -> io::Result<usize> {
        let info = new.device.info();
        let mut queues = Vec::new();
        for index in 0..info.queues {
            let mut queue = Queue::new(new.device.clone(), index)?;
            if new.fenced {
                queue.fence();
            }
            queues.push(queue);
        }
        let (volume, number) = (new.volume, info.device);
        let device = self.devices.insert(Served { volume, number, head, queues: Vec::new() });
        for queue in queues {
            let key = self.queues.insert(Slot { queue, device });
            self.devices[device].queues.push(key);
        }
        Ok(device)
    }

    /// Nothing of it has reached the kernel.
    fn forget(&mut self, device: usize) {
        for key in self.devices.remove(device).queues {
            self.queues.remove(key);
        }
    }
}
