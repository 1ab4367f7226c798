//! What a ring operation was for. The tag of an operation owns its buffers, or its owner stays
//! where it is until the operation has ended.

use crate::disk::port::DiskOp;

pub enum Tag {
    Disk(DiskOp),
    /// The same, and when it was issued (microseconds of the monotonic clock).
    Timed(DiskOp, u64),
    /// A peer's connection, by its key.
    PeerRecv(usize),
    PeerSend(usize),
    /// An NBD client, by its key.
    NbdRecv(usize),
    NbdSend(usize),
    NbdAccept,
    /// A tag of a ublk queue, by the queue's key.
    Ublk {
        queue: usize,
        tag: u16,
    },
}
