//! A RAM disk behind `shoal_nbd::Connection`, served with blocking threads: for trying the
//! protocol with real clients, without a cluster.

#![allow(dead_code, reason = "each example and test uses its part")]

pub mod disk;
mod ram_disk;
mod serve;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

pub use disk::Disk;
pub use ram_disk::RamDisk;
pub use serve::serve;
use shoal_nbd::{Connection, Export, ExportEntry, Exports, Limits, LookupError};
use shoal_types::buffer::BufferPool;

/// Idle payload memory that a server keeps, in bytes.
pub const POOL_BYTES: usize = 64 << 20;

/// Exports by name; the first one is also the default.
pub struct RamExports(pub BTreeMap<String, (Export, Arc<RamDisk>)>);

impl RamExports {
    pub fn new(exports: impl IntoIterator<Item = Export>) -> Arc<Self> {
        let with_disk = |export: Export| {
            let disk = Arc::new(RamDisk::new(export.size));
            (export.name.clone(), (export, disk))
        };
        Arc::new(Self(exports.into_iter().map(with_disk).collect()))
    }

    pub fn disk(&self, name: &str) -> Arc<RamDisk> {
        self.0[name].1.clone()
    }
}

impl Exports for RamExports {
    fn list(&self) -> Vec<ExportEntry> {
        let entry = |(export, _): &(Export, _)| ExportEntry {
            name: export.name.clone(),
            description: export.description.clone(),
        };
        self.0.values().map(entry).collect()
    }

    fn find(&self, name: &str) -> Result<Export, LookupError> {
        let found = match name {
            "" => self.0.values().next(),
            name => self.0.get(name),
        };
        found.map(|(export, _)| export.clone()).ok_or(LookupError::Unknown)
    }
}

/// Accepts for ever, one thread per client.
pub fn listen(listener: UnixListener, exports: Arc<RamExports>, limits: Limits) -> io::Result<()> {
    let pool = BufferPool::new(POOL_BYTES);
    for stream in listener.incoming() {
        let stream = stream?;
        let connection = Connection::new(exports.clone(), limits, pool.clone());
        let exports = exports.clone();
        thread::spawn(move || {
            let disk_of = |export: &Export| -> Arc<dyn Disk> { exports.disk(&export.name) };
            match serve(stream, connection, None, disk_of) {
                Ok(reason) => eprintln!("closed: {reason:?}"),
                Err(error) => eprintln!("closed: {error}"),
            }
        });
    }
    Ok(())
}
