//! What other threads tell an I/O thread, and what it tells the supervisor.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use shoal_engine::head::{HeadCommand, HeadConfig, HeadEvent, HeadStatus};
use shoal_nbd::{Connection, Request};
use shoal_types::VolumeId;

use super::HeadKey;
use super::ublk_front::NewDevice;
use crate::metrics::VolumeMetrics;
use crate::peer::LinkMessage;

pub enum IoMessage {
    /// Make a head (phase waiting); what its clients ask waits with it.
    AddHead(Box<NewHead>),
    Head {
        key: HeadKey,
        event: HeadEvent,
    },
    /// For every head of this thread.
    Lease {
        valid_until_us: u64,
    },
    /// Forget a head that has ended; its clients are disconnected.
    RemoveHead {
        key: HeadKey,
    },
    /// Disconnect the NBD clients of a volume, orderly: the export is going away.
    CloseClients {
        key: HeadKey,
    },
    /// Accept NBD clients here.
    Listen(UnixListener),
    /// A client that negotiated on another thread, for a head of this one.
    AdoptNbd(Box<MovedClient>),
    Link(LinkMessage),
    /// Serve a ublk device.
    AddDevice(Box<NewDevice>),
    /// The volume's ublk device answers EIO from now on; then tell.
    FenceDevice {
        volume: VolumeId,
        done: Box<dyn FnOnce() + Send>,
    },
    Status(SyncSender<Vec<HeadReport>>),
    /// Close everything and end the thread.
    Stop,
}

pub struct NewHead {
    pub key: HeadKey,
    pub volume: VolumeId,
    pub name: String,
    pub config: HeadConfig,
    pub metrics: Arc<VolumeMetrics>,
}

pub struct MovedClient {
    pub head: HeadKey,
    pub socket: OwnedFd,
    pub connection: Connection,
    /// Requests parsed with the end of the negotiation.
    pub requests: Vec<Request>,
    /// The kernel's client: it is never told of an end, it is given a new connection.
    pub is_kernel: bool,
}

/// One head as an observer sees it.
#[derive(Clone, Copy, Debug)]
pub struct HeadReport {
    pub key: HeadKey,
    pub volume: VolumeId,
    pub status: HeadStatus,
    pub nbd_clients: u32,
}

/// What a head wants of the cluster (`ReportUnreachable`, `RefreshView`, `BadBlock`, `Active`,
/// `Released`, `Fenced`), passed on by its thread.
#[derive(Debug)]
pub struct HeadNotice {
    pub key: HeadKey,
    pub volume: VolumeId,
    pub command: HeadCommand,
}
