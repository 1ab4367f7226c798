use super::*;
use crate::identity::SecretKey;
use crate::testing::Rng;
use crate::trust::PeerClass;

fn hello(rng: &mut Rng) -> Hello {
    let purposes =
        [Purpose::Replication(DiskId(rng.wide())), Purpose::Raft, Purpose::Meta, Purpose::Api];
    let lowest = rng.below(100) as u16;
    Hello {
        protocol_lowest: lowest,
        protocol_highest: lowest + rng.below(10) as u16,
        features_required: rng.wide(),
        features_optional: rng.wide(),
        cluster: rng.bytes(16).try_into().expect("16 bytes"),
        incarnation: rng.wide(),
        peer: PeerId(rng.wide()),
        purpose: purposes[rng.below(4) as usize],
        nonce: rng.wide(),
    }
}

fn refusals() -> [HelloRefusal; 8] {
    [
        HelloRefusal::NoCommonProtocol { lowest: 3, highest: 9 },
        HelloRefusal::FeaturesUnknown { bits: 5 },
        HelloRefusal::FeaturesRequired { bits: 6 },
        HelloRefusal::WrongCluster,
        HelloRefusal::WrongIncarnation,
        HelloRefusal::WrongPeer,
        HelloRefusal::Stranger,
        HelloRefusal::NotServed,
    ]
}

fn reply(rng: &mut Rng) -> HelloReply {
    if rng.flip() {
        return HelloReply::Refused(refusals()[rng.below(8) as usize]);
    }
    let credential_bytes = rng.below(200) as usize;
    HelloReply::Accepted {
        protocol: rng.next() as u16,
        features: rng.wide(),
        peer: PeerId(rng.wide()),
        nonce: rng.wide(),
        credential: rng.bytes(credential_bytes),
    }
}

#[test]
fn hellos_and_replies_come_back() {
    let mut rng = Rng::new(1);
    for _ in 0..2000 {
        let hello = hello(&mut rng);
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        let reply = reply(&mut rng);
        assert_eq!(HelloReply::decode(&reply.encode()), Ok(reply));
    }
    for refusal in refusals() {
        let reply = HelloReply::Refused(refusal);
        assert_eq!(HelloReply::decode(&reply.encode()), Ok(reply));
    }
}

#[test]
fn what_later_versions_add_is_skipped() {
    let mut rng = Rng::new(2);
    let hello = hello(&mut rng);
    let mut bytes = hello.encode();
    let at = bytes.len() - 2;
    bytes[at..].copy_from_slice(&5u16.to_le_bytes());
    bytes.extend_from_slice(b"later");
    assert_eq!(Hello::decode(&bytes), Ok(hello));
    let reply = reply(&mut rng);
    let longer = [reply.encode(), b"later".to_vec()].concat();
    assert_eq!(HelloReply::decode(&longer), Ok(reply));
}

#[test]
fn mutated_hellos_never_panic() {
    let mut rng = Rng::new(3);
    let mut refused = 0;
    for round in 0..100_000 {
        let mut bytes =
            if round % 2 == 0 { hello(&mut rng).encode() } else { reply(&mut rng).encode() };
        rng.mutate(&mut bytes);
        let broken = if round % 2 == 0 {
            Hello::decode(&bytes).is_err()
        } else {
            HelloReply::decode(&bytes).is_err()
        };
        refused += u32::from(broken);
    }
    assert!(refused > 30_000, "{refused}");
}

#[test]
fn every_cut_of_a_hello_is_refused() {
    let hello = hello(&mut Rng::new(4)).encode();
    for cut in 0..hello.len() {
        assert_eq!(Hello::decode(&hello[..cut]), Err(Malformed::Truncated));
    }
    let longer = [hello, vec![0]].concat();
    assert_eq!(Hello::decode(&longer), Err(Malformed::Trailing));
}

const CLUSTER: ClusterId = [7; 16];

fn greeter(peer: u64) -> Greeter {
    Greeter::new(CLUSTER, 1, PeerId(peer), 100 + peer)
}

fn stranger() -> PeerClass {
    PeerClass::Stranger(SecretKey::from_seed(&[9; 32]).public())
}

/// Peer 1 dials peer 2; both ends' outcome.
fn meet(
    one: Greeter,
    two: Greeter,
    change: impl Fn(&mut Hello),
) -> (Result<Greeting, HelloRefusal>, Result<Greeting, HelloRefusal>) {
    let mut hello = one.hello(Purpose::Meta);
    change(&mut hello);
    let outcome = negotiate(&two, &hello, &PeerClass::Member(PeerId(1)));
    let reply = two.reply(&outcome, Vec::new());
    let reply = HelloReply::decode(&reply.encode()).expect("right");
    (check_reply(&one, &hello, &reply, &PeerClass::Member(PeerId(2))), outcome)
}

#[test]
fn equal_builds_agree() {
    let (dialler, acceptor) = meet(greeter(1), greeter(2), |_| ());
    let greeting = Greeting {
        protocol: PROTOCOL_HIGHEST,
        features: FEATURES_KNOWN,
        peer: PeerId(2),
        nonce: 102,
        purpose: Purpose::Meta,
        incarnation: greeter(1).incarnation,
    };
    assert_eq!(dialler, Ok(greeting));
    assert_eq!(acceptor, Ok(Greeting { peer: PeerId(1), nonce: 101, ..greeting }));
}

#[test]
fn the_highest_common_protocol_is_taken() {
    for (ours, theirs, expected) in [
        ((1, 3), (2, 5), Some(3)),
        ((4, 6), (2, 5), Some(5)),
        ((1, 1), (1, 9), Some(1)),
        ((1, 2), (3, 4), None),
        ((5, 6), (3, 4), None),
    ] {
        let with = |peer, (lowest, highest)| Greeter {
            protocol_lowest: lowest,
            protocol_highest: highest,
            ..greeter(peer)
        };
        let (dialler, acceptor) = meet(with(1, ours), with(2, theirs), |_| ());
        assert_eq!(dialler.map(|greeting| greeting.protocol).ok(), expected);
        let (lowest, highest) = theirs;
        let refusal = HelloRefusal::NoCommonProtocol { lowest, highest };
        assert_eq!(acceptor.is_err(), acceptor == Err(refusal));
    }
}

#[test]
fn features_are_what_both_know_and_required_ones_are_a_must() {
    let with = |peer, required, known| Greeter {
        features_required: required,
        features_known: required | known,
        ..greeter(peer)
    };
    let (dialler, acceptor) = meet(with(1, 0b001, 0b110), with(2, 0b100, 0b1001), |_| ());
    assert_eq!(dialler.expect("agree").features, 0b101);
    assert_eq!(acceptor.expect("agree").features, 0b101);
    let (dialler, _) = meet(with(1, 0b010, 0), with(2, 0, 0b001), |_| ());
    assert_eq!(dialler, Err(HelloRefusal::FeaturesUnknown { bits: 0b010 }));
    let (dialler, _) = meet(with(1, 0, 0b001), with(2, 0b010, 0), |_| ());
    assert_eq!(dialler, Err(HelloRefusal::FeaturesRequired { bits: 0b010 }));
}

#[test]
fn each_wrong_claim_has_its_refusal() {
    let refused = |change: fn(&mut Hello)| meet(greeter(1), greeter(2), change).0.unwrap_err();
    assert_eq!(refused(|hello| hello.cluster = [8; 16]), HelloRefusal::WrongCluster);
    assert_eq!(refused(|hello| hello.incarnation = 2), HelloRefusal::WrongIncarnation);
    let older = |purpose| {
        let two = Greeter { incarnation: 8, ..greeter(2) };
        let hello = Hello { incarnation: 7, ..greeter(1).hello(purpose) };
        negotiate(&two, &hello, &PeerClass::Member(PeerId(1)))
    };
    assert_eq!(older(Purpose::Meta).expect("it may ask").incarnation, 7);
    for purpose in [Purpose::Raft, Purpose::Replication(DiskId(1))] {
        assert_eq!(older(purpose), Err(HelloRefusal::WrongIncarnation));
    }
    assert_eq!(refused(|hello| hello.peer = PeerId(3)), HelloRefusal::WrongPeer);
    assert_eq!(refused(|hello| hello.purpose = Purpose::Join), HelloRefusal::Stranger);
}

#[test]
fn a_stranger_may_join_and_learns_nothing_else() {
    let joiner = greeter(0);
    let two = greeter(2);
    let joins = Hello { incarnation: 0, ..joiner.hello(Purpose::Join) };
    assert!(negotiate(&two, &joins, &stranger()).is_ok());
    for purpose in [Purpose::Raft, Purpose::Meta, Purpose::Api, Purpose::Replication(DiskId(1))] {
        let hello = Hello { protocol_lowest: 90, protocol_highest: 99, ..joiner.hello(purpose) };
        assert_eq!(negotiate(&two, &hello, &stranger()), Err(HelloRefusal::Stranger));
    }
    let pretends = Hello { peer: PeerId(1), ..joins };
    assert_eq!(negotiate(&two, &pretends, &stranger()), Err(HelloRefusal::Stranger));
}

#[test]
fn a_reply_outside_of_what_was_offered_is_refused() {
    let one = greeter(1);
    let hello = one.hello(Purpose::Raft);
    let class = PeerClass::Member(PeerId(2));
    let accepted = |protocol, features, peer| HelloReply::Accepted {
        protocol,
        features,
        peer: PeerId(peer),
        nonce: 0,
        credential: Vec::new(),
    };
    assert!(check_reply(&one, &hello, &accepted(1, 0, 2), &class).is_ok());
    for reply in [accepted(99, 0, 2), accepted(1, 1 << 63, 2), accepted(1, 0, 3)] {
        assert!(check_reply(&one, &hello, &reply, &class).is_err());
    }
}
