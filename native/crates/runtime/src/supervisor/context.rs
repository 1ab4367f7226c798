//! What the supervisor was given: threads, trust, cluster state, files.

use std::sync::{Arc, OnceLock};

use shoal_types::buffer::BufferPool;

use super::Inlet;
use super::peer_files::PeerFiles;
use crate::config::DataConfig;
use crate::control::ControlServer;
use crate::io_thread::{ExportDirectory, IoMessage};
use crate::meta_thread::MetaHandle;
use crate::metrics::SlowLog;
use crate::peer::{AddressBook, Dialer, TrustRoot};
use crate::ring::Sender;

pub struct Context {
    pub config: DataConfig,
    pub files: PeerFiles,
    pub inlet: Inlet,
    pub trust: Arc<TrustRoot>,
    pub book: Arc<AddressBook>,
    pub dialer: Arc<Dialer>,
    pub meta: MetaHandle,
    pub io_threads: Vec<Sender<IoMessage>>,
    pub directory: Arc<ExportDirectory>,
    pub stores: Arc<super::reception::StoreDirectory>,
    pub slow: Arc<SlowLog>,
    pub pool: BufferPool,
    /// Address that other peers' connections arrive at.
    pub listening: std::net::SocketAddr,
    /// Random, new for each process.
    pub process: [u8; 16],
    pub started_at_ms: u64,
    pub server: OnceLock<ControlServer>,
    /// Bytes, as far as it is known.
    pub machine_memory: Option<u64>,
}

impl Context {
    pub fn control(&self) -> &ControlServer {
        self.server.get().expect("the control server starts before the supervisor")
    }
}
