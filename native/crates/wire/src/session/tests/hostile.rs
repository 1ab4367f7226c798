//! Bytes from those who mean harm.

use super::*;

#[test]
fn ten_thousand_fuzzed_dials_give_no_application_byte() {
    let mut rng = Rng::new(1);
    let keys = members(&[&peer(1), &peer(2)]);
    keys.set_joins_open(true);
    let acceptors = endpoint(&peer(2), &keys);
    // A recorded flight of a member is as good a start for an attack as any.
    let first = {
        let (mut dialler, _) = pair();
        dialler.advance();
        dialler.take()
    };
    for round in 0..10_000 {
        let mut acceptor = End::new(acceptors.accept(0));
        let mut bytes = if round % 10 == 0 { rng.bytes(2000) } else { first.clone() };
        rng.mutate(&mut bytes);
        let noise = rng.below(300) as usize;
        bytes.extend(rng.bytes(noise));
        acceptor.receive(&bytes, || usize::MAX);
        assert!(acceptor.plain.is_empty());
        assert_eq!(acceptor.session.peer(), None);
        assert_ne!(acceptor.session.status(), Status::Open);
    }
}

#[test]
fn a_mutated_handshake_never_opens_with_a_wrong_peer() {
    let mut rng = Rng::new(2);
    for _ in 0..300 {
        let (mut dialler, mut acceptor) = pair();
        let mut rounds = 0;
        dialler.advance();
        loop {
            let (mut forth, mut back) = (dialler.take(), acceptor.take());
            if forth.is_empty() && back.is_empty() || rounds > 10 {
                break;
            }
            rounds += 1;
            for bytes in [&mut forth, &mut back] {
                if !bytes.is_empty() && rng.below(3) == 0 {
                    rng.mutate(bytes);
                }
            }
            acceptor.receive(&forth, || usize::MAX);
            dialler.receive(&back, || usize::MAX);
        }
        let one = Peer { key: peer(1).key.public(), class: PeerClass::Member(peer(1).id) };
        assert!(acceptor.session.peer().is_none_or(|peer| peer == one));
        assert!(acceptor.plain.is_empty() && dialler.plain.is_empty());
    }
}

#[test]
fn every_flipped_bit_of_a_record_is_noticed() {
    let mut rng = Rng::new(3);
    for _ in 0..100 {
        let (mut dialler, mut acceptor) = open_pair();
        dialler.send(&[9; 200]).expect("open");
        let mut bytes = dialler.take();
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << rng.below(8);
        acceptor.receive(&bytes, || usize::MAX);
        assert!(acceptor.plain.is_empty(), "bit at {at}");
    }
}

#[test]
fn a_repeated_or_left_out_record_ends_the_session() {
    for repeat in [true, false] {
        let (mut dialler, mut acceptor) = open_pair();
        dialler.send(b"first").expect("open");
        let first = dialler.take();
        dialler.send(b"second").expect("open");
        let second = dialler.take();
        if repeat {
            acceptor.receive(&first, || usize::MAX);
            acceptor.receive(&first, || usize::MAX);
            assert!(acceptor.plain.ends_with(b"first"));
        } else {
            acceptor.receive(&second, || usize::MAX);
            assert!(acceptor.plain.is_empty());
        }
        assert!(matches!(acceptor.error, Some(SessionError::Tls(_))));
    }
}

#[test]
fn an_endless_handshake_is_cut_off() {
    let keys = members(&[&peer(2)]);
    let mut acceptor = End::new(endpoint(&peer(2), &keys).accept(0));
    // A handshake record that announces a ClientHello of 60,000 bytes, then more and more of it.
    let mut record = vec![22, 3, 1, 0x40, 0x00, 1, 0, 0xea, 0x60];
    record.resize(5 + 0x4000, 0);
    acceptor.receive(&record, || usize::MAX);
    record[5..9].fill(0);
    acceptor.receive(&record, || usize::MAX);
    assert!(acceptor.error.is_some());
    assert_eq!(acceptor.session.status(), Status::Closed);
}

#[test]
fn plain_text_and_older_tls_are_refused() {
    let keys = members(&[&peer(2)]);
    let acceptors = endpoint(&peer(2), &keys);
    let tls12 =
        [&[22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3][..], &[1; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 0]]
            .concat();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"SHOAL plain", &tls12] {
        let mut acceptor = End::new(acceptors.accept(0));
        acceptor.receive(bytes, || usize::MAX);
        assert!(acceptor.error.is_some() && acceptor.plain.is_empty());
        assert!(!acceptor.out.is_empty(), "the other side is told");
    }
}
