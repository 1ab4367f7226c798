//! Two links joined in memory, from the first byte to the goodbye.

use std::sync::Arc;

use shoal_types::{DiskId, PeerId, Reply, Request};

use super::*;
use crate::codec::{decode_reply, decode_request, encode_reply, encode_request};
use crate::identity::join::{JoinReply, JoinRequest};
use crate::identity::{JoinToken, Membership, SecretKey, TokenSecret};
use crate::session::SessionLimits;
use crate::testing::Rng;
use crate::trust::{MemberKeys, PeerClass};

const CLUSTER: [u8; 16] = [5; 16];

/// Answers requests at once and keeps what it saw.
struct Host {
    serves: bool,
    requests: Vec<Request>,
    replies: Vec<Reply>,
    opaque: Vec<(Kind, Vec<u8>)>,
    answers: Outgoing,
}

impl LinkHandler for Host {
    fn serves(&mut self, _greeting: &Greeting) -> bool {
        self.serves
    }

    fn frame(&mut self, _greeting: &Greeting, frame: Frame<'_>) -> Result<(), CodecError> {
        match frame.header.kind {
            Kind::Request => {
                self.requests.push(decode_request(&frame)?);
                let Header { request_id, store, .. } = frame.header;
                encode_reply(&mut self.answers, request_id, store, &Reply::Confirmed)
                    .expect("fits");
            }
            Kind::Reply => self.replies.push(decode_reply(&frame)?),
            kind => self.opaque.push((kind, frame.meta.to_vec())),
        }
        Ok(())
    }
}

struct End {
    link: Link,
    out: SendBuf,
    host: Host,
    error: Option<LinkError>,
}

impl End {
    fn new(link: Link) -> Self {
        let host = Host {
            serves: true,
            requests: Vec::new(),
            replies: Vec::new(),
            opaque: Vec::new(),
            answers: Outgoing::new(),
        };
        Self { link, out: SendBuf::new(), host, error: None }
    }

    fn advance(&mut self) {
        if let Err(error) = self.link.advance(&mut self.out, &mut self.host) {
            self.error.get_or_insert(error);
        }
        if !self.host.answers.is_empty() && self.link.status() == LinkStatus::Open {
            self.link.seal(&self.host.answers, &mut self.out).expect("open");
            self.host.answers.clear();
        }
    }

    fn receive(&mut self, mut bytes: &[u8], cut: &mut impl FnMut() -> usize) {
        while !bytes.is_empty() && self.link.status() != LinkStatus::Closed {
            let count = cut().clamp(1, bytes.len());
            let taken = self.link.feed(&bytes[..count]);
            bytes = &bytes[taken..];
            self.advance();
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let bytes = self.out.filled().to_vec();
        self.out.sent(bytes.len());
        bytes
    }

    fn send(&mut self, push: impl FnOnce(&mut Outgoing)) {
        let mut frames = Outgoing::new();
        push(&mut frames);
        self.link.seal(&frames, &mut self.out).expect("open");
    }
}

impl Link {
    /// Sends bytes that no honest link sends.
    fn seal_raw(&mut self, bytes: &[u8], out: &mut SendBuf) {
        self.session.seal(&Outgoing::raw(bytes), out).expect("open");
    }
}

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

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn members() -> Arc<MemberKeys> {
    MemberKeys::new([(key(1).public(), PeerId(1)), (key(2).public(), PeerId(2))])
}

fn endpoint(seed: u8, keys: &Arc<MemberKeys>) -> Endpoint {
    Endpoint::new(&key(seed), keys.clone(), SessionLimits::default())
}

fn greeter(peer: u64) -> Greeter {
    Greeter::new(CLUSTER, 1, PeerId(peer), peer)
}

fn pool() -> BufferPool {
    BufferPool::new(1 << 20)
}

/// Peer 1 dials peer 2 for `purpose`.
fn pair(purpose: Purpose, greeter_one: Greeter) -> (End, End) {
    let keys = members();
    let dial = Dial::Member(key(2).public());
    let dialled = Link::dial(&endpoint(1, &keys), dial, greeter_one, purpose, pool(), 0);
    let accepted = Link::accept(&endpoint(2, &keys), greeter(2), Vec::new(), pool(), 0);
    (End::new(dialled), End::new(accepted))
}

#[test]
fn a_link_opens_and_carries_requests_and_replies_however_it_is_cut() {
    let mut rng = Rng::new(1);
    for round in 0..20 {
        let purpose = Purpose::Replication(DiskId(7));
        let (mut dialler, mut acceptor) = pair(purpose, greeter(1));
        let limit = [1, 50, 5000, 1 << 20][round % 4];
        pump(&mut dialler, &mut acceptor, || 1 + rng.below(limit) as usize);
        assert_eq!(dialler.link.status(), LinkStatus::Open);
        let greeting = *dialler.link.greeting().expect("open");
        assert_eq!((greeting.peer, greeting.purpose), (PeerId(2), purpose));
        assert_eq!(acceptor.link.greeting().map(|greeting| greeting.peer), Some(PeerId(1)));

        let requests: Vec<_> =
            (0..11).map(|which| crate::codec::tests::request(which, &mut rng)).collect();
        dialler.send(|out| {
            for request in &requests {
                encode_request(out, 1, DiskId(7), request).expect("fits");
            }
        });
        pump(&mut dialler, &mut acceptor, || 1 + rng.below(limit) as usize);
        assert_eq!(acceptor.host.requests, requests);
        assert_eq!(dialler.host.replies.len(), requests.len());
        assert_eq!((dialler.error, acceptor.error), (None, None));
    }
}

#[test]
fn nothing_is_sent_before_the_hello_was_answered() {
    let (mut dialler, mut acceptor) = pair(Purpose::Raft, greeter(1));
    dialler.advance();
    acceptor.receive(&dialler.take(), &mut || usize::MAX);
    dialler.receive(&acceptor.take(), &mut || usize::MAX);
    assert_eq!(dialler.link.status(), LinkStatus::Greeting);
    let error = dialler.link.seal(&Outgoing::new(), &mut dialler.out);
    assert_eq!(error, Err(LinkError::Session(SessionError::NotOpen)));
    let limit = SessionLimits::default().handshake_ns_max;
    assert!(dialler.link.is_late(limit) && !dialler.link.is_late(limit - 1));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert!(!dialler.link.is_late(u64::MAX));
}

#[test]
fn a_refused_hello_is_told_with_its_reason() {
    let other_cluster = Greeter { cluster: [6; 16], ..greeter(1) };
    let pretender = greeter(3);
    for (who, reason) in
        [(other_cluster, HelloRefusal::WrongCluster), (pretender, HelloRefusal::WrongPeer)]
    {
        let (mut dialler, mut acceptor) = pair(Purpose::Meta, who);
        pump(&mut dialler, &mut acceptor, || usize::MAX);
        assert_eq!(dialler.error, Some(LinkError::Refused(reason)));
        assert_eq!(acceptor.error, Some(LinkError::Refused(reason)));
        assert_eq!(acceptor.link.status(), LinkStatus::Closed);
    }
    let (mut dialler, mut acceptor) = pair(Purpose::Replication(DiskId(9)), greeter(1));
    acceptor.host.serves = false;
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!(dialler.error, Some(LinkError::Refused(HelloRefusal::NotServed)));
}

#[test]
fn a_link_carries_its_own_purpose_alone() {
    let (mut dialler, mut acceptor) = pair(Purpose::Meta, greeter(1));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    dialler.send(|out| service::opaque(out, Kind::Meta, 1, false, b"fine").expect("fits"));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!(acceptor.host.opaque, [(Kind::Meta, b"fine".to_vec())]);
    dialler.send(|out| service::opaque(out, Kind::Raft, 1, false, b"vote").expect("fits"));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    let refused = FrameError::KindRefused(Kind::Raft);
    assert_eq!(acceptor.error, Some(LinkError::Frame(refused)));
    assert_eq!(acceptor.host.opaque.len(), 1);
    assert_eq!(dialler.link.status(), LinkStatus::Closed);
}

#[test]
fn pings_are_answered_by_the_link() {
    let (mut dialler, mut acceptor) = pair(Purpose::Raft, greeter(1));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    dialler.send(|out| (1..=3).for_each(|id| service::ping(out, id)));
    acceptor.send(|out| service::ping(out, 9));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!(dialler.host.opaque, vec![(Kind::Pong, Vec::new()); 3]);
    assert_eq!(acceptor.host.opaque, vec![(Kind::Pong, Vec::new())]);
}

#[test]
fn a_goodbye_has_a_reason() {
    let (mut dialler, mut acceptor) = pair(Purpose::Api, greeter(1));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    acceptor.link.close(GoawayReason::Removed, &mut acceptor.out);
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!(dialler.link.goaway(), Some(GoawayReason::Removed));
    assert_eq!(dialler.link.status(), LinkStatus::Closed);
    assert!(!dialler.link.is_cut());
    let (mut dialler, mut acceptor) = pair(Purpose::Api, greeter(1));
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert!(dialler.link.is_cut(), "a connection that just ends was cut");
}

/// A member that went mad: proper TLS, and anything inside.
#[test]
fn a_hostile_member_can_end_its_own_link_and_no_more() {
    let mut rng = Rng::new(2);
    let (mut ended, mut heard) = (0, 0);
    for round in 0..400 {
        let (mut dialler, mut acceptor) = pair(Purpose::Replication(DiskId(7)), greeter(1));
        pump(&mut dialler, &mut acceptor, || usize::MAX);
        let mut frames = Outgoing::new();
        for which in 0..4 {
            let request = crate::codec::tests::request((round + which) % 11, &mut rng);
            encode_request(&mut frames, which, DiskId(7), &request).expect("fits");
        }
        let mut bytes = frames.to_vec();
        rng.mutate(&mut bytes);
        dialler.link.seal_raw(&bytes, &mut dialler.out);
        pump(&mut dialler, &mut acceptor, || 1 + rng.below(9000) as usize);
        heard += acceptor.host.requests.len();
        match acceptor.error {
            None => {}
            Some(LinkError::Frame(_) | LinkError::Message(_)) => {
                ended += 1;
                assert_eq!(acceptor.link.status(), LinkStatus::Closed);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(ended > 100 && heard > 100, "{ended} ended, {heard} requests heard");
}

#[test]
fn mutated_hellos_end_the_link_on_both_sides_without_a_panic() {
    let mut rng = Rng::new(3);
    for _ in 0..300 {
        let (mut dialler, mut acceptor) = pair(Purpose::Meta, greeter(1));
        dialler.advance();
        acceptor.receive(&dialler.take(), &mut || usize::MAX);
        let mut hello = greeter(1).hello(Purpose::Meta).encode();
        rng.mutate(&mut hello);
        dialler.link.greeted.role = Role::Acceptor;
        dialler.receive(&acceptor.take(), &mut || usize::MAX);
        let mut frame = Outgoing::new();
        frame.push(Header::new(Kind::Hello, 0), &hello).expect("short");
        dialler.link.seal_raw(&frame.to_vec(), &mut dialler.out);
        pump(&mut dialler, &mut acceptor, || usize::MAX);
        let right = acceptor.link.greeting().is_some_and(|greeting| greeting.peer == PeerId(1));
        assert!(right || acceptor.error.is_some());
    }
}

fn token(authority: &SecretKey) -> JoinToken {
    JoinToken {
        cluster: CLUSTER,
        authority: authority.public(),
        secret: TokenSecret::new([3; 16]),
        expires_unix_s: 100,
        addresses: vec!["192.0.2.1:7400".into()],
    }
}

/// Stranger 66 dials peer 2, which shows `credential`.
fn joining(credential: Vec<u8>, purpose: Purpose) -> (End, End) {
    let keys = members();
    keys.set_joins_open(true);
    let own = MemberKeys::new([]);
    let who = Greeter { incarnation: 0, ..greeter(0) };
    let dialled = Link::dial(&endpoint(66, &own), Dial::Join, who, purpose, pool(), 0);
    let accepted = Link::accept(&endpoint(2, &keys), greeter(2), credential, pool(), 0);
    (End::new(dialled), End::new(accepted))
}

#[test]
fn a_stranger_with_a_token_becomes_a_member() {
    let authority = key(9);
    let token = token(&authority);
    let server =
        Membership { cluster: CLUSTER, incarnation: 1, peer: PeerId(2), key: key(2).public() };
    let (mut joiner, mut acceptor) = joining(server.sign(&authority).to_vec(), Purpose::Join);
    pump(&mut joiner, &mut acceptor, || usize::MAX);
    let answered = joiner.link.peer().expect("open");
    assert_eq!(token.vouches_for(joiner.link.credential(), &answered.key), Some(server));

    let stranger = key(66).public();
    let request = JoinRequest::new(&CLUSTER, &token.secret, &stranger, b"p4".to_vec());
    joiner.send(|out| out.push(Header::new(Kind::Join, 1), &request.encode()).expect("fits"));
    pump(&mut joiner, &mut acceptor, || usize::MAX);
    let (Kind::Join, meta) = &acceptor.host.opaque[0] else { panic!("a join") };
    let PeerClass::Stranger(shown) = acceptor.link.peer().expect("open").class else {
        panic!("a stranger")
    };
    let request = JoinRequest::decode(meta).expect("right");
    assert!(request.is_proven(&CLUSTER, &shown));
    assert_eq!(request.token, token.secret.key().public());

    let member = Membership { peer: PeerId(4), key: shown, ..server };
    let welcome = JoinReply::Welcome { membership: member.sign(&authority), details: Vec::new() };
    acceptor.send(|out| {
        out.push(Header::new(Kind::JoinReply, 1), &welcome.encode()).expect("fits");
    });
    pump(&mut joiner, &mut acceptor, || usize::MAX);
    let (Kind::JoinReply, meta) = &joiner.host.opaque[0] else { panic!("a join reply") };
    let Ok(JoinReply::Welcome { membership, .. }) = JoinReply::decode(meta) else { panic!() };
    assert_eq!(token.welcomes(&membership, &stranger), Some(member));

    joiner.send(|out| out.push(Header::new(Kind::Join, 2), &request.encode()).expect("fits"));
    pump(&mut joiner, &mut acceptor, || usize::MAX);
    let refused = FrameError::KindRefused(Kind::Join);
    assert_eq!(acceptor.error, Some(LinkError::Frame(refused)), "one try for a connection");
}

#[test]
fn a_stranger_that_wants_anything_else_is_refused() {
    for purpose in [Purpose::Raft, Purpose::Meta, Purpose::Api, Purpose::Replication(DiskId(1))] {
        let (mut joiner, mut acceptor) = joining(b"credential".to_vec(), purpose);
        pump(&mut joiner, &mut acceptor, || usize::MAX);
        assert_eq!(joiner.error, Some(LinkError::Refused(HelloRefusal::Stranger)));
        assert!(joiner.link.credential().is_empty(), "and is shown nothing");
    }
    let (mut joiner, mut acceptor) = joining(Vec::new(), Purpose::Join);
    pump(&mut joiner, &mut acceptor, || usize::MAX);
    joiner.send(|out| service::opaque(out, Kind::Meta, 1, false, b"map?").expect("fits"));
    pump(&mut joiner, &mut acceptor, || usize::MAX);
    let refused = FrameError::KindRefused(Kind::Meta);
    assert_eq!(acceptor.error, Some(LinkError::Frame(refused)));
}
