//! One thread, one ring, the queues of all devices.

use std::io::{self, IoSlice};
use std::sync::Arc;

use io_uring::{IoUring, squeue};
use shoal_ublk::{Event, Op, Queue, Request};

use crate::AnyResult;
use crate::backing::Backing;
use crate::bring_up::Ready;
use crate::options::Options;

/// Entries of the ring: all tags of the devices of one server enter in one call.
const RING_ENTRIES: u32 = 4096;

struct Served {
    backing: Backing,
    options: Options,
}

struct Slot {
    queue: Queue,
    served: usize,
}

struct Server {
    ring: IoUring,
    served: Vec<Served>,
    slots: Vec<Option<Slot>>,
}

/// Serves until every device is detached.
pub fn serve(devices: Vec<Ready>) -> AnyResult<()> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(2 * RING_ENTRIES)
        .build(RING_ENTRIES)?;
    let mut server = Server { ring, served: Vec::new(), slots: Vec::new() };
    let mut starts = Vec::new();
    for ready in devices {
        starts.push((ready.record.device, ready.record.name.clone(), ready.is_new));
        server.bring_up(ready)?;
    }
    std::thread::spawn(move || {
        if let Err(error) = start(starts) {
            eprintln!("ublk-file: {error}");
            std::process::exit(1);
        }
    });
    server.run()
}

/// On a thread of its own: these commands need the queues to be served.
fn start(devices: Vec<(u32, String, bool)>) -> Result<(), String> {
    let control = crate::control().map_err(|error| error.to_string())?;
    for (device, name, is_new) in devices {
        let result = if is_new { control.start(device) } else { control.end_recovery(device) };
        result.map_err(|error| error.to_string())?;
        println!("ready {name} /dev/ublkb{device}");
    }
    Ok(())
}

impl Server {
    fn bring_up(&mut self, ready: Ready) -> AnyResult<()> {
        let served = self.served.len();
        let device = Arc::new(ready.device);
        let first = self.slots.len();
        for index in 0..device.info().queues {
            let mut queue = Queue::new(device.clone(), index)?;
            if ready.record.fenced {
                queue.fence();
            }
            let slot = self.slots.len();
            let entries: Vec<_> = queue.fetch_all().collect();
            for (tag, entry) in entries {
                push(&mut self.ring, slot, tag, entry)?;
            }
            self.slots.push(Some(Slot { queue, served }));
        }
        self.ring.submit()?;
        ready.options.maybe_die("fetch");
        for slot in self.slots[first..].iter_mut().flatten() {
            slot.queue.map()?;
        }
        ready.options.maybe_die("map");
        self.served.push(Served { backing: ready.backing, options: ready.options });
        Ok(())
    }

    fn run(&mut self) -> AnyResult<()> {
        let mut completions = Vec::new();
        while self.slots.iter().any(Option::is_some) {
            match self.ring.submit_and_wait(1) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                _ => {}
            }
            completions.extend(self.ring.completion().map(|c| (c.user_data(), c.result())));
            for (user_data, result) in completions.drain(..) {
                self.complete((user_data >> 16) as usize, user_data as u16, result)?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, index: usize, tag: u16, result: i32) -> AnyResult<()> {
        let slot = self.slots[index].as_mut().expect("completion of a closed queue");
        let answer = match slot.queue.on_cqe(tag, result) {
            Event::Request(request) => {
                perform(&mut slot.queue, &mut self.served[slot.served], request)
            }
            Event::Refuse { errno, .. } => Err(errno),
            Event::Draining => return Ok(()),
            Event::Closed => {
                self.slots[index] = None;
                return Ok(());
            }
            Event::Failed { errno, .. } => return Err(io::Error::from_raw_os_error(errno).into()),
        };
        let entry = slot.queue.commit(tag, answer);
        Ok(push(&mut self.ring, index, tag, entry)?)
    }
}

fn push(ring: &mut IoUring, slot: usize, tag: u16, entry: squeue::Entry) -> io::Result<()> {
    let entry = entry.user_data((slot as u64) << 16 | u64::from(tag));
    // SAFETY: the entry names no memory but tag buffers, which live as long as their queue.
    while unsafe { ring.submission().push(&entry) }.is_err() {
        ring.submit()?;
    }
    Ok(())
}

fn perform(queue: &mut Queue, served: &mut Served, request: Request) -> Result<u32, i32> {
    let Request { tag, op, offset, len } = request;
    if served.options.null {
        return Ok(if request.has_data() { len as u32 } else { 0 });
    }
    let backing = &mut served.backing;
    let done = match op {
        Op::Read if len > 4096 => {
            let (head, tail) = backing.slice(offset, len).split_at(4096);
            queue.give_pieces(tag, 0, &[IoSlice::new(head), IoSlice::new(tail)])
        }
        Op::Read => queue.give(tag, 0, backing.slice(offset, len)),
        // Both ways of taking data, by turns.
        Op::Write if offset & 4096 == 0 => queue.take_into(tag, 0, backing.slice_mut(offset, len)),
        Op::Write => queue.take(tag, len as usize).map(|data| {
            backing.slice_mut(offset, len).copy_from_slice(data.as_ref());
        }),
        Op::Flush => return Ok(0),
        Op::WriteZeroes { may_free: false } => {
            backing.slice_mut(offset, len).fill(0);
            return Ok(0);
        }
        Op::Discard | Op::WriteZeroes { may_free: true } => {
            backing.free(offset, len).map_err(|_| libc::EIO)?;
            return Ok(0);
        }
    };
    done.map(|()| len as u32).map_err(|_| libc::EIO)
}
