//! Formatting and recovering a store: its state machines, driven on the thread's ring.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use shoal_store::{
    DiskIo, Figures, Format, FormatError, FormatParams, IoError, IoId, Params, Recovery,
    RecoveryError, Store,
};
use shoal_types::buffer::BufferPool;

use crate::disk::{DiskFile, port};
use crate::ring::{Completion, Reactor, mailbox};
use crate::tag::Tag;

/// Ring entries of a store's thread.
pub const RING_ENTRIES: u32 = 512;
/// Idle memory of the reads of a recovery, in bytes.
const READS_IDLE_BYTES: usize = 16 << 20;
/// Longest sleep while a job runs; every completion wakes it at once.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A state machine that asks for disk commands until it is over.
trait DiskJob {
    type Result;
    fn poll(&mut self) -> Option<DiskIo>;
    fn on_io(&mut self, id: IoId, result: Result<Option<Bytes>, IoError>);
    fn take(&mut self) -> Option<Self::Result>;
}

impl DiskJob for Format {
    type Result = Result<(), FormatError>;

    fn poll(&mut self) -> Option<DiskIo> {
        Format::poll(self)
    }

    fn on_io(&mut self, id: IoId, result: Result<Option<Bytes>, IoError>) {
        Format::on_io(self, id, result);
    }

    fn take(&mut self) -> Option<Self::Result> {
        Format::take(self)
    }
}

impl DiskJob for Recovery {
    type Result = Result<(Box<Store>, Figures), RecoveryError>;

    fn poll(&mut self) -> Option<DiskIo> {
        Recovery::poll(self)
    }

    fn on_io(&mut self, id: IoId, result: Result<Option<Bytes>, IoError>) {
        Recovery::on_io(self, id, result);
    }

    fn take(&mut self) -> Option<Self::Result> {
        Recovery::take(self)
    }
}

/// Make a store on `disk`. Blocks.
pub fn format(disk: &DiskFile, params: FormatParams) -> io::Result<Result<(), FormatError>> {
    let (_sender, inbox) = mailbox::<()>()?;
    let mut reactor = Reactor::new(RING_ENTRIES, inbox.wake_fd())?;
    match Format::new(params) {
        Ok(mut job) => run(&mut job, disk, &mut reactor),
        Err(error) => Ok(Err(error)),
    }
}

/// Open the store on `disk`, on the ring that will serve it. Blocks.
pub fn recover(
    disk: &DiskFile,
    params: Params,
    reactor: &mut Reactor<Tag>,
) -> io::Result<Result<(Box<Store>, Figures), RecoveryError>> {
    run(&mut Recovery::new(params), disk, reactor)
}

fn run<J: DiskJob>(
    job: &mut J,
    disk: &DiskFile,
    reactor: &mut Reactor<Tag>,
) -> io::Result<J::Result> {
    let mut done = Vec::new();
    let pool = BufferPool::new(READS_IDLE_BYTES);
    loop {
        while let Some(io) = job.poll() {
            match port::prepare(disk, &pool, io) {
                // SAFETY: the tag owns the buffers.
                Ok((entry, op)) => drop(unsafe { reactor.push(entry, Tag::Disk(op)) }),
                Err((id, result)) => job.on_io(id, result),
            }
        }
        if let Some(result) = job.take()
            && reactor.in_flight() == 0
        {
            return Ok(result);
        }
        reactor.wait(Some(WAIT_MAX), &mut done)?;
        for Completion { tag, result } in done.drain(..) {
            if let Tag::Disk(op) = tag {
                let (id, result) = port::finish(op, result);
                job.on_io(id, result);
            }
        }
    }
}
