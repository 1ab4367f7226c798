//! Frames through open sessions.

use super::*;

/// Frames with and without block data, large and small.
fn frames(rng: &mut Rng, count: u64) -> Outgoing {
    let mut out = Outgoing::new();
    for id in 0..count {
        let meta_bytes = 1 + rng.below(300) as usize;
        let meta = rng.bytes(meta_bytes);
        let size = [0, 4096, 16 << 10, 20 << 10, 256 << 10, 1 << 20][rng.below(6) as usize];
        let data = Bytes::from(rng.bytes(size));
        let header = Header::new(Kind::Request, id);
        out.push_with(header, |out| out.extend_from_slice(&meta), |to| to.push(&data))
            .expect("fits");
    }
    out
}

#[test]
fn frames_of_all_sizes_arrive_as_they_were_sent_in_both_directions() {
    let mut rng = Rng::new(1);
    let (mut dialler, mut acceptor) = open_pair();
    for round in 0..30u64 {
        let sent = frames(&mut rng, 1 + round % 4);
        let (from, to) = if round % 2 == 0 {
            (&mut dialler, &mut acceptor)
        } else {
            (&mut acceptor, &mut dialler)
        };
        from.session.seal(&sent, &mut from.out).expect("open");
        let limit = 1 + rng.below(100_000);
        to.receive(&from.take(), || 1 + rng.below(limit) as usize);
        assert_eq!(to.error, None);
        assert!(std::mem::take(&mut to.plain) == sent.to_vec(), "round {round}");
    }
}

#[test]
fn a_cut_at_every_byte_gives_the_same_plaintext() {
    let (mut dialler, mut acceptor) = open_pair();
    let message = [7; 150];
    for cut in 0.. {
        dialler.send(&message).expect("open");
        let bytes = dialler.take();
        if cut > bytes.len() {
            break;
        }
        let (head, tail) = bytes.split_at(cut);
        acceptor.receive(head, || usize::MAX);
        acceptor.receive(tail, || usize::MAX);
        let plain = std::mem::take(&mut acceptor.plain);
        assert_eq!(&plain[plain.len() - message.len()..], message);
    }
}

#[test]
fn frames_sent_with_the_last_handshake_bytes_are_not_lost() {
    let (mut dialler, mut acceptor) = pair();
    dialler.advance();
    acceptor.receive(&dialler.take(), || usize::MAX);
    dialler.receive(&acceptor.take(), || usize::MAX);
    assert_eq!(dialler.session.status(), Status::Open);
    dialler.send(b"at once").expect("open");
    acceptor.receive(&dialler.take(), || usize::MAX);
    assert_eq!(acceptor.session.status(), Status::Open);
    assert!(acceptor.plain.ends_with(b"at once"));
}

#[test]
fn small_parts_share_records_and_large_data_fills_them() {
    let (mut dialler, _) = open_pair();
    let mut out = Outgoing::new();
    for id in 0..100 {
        out.push(Header::new(Kind::Request, id), b"meta").expect("fits");
    }
    dialler.session.seal(&out, &mut dialler.out).expect("open");
    assert!(dialler.take().len() < out.len() + 2 * 22);

    let data = Bytes::from(vec![1; 1 << 20]);
    out.clear();
    out.push_with(Header::new(Kind::Request, 1), |_| (), |to| to.push(&data)).expect("fits");
    dialler.session.seal(&out, &mut dialler.out).expect("open");
    assert_eq!(dialler.take().len(), out.len() + (1 + (1 << 20) / RECORD_BYTES_MAX) * 22);
}

#[test]
fn payloads_decoded_from_a_session_are_aligned() {
    let (mut dialler, mut acceptor) = open_pair();
    let data = Bytes::from(Rng::new(2).bytes(256 << 10));
    let mut out = Outgoing::new();
    out.push_with(Header::new(Kind::Request, 1), |_| (), |to| to.push(&data)).expect("fits");
    dialler.session.seal(&out, &mut dialler.out).expect("open");
    let mut decoder = FrameDecoder::new(Gate::REQUESTS, BufferPool::new(1 << 20));
    let mut payload = None;
    let bytes = dialler.take();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[acceptor.session.feed(rest)..];
        let sink = |_: &Peer, mut plain: &[u8]| {
            while let Some(frame) = decoder.next(&mut plain).expect("right") {
                payload = Some(frame.payload);
            }
            Ok(())
        };
        acceptor.session.advance(&mut acceptor.out, sink).expect("right");
    }
    let payload = payload.expect("one frame");
    assert!(shoal_types::buffer::is_aligned(&payload));
    assert_eq!(payload, data);
}

#[test]
fn a_close_is_told_and_what_was_sent_before_still_arrives() {
    let (mut dialler, mut acceptor) = open_pair();
    dialler.send(b"last words").expect("open");
    dialler.session.close(&mut dialler.out);
    assert_eq!(dialler.send(b"more"), Err(SessionError::NotOpen));
    acceptor.receive(&dialler.take(), || usize::MAX);
    assert!(acceptor.plain.ends_with(b"last words"));
    assert_eq!(acceptor.session.status(), Status::PeerClosed);
    acceptor.send(b"still heard by nobody").expect("our direction is open");
    acceptor.session.close(&mut acceptor.out);
    assert_eq!(acceptor.session.status(), Status::Closed);
    assert!(!acceptor.out.is_empty());
}

#[test]
fn refused_plaintext_ends_the_session() {
    let (mut dialler, mut acceptor) = open_pair();
    dialler.send(b"fine for TLS").expect("open");
    let bytes = dialler.take();
    acceptor.session.feed(&bytes);
    let error = acceptor.session.advance(&mut acceptor.out, |_, _| Err(Refused));
    assert_eq!(error, Err(SessionError::Refused));
    assert_eq!(acceptor.session.status(), Status::Closed);
    dialler.receive(&acceptor.take(), || usize::MAX);
    assert_eq!(dialler.session.status(), Status::PeerClosed);
}

#[test]
fn keys_change_under_traffic_and_nothing_is_lost() {
    let mut rng = Rng::new(4);
    let (mut dialler, mut acceptor) = open_pair();
    let (mut expected_there, mut expected_back) = (Vec::new(), Vec::new());
    for round in 0..200u64 {
        let (from, expected) = if rng.flip() {
            (&mut dialler, &mut expected_there)
        } else {
            (&mut acceptor, &mut expected_back)
        };
        let sent = Outgoing::raw(&rng.bytes(1 + (round as usize * 97) % 5000));
        from.session.seal(&sent, &mut from.out).expect("open");
        expected.extend_from_slice(&sent.to_vec());
        if rng.below(4) == 0 {
            from.session.refresh_keys(&mut from.out).expect("open");
        }
        if rng.flip() {
            let (forth, back) = (dialler.take(), acceptor.take());
            acceptor.receive(&forth, || 1 + rng.below(3000) as usize);
            dialler.receive(&back, || 1 + rng.below(3000) as usize);
        }
    }
    pump(&mut dialler, &mut acceptor, || usize::MAX);
    assert_eq!((&dialler.error, &acceptor.error), (&None, &None));
    assert!(acceptor.plain == expected_there && dialler.plain == expected_back);
}

#[test]
fn frames_are_sealed_while_a_record_is_half_received() {
    let mut rng = Rng::new(5);
    let (mut dialler, mut acceptor) = open_pair();
    for _ in 0..200 {
        dialler.send(&[1; 500]).expect("open");
        dialler.session.refresh_keys(&mut dialler.out).expect("open");
        let bytes = dialler.take();
        let cut = 1 + rng.below(bytes.len() as u64 - 1) as usize;
        acceptor.receive(&bytes[..cut], || usize::MAX);
        acceptor.send(&[2; 100]).expect("open");
        acceptor.receive(&bytes[cut..], || usize::MAX);
        dialler.receive(&acceptor.take(), || usize::MAX);
        assert!(std::mem::take(&mut acceptor.plain).ends_with(&[1; 500]));
        assert!(std::mem::take(&mut dialler.plain).ends_with(&[2; 100]));
    }
}
