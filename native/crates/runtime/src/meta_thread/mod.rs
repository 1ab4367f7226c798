//! The thread of the cluster state: consensus where this peer votes, following where it does not,
//! the session lease, and the leader's judgements. The service decides; this thread gives it
//! time, messages and a directory.

mod blame;
mod handle;
mod keeper;
mod message;
mod peers;
mod thread;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use handle::{Done, MetaError, MetaHandle, MetaShared, Proposed, SessionState};
pub use message::MetaMessage;
use thread::MetaThread;

use crate::peer::{AddressBook, Dialer};
use crate::ring::{Reactor, mailbox};
use crate::supervisor::{ClusterFile, Inlet};

/// Name of the thread.
pub const NAME: &str = "meta";
/// Ring entries of the thread.
const RING_ENTRIES: u32 = 128;

/// What the thread starts with.
pub struct MetaStart {
    pub dir: PathBuf,
    pub cluster: Option<ClusterFile>,
    pub process: [u8; 16],
    pub lease_ms: u64,
    pub book: Arc<AddressBook>,
    pub dialer: Arc<Dialer>,
    pub inlet: Inlet,
}

/// Start the thread. A member's state is there when this returns, as far as its log has it.
pub fn start(mut start: MetaStart) -> io::Result<MetaHandle> {
    let (sender, inbox) = mailbox()?;
    let shared = Arc::new(MetaShared::default());
    let handle = MetaHandle::new(sender, shared.clone());
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(NAME.into()).spawn(move || {
        let _guard = AbortOnPanic;
        let cluster = start.cluster.take();
        let made = Reactor::new(RING_ENTRIES, inbox.wake_fd()).map_err(|e| e.to_string());
        let made = made.map(|reactor| MetaThread::new(start, shared, reactor, inbox));
        let opened = made.and_then(|mut thread| {
            if let Some(file) = &cluster {
                thread.enter(file)?;
            }
            Ok(thread)
        });
        match opened {
            Ok(thread) => {
                let _the_starter_waits = ready.send(Ok(()));
                thread.run();
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    })?;
    match started.recv() {
        Ok(Ok(())) => Ok(handle),
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(io::Error::other("the cluster state's thread ended at its start")),
    }
}

/// The library's panics are caught inside the service; one that comes up to here has left the
/// cluster state in the middle of something.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
