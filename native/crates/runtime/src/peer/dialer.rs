//! Dials members, each on a short-lived thread: connect, TLS, hello, hand over.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use shoal_wire::hello::Purpose;
use shoal_wire::trust::Dial;

use super::handshake::{Handshake, HandshakeError};
use super::trust_root::TrustRoot;
use super::{Established, PeerAddress};

/// Patience with one address.
const CONNECT_MAX: Duration = Duration::from_millis(1500);

pub struct DialTarget {
    pub address: PeerAddress,
    pub purpose: Purpose,
}

pub struct Dialer {
    trust: Arc<TrustRoot>,
}

impl Dialer {
    pub fn new(trust: Arc<TrustRoot>) -> Self {
        Self { trust }
    }

    /// `done` is called once, on another thread.
    pub fn dial(
        &self,
        target: DialTarget,
        done: impl FnOnce(Result<Box<Established>, String>) + Send + 'static,
    ) {
        let trust = self.trust.clone();
        let shared = Arc::new(std::sync::Mutex::new(Some(done)));
        let answer = shared.clone();
        let finish = move |result| {
            if let Some(done) = answer.lock().expect("dial result poisoned").take() {
                done(result);
            }
        };
        let spawned = thread::Builder::new()
            .name("dial".into())
            .spawn(move || finish(dial_member(&trust, &target).map(Box::new)));
        if let Err(error) = spawned
            && let Some(done) = shared.lock().expect("dial result poisoned").take()
        {
            done(Err(format!("no thread to dial: {error}")));
        }
    }
}

/// Try the peer's addresses in order. Blocks.
pub fn dial_member(trust: &TrustRoot, target: &DialTarget) -> Result<Established, String> {
    let membership = trust.membership().ok_or("this peer is in no cluster")?;
    let mut last = "the peer has no address".to_owned();
    for address in &target.address.addresses {
        let attempt = || -> Result<Established, HandshakeError> {
            let dial = Dial::Member(target.address.key);
            let socket = connect(address)?;
            Handshake::dial(socket, trust, dial, &membership, target.purpose)?
                .finish()
                .map_err(HandshakeError::from)
        };
        match attempt() {
            Ok(established) => return Ok(established),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

/// Connect to `host:port` within the time limit, whatever addresses the name has.
pub fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, CONNECT_MAX) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
