//! A device on its I/O thread, and a request of it that is not answered yet.

use std::io;
use std::sync::Arc;

use shoal_types::VolumeId;
use shoal_ublk::{Device, Request};

use super::super::HeadKey;

/// A device to serve.
pub struct NewDevice {
    pub volume: VolumeId,
    pub device: Arc<Device>,
    /// Answers EIO to everything.
    pub fenced: bool,
    /// All tags are fetched and the descriptors mapped: the device may be started. Called once, on
    /// the I/O thread: it must not block.
    pub done: Box<dyn FnOnce(io::Result<()>) + Send>,
}

/// Its queues name it by its key.
pub struct Served {
    pub volume: VolumeId,
    /// The number in /dev/ublkbN.
    pub number: u32,
    /// None: there is no head now, and requests wait for the next one.
    pub head: Option<HeadKey>,
    /// Keys of its queues that are not closed.
    pub queues: Vec<usize>,
}

/// A request that the kernel waits for.
pub struct PendingOp {
    pub queue: usize,
    pub request: Request,
    pub place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    InHead(HeadKey),
    /// Waits for a head.
    Parked,
    /// Answered with EIO, while a head still works on it.
    Abandoned(HeadKey),
}
