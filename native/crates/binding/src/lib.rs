//! The Node-API face of the data plane: a handful of functions, no objects, no callbacks.
//! `src/native.ts` is its only importer.

use mimalloc::MiMalloc;
use napi::bindgen_prelude::{Error, Result, spawn_blocking};
use napi_derive::napi;
use shoal_runtime::process;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Version of the addon; control refuses one that is not its own.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The data process' whole life. `config`: JSON, see `runtime::config`. Resolves with the exit
/// code; rejects if it could not start.
#[napi]
pub async fn run_data(config: String) -> Result<i32> {
    let run = spawn_blocking(move || shoal_runtime::run(&config));
    run.await.map_err(|panic| failure(&panic))?.map_err(|error| failure(&error))
}

/// Ends this process at once with `code`, once `run_data` is over.
#[napi]
pub fn leave(code: i32) {
    process::leave(code)
}

/// Start the data process detached, marked as an I/O flusher before exec. Returns its pid.
#[napi]
pub fn spawn_data(argv: Vec<String>, env: Vec<String>, log_path: String) -> Result<u32> {
    let pairs: Vec<(String, String)> = env
        .iter()
        .filter_map(|entry| entry.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    process::spawn_data(&argv, &pairs, &log_path).map_err(|error| failure(&error))
}

/// Tell the service manager a state (sd_notify). `socket`: value of NOTIFY_SOCKET.
#[napi]
pub fn notify(socket: String, state: String) -> Result<()> {
    process::notify(&socket, &state).map_err(|error| failure(&error))
}

/// Process, user and group at the other end of a unix socket.
#[napi(object)]
pub struct PeerCredentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

#[napi]
pub fn peer_credentials(fd: i32) -> Result<PeerCredentials> {
    let found = process::peer_credentials(fd).map_err(|error| failure(&error))?;
    Ok(PeerCredentials { pid: found.pid, uid: found.uid, gid: found.gid })
}

/// Takes the device of a volume down with no daemon running; gives its path. `device_dir`: the
/// peer's directory of device files.
#[napi]
pub fn force_detach(device_dir: String, volume: String) -> Result<String> {
    let dir = std::path::Path::new(&device_dir);
    shoal_runtime::kernel_devices::force_detach(dir, &volume).map_err(|error| failure(&error))
}

fn failure(error: &dyn std::fmt::Display) -> Error {
    Error::from_reason(error.to_string())
}
