//! Dials members, each on a short-lived thread: connect, TLS, hello, hand over.

use std::fmt;
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
        done: impl FnOnce(Result<Box<Established>, DialError>) + Send + 'static,
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
            done(Err(DialError::other(format!("no thread to dial: {error}"))));
        }
    }
}

#[derive(Debug)]
pub struct DialError {
    message: String,
    /// At every address the host is there and nobody listens.
    pub is_refused: bool,
}

impl DialError {
    pub fn other(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_refused: false }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Try the peer's addresses in order. Blocks.
pub fn dial_member(trust: &TrustRoot, target: &DialTarget) -> Result<Established, DialError> {
    let membership =
        trust.membership().ok_or_else(|| DialError::other("this peer is in no cluster"))?;
    let mut last = "the peer has no address".to_owned();
    let mut refusals = 0;
    for address in &target.address.addresses {
        let attempt = |socket: TcpStream| -> Result<Established, HandshakeError> {
            let dial = Dial::Member(target.address.key);
            Handshake::dial(socket, trust, dial, &membership, target.purpose)?
                .finish()
                .map_err(HandshakeError::from)
        };
        let connected = connect(address);
        let is_refusal = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        refusals += usize::from(connected.as_ref().is_err_and(is_refusal));
        match connected.map_err(HandshakeError::from).and_then(attempt) {
            Ok(established) => return Ok(established),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    let is_refused = refusals > 0 && refusals == target.address.addresses.len();
    Err(DialError { message: last, is_refused })
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
