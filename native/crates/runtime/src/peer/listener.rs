//! Accepts peers. Each connection gets a short-lived thread for its handshake, a bounded number at
//! once, and is then handed to whoever serves its purpose.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use shoal_wire::frame::Kind;
use shoal_wire::hello::Purpose;
use shoal_wire::identity::PublicKey;
use shoal_wire::identity::join::{JoinReply, JoinRequest};
use shoal_wire::link::LinkError;
use shoal_wire::trust::PeerClass;

use super::Established;
use super::handshake::{Handshake, HandshakeError};
use super::trust_root::TrustRoot;

/// Handshakes at once; more wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 64;

/// Where accepted connections go.
pub trait Receptionist: Send + Sync + 'static {
    /// Whether this purpose is served here now.
    fn serves(&self, purpose: Purpose) -> bool;
    /// Take over an established connection of a member.
    fn receive(&self, purpose: Purpose, established: Established);
    /// A stranger shows a token. Blocks until the cluster has decided.
    fn join(&self, request: &JoinRequest, joiner: &PublicKey) -> JoinReply;
    /// Somebody was refused; said once, with the reason, on our side only.
    fn refused(&self, from: SocketAddr, why: &HandshakeError);
}

pub struct Listener {
    pub address: SocketAddr,
}

impl Listener {
    /// Listen on `address` and serve until the process ends.
    pub fn start(
        address: &str,
        trust: Arc<TrustRoot>,
        receptionist: Arc<dyn Receptionist>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        thread::Builder::new()
            .name("peer-accept".into())
            .spawn(move || accept_all(&listener, &trust, &receptionist))?;
        Ok(Self { address })
    }
}

fn accept_all(
    listener: &TcpListener,
    trust: &Arc<TrustRoot>,
    receptionist: &Arc<dyn Receptionist>,
) {
    let busy = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((socket, from)) = listener.accept() else {
            // Out of descriptors, most likely: give connections time to end.
            pause();
            continue;
        };
        if busy.load(Ordering::Acquire) >= HANDSHAKES_MAX {
            // Dropped: the other side dials again. A flood must not take all threads.
            continue;
        }
        busy.fetch_add(1, Ordering::AcqRel);
        let (trust, receptionist, done) = (trust.clone(), receptionist.clone(), busy.clone());
        let served = thread::Builder::new().name("handshake".into()).spawn(move || {
            if let Err(error) = serve(socket, &trust, &*receptionist) {
                receptionist.refused(from, &error);
            }
            done.fetch_sub(1, Ordering::AcqRel);
        });
        if served.is_err() {
            busy.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A tenth of a second.
fn pause() {
    // SAFETY: no descriptors are given, so poll only waits.
    unsafe { libc::poll(std::ptr::null_mut(), 0, 100) };
}

fn serve(
    socket: TcpStream,
    trust: &TrustRoot,
    receptionist: &dyn Receptionist,
) -> Result<(), HandshakeError> {
    let Some(membership) = trust.membership() else { return Ok(()) };
    let handshake = Handshake::accept(socket, trust, &membership, |purpose| {
        purpose == Purpose::Join || receptionist.serves(purpose)
    })?;
    match handshake.link.peer().map(|peer| (peer.key, peer.class)) {
        Some((key, PeerClass::Stranger(_))) => admit(handshake, &key, receptionist),
        Some((_, PeerClass::Member(_))) => {
            let purpose = handshake.greeting().purpose;
            receptionist.receive(purpose, handshake.finish()?);
            Ok(())
        }
        None => Err(HandshakeError::Ended),
    }
}

fn admit(
    mut handshake: Handshake,
    joiner: &PublicKey,
    receptionist: &dyn Receptionist,
) -> Result<(), HandshakeError> {
    let request = JoinRequest::decode(&handshake.receive(Kind::Join)?)
        .map_err(|error| HandshakeError::Link(LinkError::Hello(error)))?;
    let reply = receptionist.join(&request, joiner);
    handshake.send(Kind::JoinReply, &reply.encode())
}
