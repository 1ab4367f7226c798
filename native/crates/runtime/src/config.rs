//! What control tells the data process at its start: one JSON object.

use std::path::PathBuf;

use serde::Deserialize;
use shoal_meta::state::limits::{LEASE_MS_MAX, LEASE_MS_MIN};

/// Complete and checked by control; there are no defaults here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The peer's directory: identity, cluster state, list of disks.
    pub dir: PathBuf,
    /// The control socket; see docs/formats/control.md.
    pub control_socket: PathBuf,
    /// The socket that NBD clients connect to.
    pub nbd_socket: PathBuf,
    /// Mode of the NBD socket, e.g. 0o660.
    pub nbd_socket_mode: u32,
    /// Where the device files lie; see docs/formats/ublk.md.
    pub device_dir: PathBuf,
    /// `host:port` to listen on for other peers; port 0 takes a free one.
    pub listen: String,
    /// Threads that run heads and their clients.
    pub io_threads: usize,
    /// Memory of all stores of this peer together, in bytes. `None`: as its disks need it.
    pub memory_budget_bytes: Option<u64>,
    /// Length of the session lease.
    pub lease_ms: u64,
}

impl DataConfig {
    pub fn parse(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if !(1..=64).contains(&config.io_threads) {
            return Err(format!("io_threads is {}, not 1 to 64", config.io_threads));
        }
        if !(LEASE_MS_MIN..=LEASE_MS_MAX).contains(&config.lease_ms) {
            let lease_ms = config.lease_ms;
            return Err(format!("lease_ms is {lease_ms}, not {LEASE_MS_MIN} to {LEASE_MS_MAX}"));
        }
        Ok(config)
    }
}
