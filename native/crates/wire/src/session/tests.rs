//! Two sessions joined in memory. What is checked throughout: no plaintext from a side that was
//! not let in, whatever it sends and however its bytes are cut.

use bytes::Bytes;
use shoal_types::PeerId;
use shoal_types::buffer::BufferPool;

use super::*;
use crate::frame::{FrameDecoder, Gate, Header, Kind, Outgoing};
use crate::identity::SecretKey;
use crate::testing::Rng;

mod hostile;
mod traffic;

/// One end of a connection, with all plaintext that it handed on.
struct End {
    session: TlsSession,
    out: SendBuf,
    plain: Vec<u8>,
    error: Option<SessionError>,
}

impl End {
    fn new(session: TlsSession) -> Self {
        Self { session, out: SendBuf::new(), plain: Vec::new(), error: None }
    }

    fn advance(&mut self) {
        let plain = &mut self.plain;
        let sink = |_: &Peer, bytes: &[u8]| {
            plain.extend_from_slice(bytes);
            Ok(())
        };
        if let Err(error) = self.session.advance(&mut self.out, sink) {
            self.error.get_or_insert(error);
        }
    }

    /// Takes in `bytes` in pieces of the size that `cut` gives.
    fn receive(&mut self, mut bytes: &[u8], mut cut: impl FnMut() -> usize) {
        while !bytes.is_empty() && self.session.status() != Status::Closed {
            let count = cut().clamp(1, bytes.len());
            let taken = self.session.feed(&bytes[..count]);
            bytes = &bytes[taken..];
            self.advance();
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let bytes = self.out.filled().to_vec();
        self.out.sent(bytes.len());
        bytes
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let mut frames = Outgoing::new();
        frames.push(Header::new(Kind::Api, 1), bytes).expect("fits");
        self.session.seal(&frames, &mut self.out)
    }
}

/// Carries bytes to and fro until both sides are silent.
fn pump(dialler: &mut End, acceptor: &mut End, mut cut: impl FnMut() -> usize) {
    dialler.advance();
    loop {
        let (forth, back) = (dialler.take(), acceptor.take());
        if forth.is_empty() && back.is_empty() {
            return;
        }
        acceptor.receive(&forth, &mut cut);
        dialler.receive(&back, &mut cut);
    }
}

struct Member {
    id: PeerId,
    key: SecretKey,
}

fn peer(id: u64) -> Member {
    Member { id: PeerId(id), key: SecretKey::from_seed(&[id as u8; 32]) }
}

fn members(peers: &[&Member]) -> Arc<MemberKeys> {
    MemberKeys::new(peers.iter().map(|peer| (peer.key.public(), peer.id)))
}

fn endpoint(peer: &Member, keys: &Arc<MemberKeys>) -> Endpoint {
    Endpoint::new(&peer.key, keys.clone(), SessionLimits::default())
}

/// Peers 1 and 2, members of one cluster, 1 dials 2.
fn pair() -> (End, End) {
    let (one, two) = (peer(1), peer(2));
    let keys = members(&[&one, &two]);
    let dialled = endpoint(&one, &keys).dial(Dial::Member(two.key.public()), 0);
    (End::new(dialled), End::new(endpoint(&two, &keys).accept(0)))
}

fn open_pair() -> (End, End) {
    let (mut dialler, mut acceptor) = pair();
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!((dialler.session.status(), acceptor.session.status()), (Status::Open, Status::Open));
    (dialler, acceptor)
}

#[test]
fn members_know_each_other_after_the_handshake() {
    let (dialler, acceptor) = open_pair();
    let (one, two) = (peer(1), peer(2));
    let other = |end: &End| end.session.peer().map(|peer| (peer.key, peer.class));
    assert_eq!(other(&dialler), Some((two.key.public(), PeerClass::Member(two.id))));
    assert_eq!(other(&acceptor), Some((one.key.public(), PeerClass::Member(one.id))));
    assert!(acceptor.session.handshake_bytes < 4096, "{}", acceptor.session.handshake_bytes);
    assert!(!acceptor.session.is_revoked() && !acceptor.session.is_late(u64::MAX));
}

#[test]
fn a_handshake_survives_any_fragmentation() {
    let (mut dialler, mut acceptor) = pair();
    pump(&mut dialler, &mut acceptor, || 1);
    assert_eq!((dialler.session.status(), acceptor.session.status()), (Status::Open, Status::Open));
    let mut rng = Rng::new(1);
    for _ in 0..50 {
        let (mut dialler, mut acceptor) = pair();
        pump(&mut dialler, &mut acceptor, || 1 + rng.below(200) as usize);
        assert_eq!(acceptor.session.status(), Status::Open);
        assert_eq!(dialler.session.status(), Status::Open);
    }
}

#[test]
fn the_dialler_refuses_any_key_but_the_one_it_dialled() {
    let (one, two, three) = (peer(1), peer(2), peer(3));
    let keys = members(&[&one, &two, &three]);
    let mut dialler = End::new(endpoint(&one, &keys).dial(Dial::Member(two.key.public()), 0));
    let mut acceptor = End::new(endpoint(&three, &keys).accept(0));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert!(matches!(dialler.error, Some(SessionError::Tls(_))), "{:?}", dialler.error);
    assert!(matches!(acceptor.error, Some(SessionError::Tls(_))), "{:?}", acceptor.error);
    assert_eq!((dialler.session.peer(), acceptor.session.peer()), (None, None));
    assert_eq!(dialler.send(b"secret"), Err(SessionError::NotOpen));
    assert!(dialler.plain.is_empty() && acceptor.plain.is_empty());
}

/// Dials peer 2 with `key`, sends a frame as early as the library lets it, and hands back both.
fn dial_and_send(key: &Member, dial: Dial, keys: &Arc<MemberKeys>) -> (End, End) {
    let own = members(&[&peer(1), &peer(2), key]);
    let mut dialler = End::new(endpoint(key, &own).dial(dial, 0));
    let mut acceptor = End::new(endpoint(&peer(2), keys).accept(0));
    dialler.advance();
    acceptor.receive(&dialler.take(), || usize::MAX);
    dialler.receive(&acceptor.take(), || usize::MAX);
    dialler.send(b"application bytes").expect("a TLS client may send after its Finished");
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    (dialler, acceptor)
}

#[test]
fn a_stranger_is_refused_before_any_application_byte() {
    let keys = members(&[&peer(1), &peer(2)]);
    let dial = Dial::Member(peer(2).key.public());
    let (stranger, acceptor) = dial_and_send(&peer(66), dial, &keys);
    assert!(matches!(acceptor.error, Some(SessionError::Tls(_))), "{:?}", acceptor.error);
    assert!(matches!(stranger.error, Some(SessionError::Tls(_))), "{:?}", stranger.error);
    assert!(acceptor.plain.is_empty() && stranger.plain.is_empty());
    assert_eq!(acceptor.session.status(), Status::Closed);
}

#[test]
fn with_a_token_open_a_stranger_gets_in_to_join_and_for_nothing_else() {
    let keys = members(&[&peer(1), &peer(2)]);
    let (_, acceptor) = dial_and_send(&peer(66), Dial::Join, &keys);
    assert!(acceptor.error.is_some() && acceptor.plain.is_empty(), "no token is open");

    keys.set_joins_open(true);
    let dial = Dial::Member(peer(2).key.public());
    let (_, acceptor) = dial_and_send(&peer(66), dial, &keys);
    let stranger = peer(66).key.public();
    assert_eq!(acceptor.error, Some(SessionError::Stranger(stranger)));
    assert!(acceptor.plain.is_empty());

    let (dialler, acceptor) = dial_and_send(&peer(66), Dial::Join, &keys);
    assert_eq!(acceptor.error, None);
    assert_eq!(
        acceptor.session.peer(),
        Some(Peer { key: stranger, class: PeerClass::Stranger(stranger) })
    );
    let two = peer(2).key.public();
    assert_eq!(dialler.session.peer(), Some(Peer { key: two, class: PeerClass::Stranger(two) }));
    assert!(!acceptor.plain.is_empty());
}

#[test]
fn a_removed_peer_is_refused_and_its_open_session_is_found() {
    let (one, two) = (peer(1), peer(2));
    let keys = members(&[&one, &two]);
    let dial = Dial::Member(two.key.public());
    let (_, open) = dial_and_send(&one, dial, &keys);
    assert_eq!(open.session.status(), Status::Open);
    keys.replace([(two.key.public(), two.id)]);
    assert!(open.session.is_revoked());
    let (dialler, acceptor) = dial_and_send(&one, dial, &keys);
    assert!(acceptor.error.is_some() && acceptor.plain.is_empty() && dialler.plain.is_empty());
}

#[test]
fn a_peer_removed_during_its_handshake_is_refused() {
    let (one, two) = (peer(1), peer(2));
    let keys = members(&[&one, &two]);
    keys.set_joins_open(true);
    let own = members(&[&one, &two]);
    let mut dialler = End::new(endpoint(&one, &own).dial(Dial::Member(two.key.public()), 0));
    let mut acceptor = End::new(endpoint(&two, &keys).accept(0));
    dialler.advance();
    acceptor.receive(&dialler.take(), || usize::MAX);
    keys.replace([(two.key.public(), two.id)]);
    dialler.receive(&acceptor.take(), || usize::MAX);
    dialler.send(b"too late").expect("sent in good faith");
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!(acceptor.error, Some(SessionError::Stranger(one.key.public())));
    assert!(acceptor.plain.is_empty());
    assert_eq!(dialler.session.status(), Status::PeerClosed, "and the dialler is told");
}

#[test]
fn a_handshake_has_a_time_limit() {
    let (dialler, _) = pair();
    let limit = SessionLimits::default().handshake_ns_max;
    assert!(!dialler.session.is_late(limit - 1));
    assert!(dialler.session.is_late(limit));
}
