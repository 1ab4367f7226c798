//! Listens on the control socket and remembers who is connected.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::client::{self, Call, Link};
use super::frame;
use crate::socket_file;

type Clients = Arc<Mutex<HashMap<u64, Arc<Link>>>>;

pub struct ControlServer {
    path: PathBuf,
    clients: Clients,
}

impl ControlServer {
    /// Listen at `path` (mode 0600; a stale socket is replaced: the caller holds the peer
    /// directory's lock). Every request goes to `on_call`.
    pub fn start(
        path: &Path,
        on_call: impl Fn(Call) + Send + Sync + Clone + 'static,
    ) -> io::Result<Self> {
        let listener = socket_file::listen(path, 0o600)?;
        let clients = Clients::default();
        let accepting = clients.clone();
        thread::Builder::new()
            .name("control-accept".into())
            .spawn(move || accept_all(&listener, &accepting, &on_call))?;
        Ok(Self { path: path.to_owned(), clients })
    }

    /// Tell every connected client.
    pub fn broadcast(&self, name: &str, data: Value) {
        let message = frame::event(name, data);
        let clients = self.clients.lock().expect("control clients poisoned");
        for link in clients.values() {
            link.send(message.clone());
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn accept_all(
    listener: &UnixListener,
    clients: &Clients,
    on_call: &(impl Fn(Call) + Send + Clone + 'static),
) {
    for (key, stream) in (0u64..).zip(listener.incoming()) {
        let Ok(stream) = stream else { continue };
        if let Err(error) = admit(key, stream, clients, on_call.clone()) {
            eprintln!("control: a client could not be served: {error}");
        }
    }
}

fn admit(
    key: u64,
    stream: UnixStream,
    clients: &Clients,
    on_call: impl Fn(Call) + Send + 'static,
) -> io::Result<()> {
    // The table stays locked until the client is in it, so that its end cannot come before.
    let mut table = clients.lock().expect("control clients poisoned");
    let leaving = clients.clone();
    let on_end = move || {
        leaving.lock().expect("control clients poisoned").remove(&key);
    };
    let link = client::serve(stream, on_call, on_end)?;
    table.insert(key, link);
    Ok(())
}
