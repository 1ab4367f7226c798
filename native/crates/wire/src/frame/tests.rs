use bytes::Bytes;
use shoal_types::buffer::{BufferPool, is_aligned};

use super::*;
use crate::codec::{self, tests as messages};
use crate::testing::Rng;

fn decoder(gate: Gate) -> FrameDecoder {
    FrameDecoder::new(gate, BufferPool::new(0))
}

/// Several frames with meta and payload, as bytes.
fn stream(rng: &mut Rng, frames: u64) -> Outgoing {
    let mut out = Outgoing::new();
    for i in 0..frames {
        if rng.flip() {
            let message = messages::request(rng.below(messages::REQUESTS), rng);
            codec::encode_request(&mut out, i, DiskId(i), &message).expect("fits");
        } else {
            let message = messages::reply(rng.below(messages::REPLIES), rng);
            codec::encode_reply(&mut out, i, DiskId(i), &message).expect("fits");
        }
    }
    out
}

type Owned = (Header, Vec<u8>, Bytes);

fn feed(
    decoder: &mut FrameDecoder,
    mut input: &[u8],
    into: &mut Vec<Owned>,
) -> Result<(), FrameError> {
    while let Some(frame) = decoder.next(&mut input)? {
        into.push((frame.header, frame.meta.to_vec(), frame.payload));
    }
    assert!(input.is_empty());
    Ok(())
}

#[test]
fn a_cut_at_every_byte_gives_the_same_frames() {
    let out = stream(&mut Rng::new(1), 6);
    let bytes = out.to_vec();
    let whole = messages::frames_of(&out);
    assert_eq!(whole.len(), 6);
    for cut in 0..bytes.len() {
        let (mut decoder, mut frames) = (decoder(messages::BOTH), Vec::new());
        feed(&mut decoder, &bytes[..cut], &mut frames).expect("right");
        feed(&mut decoder, &bytes[cut..], &mut frames).expect("right");
        assert_eq!(frames, whole);
        assert!(!decoder.is_inside_frame());
    }
}

#[test]
fn byte_by_byte_gives_the_same_frames_with_aligned_payloads() {
    let out = stream(&mut Rng::new(2), 40);
    let (mut decoder, mut frames) = (decoder(messages::BOTH), Vec::new());
    for byte in out.to_vec() {
        feed(&mut decoder, &[byte], &mut frames).expect("right");
    }
    assert_eq!(frames, messages::frames_of(&out));
    assert!(frames.iter().all(|(.., payload)| payload.is_empty() || is_aligned(payload)));
}

#[test]
fn a_mutated_stream_never_panics_and_gives_no_damaged_meta() {
    let mut rng = Rng::new(3);
    let mut dead = 0;
    for _ in 0..100_000 {
        let out = stream(&mut rng, 2);
        let whole = messages::frames_of(&out);
        let mut bytes = out.to_vec();
        rng.mutate(&mut bytes);
        let (mut decoder, mut frames) = (decoder(messages::BOTH), Vec::new());
        if let Err(error) = feed(&mut decoder, &bytes, &mut frames) {
            dead += 1;
            assert_ne!(error, FrameError::Dead);
            assert_eq!(decoder.next(&mut &bytes[..]).expect_err("dead"), FrameError::Dead);
        }
        for (header, meta, _) in frames {
            assert!(whole.iter().any(|(h, m, _)| *h == header && *m == meta));
        }
    }
    assert!(dead > 10_000, "{dead}");
}

#[test]
fn random_bytes_are_refused_within_a_header() {
    let mut rng = Rng::new(4);
    for _ in 0..10_000 {
        let bytes = rng.bytes(HEADER_BYTES);
        assert!(decoder(messages::BOTH).next(&mut &bytes[..]).is_err());
    }
}

fn with_crc(mut bytes: [u8; HEADER_BYTES]) -> [u8; HEADER_BYTES] {
    let crc = crc32c(&bytes[..HEADER_CRC_AT]);
    bytes[HEADER_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn refused(gate: Gate, bytes: [u8; HEADER_BYTES]) -> FrameError {
    decoder(gate).next(&mut &bytes[..]).expect_err("must be refused")
}

#[test]
fn each_wrong_field_has_its_own_error() {
    let right = Header::new(Kind::Request, 7).encode();
    let edit = |at: usize, value: u8| {
        let mut bytes = right;
        bytes[at] = value;
        with_crc(bytes)
    };
    let gate = Gate::REQUESTS;
    assert_eq!(refused(gate, edit(0, b'X')), FrameError::Magic(*b"XH"));
    assert_eq!(refused(gate, edit(2, 2)), FrameError::Version(2));
    assert_eq!(refused(gate, edit(3, 99)), FrameError::UnknownKind(99));
    assert_eq!(refused(gate, edit(5, 1)), FrameError::Flags(256));
    assert_eq!(refused(gate, edit(6, 1)), FrameError::Flags(0));
    let mut bytes = right;
    bytes[8] ^= 1;
    assert_eq!(refused(gate, bytes), FrameError::HeaderCrc);
    let raft = Header::new(Kind::Raft, 7).encode();
    assert_eq!(refused(gate, raft), FrameError::KindRefused(Kind::Raft));
    assert_eq!(refused(Gate::REPLIES, right), FrameError::KindRefused(Kind::Request));
    assert_eq!(refused(Gate::HELLO, right), FrameError::KindRefused(Kind::Request));
    assert_eq!(refused(Gate::JOIN, right), FrameError::KindRefused(Kind::Request));
}

#[test]
fn hostile_lengths_are_refused_by_the_header_alone() {
    for kind in Kind::ALL {
        let gate = Gate::of(&[kind]);
        let (meta_max, payload_max) = (kind.meta_bytes_max(), kind.payload_bytes_max());
        for bytes in [meta_max + 1, u32::MAX] {
            let header = Header { meta_bytes: bytes, ..Header::new(kind, 1) };
            let expected = FrameError::MetaTooLong { bytes, max: meta_max };
            assert_eq!(refused(gate, header.encode()), expected);
        }
        for bytes in [payload_max + 1, u32::MAX] {
            let header = Header { payload_bytes: bytes, ..Header::new(kind, 1) };
            let expected = FrameError::PayloadTooLong { bytes, max: payload_max };
            assert_eq!(refused(gate, header.encode()), expected);
        }
    }
}

#[test]
fn damaged_meta_fails_its_checksum() {
    let mut out = Outgoing::new();
    out.push(Header::new(Kind::Raft, 1), b"some opaque bytes").expect("fits");
    let mut bytes = out.to_vec();
    bytes[HEADER_BYTES + 3] ^= 1;
    let error = decoder(Gate::RAFT).next(&mut &bytes[..]).expect_err("damaged");
    assert_eq!(error, FrameError::MetaCrc);
}

#[test]
fn the_gate_opens_for_the_next_frame_only_when_told() {
    let mut out = Outgoing::new();
    out.push(Header::new(Kind::Hello, 1), b"hello").expect("fits");
    out.push(Header::new(Kind::Api, 2), b"api").expect("fits");
    let bytes = out.to_vec();
    let mut decoder = decoder(Gate::HELLO);
    let mut input = &bytes[..];
    let first = decoder.next(&mut input).expect("allowed").expect("whole");
    assert_eq!((first.header.kind, first.meta), (Kind::Hello, &b"hello"[..]));
    decoder.set_gate(Gate::API);
    let second = decoder.next(&mut input).expect("allowed").expect("whole");
    assert_eq!((second.header.kind, second.meta), (Kind::Api, &b"api"[..]));
}

#[test]
fn kinds_have_distinct_numbers_and_come_back() {
    for number in 0..=255 {
        let kind = Kind::from_u8(number);
        assert!(kind.is_none_or(|kind| kind as u8 == number));
    }
    assert_eq!((0..=255).filter_map(Kind::from_u8).count(), Kind::ALL.len());
}

#[test]
fn a_payload_of_the_largest_size_arrives_whole() {
    let mut rng = Rng::new(5);
    let data = Bytes::from(rng.bytes(PAYLOAD_BYTES_MAX as usize));
    let mut out = Outgoing::new();
    let header = Header::new(Kind::Request, 1);
    out.push_with(header, |meta| meta.push(1), |payload| payload.push(&data)).expect("fits");
    let error = out
        .push_with(
            header,
            |_| (),
            |payload| {
                payload.push(&data);
                payload.push(&Bytes::from_static(&[0]));
            },
        )
        .expect_err("too long");
    assert_eq!(error.payload_bytes, data.len() + 1);
    let frames = messages::frames_of(&out);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].2, data);
    assert!(is_aligned(&frames[0].2));
}
