use bytes::Bytes;
use shoal_types::message::{CopyBlock, CopyEntry, Encoding, EntryInfo, EntryKind, WriteRequest};
use shoal_types::*;

use super::*;
use crate::frame::{FrameDecoder, Gate, HEADER_BYTES};
use crate::testing::Rng;

/// Requests and replies in one stream, which no connection carries.
pub(crate) const BOTH: Gate = Gate::of(&[Kind::Request, Kind::Reply]);

pub(crate) fn frames_of(out: &Outgoing) -> Vec<(Header, Vec<u8>, Bytes)> {
    let bytes = out.to_vec();
    assert_eq!(bytes.len(), out.len());
    let mut decoder = FrameDecoder::new(BOTH, buffer::BufferPool::new(0));
    let (mut input, mut frames) = (&bytes[..], Vec::new());
    while let Some(frame) = decoder.next(&mut input).expect("own frames are right") {
        frames.push((frame.header, frame.meta.to_vec(), frame.payload));
    }
    assert!(!decoder.is_inside_frame());
    frames
}

fn version(rng: &mut Rng) -> Version {
    Version::new(rng.wide() as u32, rng.wide() & Seq::MAX.0)
}

fn epoch(rng: &mut Rng) -> PgEpoch {
    PgEpoch(rng.wide() as u32)
}

fn pg(rng: &mut Rng) -> PgId {
    PgId::new(rng.wide() as u32, rng.wide() as u32)
}

fn role(rng: &mut Rng) -> Role {
    if rng.flip() { Role::InSync } else { Role::Joining { join_at: epoch(rng) } }
}

fn cursor(rng: &mut Rng) -> Option<(LayerId, u64)> {
    rng.flip().then(|| (LayerId(rng.wide()), rng.wide()))
}

fn list<T>(rng: &mut Rng, mut entry: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.below(5)).map(|_| entry(rng)).collect()
}

fn entry(rng: &mut Rng) -> EntryInfo {
    let kinds = [EntryKind::Data, EntryKind::Zero, EntryKind::Absent];
    EntryInfo {
        layer: LayerId(rng.wide()),
        block: rng.wide(),
        version: version(rng),
        stamp: epoch(rng),
        kind: kinds[rng.below(3) as usize],
    }
}

fn state(rng: &mut Rng) -> BlockState {
    match rng.below(3) {
        0 => BlockState::Absent,
        1 => BlockState::Zero,
        _ => {
            let data = Bytes::from(rng.bytes(BLOCK_BYTES));
            BlockState::Data { data, crc: rng.next() as u32 }
        }
    }
}

fn write(rng: &mut Rng) -> WriteRequest {
    let body = if rng.flip() {
        let blocks = rng.below(1 << 31) as u32 + 1;
        if rng.below(2) == 0 { Body::Zero { blocks } } else { Body::Clear { blocks } }
    } else {
        let blocks = 1 + rng.below(4) as usize;
        let data = Bytes::from(rng.bytes(blocks * BLOCK_BYTES));
        let crcs = (0..blocks).map(|_| rng.next() as u32).collect();
        Body::Data { data, crcs, encoding: Encoding::PLAIN }
    };
    WriteRequest {
        volume: VolumeId(rng.wide()),
        pg: pg(rng),
        layer: LayerId(rng.wide()),
        block: rng.wide() >> 1,
        version: version(rng),
        pg_epoch: epoch(rng),
        watermark: version(rng),
        role: role(rng),
        body,
    }
}

pub(crate) const REQUESTS: u64 = 11;

/// Request number `which` of `REQUESTS`, with random fields.
pub(crate) fn request(which: u64, rng: &mut Rng) -> Request {
    let (volume, layer) = (VolumeId(rng.wide()), LayerId(rng.wide()));
    let (block, blocks) = (rng.wide() >> 1, 1 + rng.below(256) as u32);
    let (head_epoch, pg_epoch) = (HeadEpoch(rng.wide() as u32), epoch(rng));
    let (pg, join_at) = (pg(rng), epoch(rng));
    match which {
        0 => Request::Write(write(rng)),
        1 => Request::Read { volume, pg, layer, block, blocks, head_epoch, pg_epoch },
        2 => {
            let (role, after) = (role(rng), cursor(rng));
            Request::Install { volume, pg, head_epoch, pg_epoch, role, after }
        }
        3 => Request::ReadEntry { volume, pg, head_epoch, entry: entry(rng) },
        4 => {
            let pgs = list(rng, |rng| (self::pg(rng), epoch(rng)));
            Request::Confirm { volume, head_epoch, pgs }
        }
        5 => {
            let pgs = list(rng, |rng| (self::pg(rng), epoch(rng), version(rng)));
            Request::Settle { volume, head_epoch, pgs }
        }
        6 => Request::JoinOpen {
            pg,
            join_at,
            joiner: DiskId(rng.wide()),
            after: rng.flip().then(|| VolumeId(rng.wide())),
        },
        7 => Request::CopyList { pg, join_at, since: epoch(rng), after: cursor(rng) },
        8 => Request::CopyRead { pg, join_at, layer, block, blocks },
        9 => Request::OpenLayer { volume, layer, head_epoch },
        _ => Request::Ping,
    }
}

fn copy_entry(rng: &mut Rng) -> CopyEntry {
    CopyEntry {
        volume: VolumeId(rng.wide()),
        layer: LayerId(rng.wide()),
        block: rng.wide(),
        mask: rng.next() as u32,
        stamp: epoch(rng),
    }
}

fn refusal(which: u64, rng: &mut Rng) -> Refusal {
    let installed = HeadEpoch(rng.wide() as u32);
    match which {
        0 => Refusal::StaleHead { installed },
        1 => Refusal::StalePg { seen: epoch(rng) },
        2 => Refusal::NotInstalled { installed },
        3 => Refusal::NoSession,
        4 => Refusal::Unfit,
        5 => Refusal::NotMember,
        6 => Refusal::Deleted,
        7 => Refusal::NoSpace,
        8 => Refusal::Fenced,
        9 => Refusal::BadBlock,
        _ => Refusal::NotFound,
    }
}

pub(crate) const REPLIES: u64 = 22;

/// Reply number `which` of `REPLIES`, with random fields.
pub(crate) fn reply(which: u64, rng: &mut Rng) -> Reply {
    match which {
        0 => {
            let (version, pg_epoch) = (version(rng), epoch(rng));
            Reply::Written { version, pg_epoch, free_blocks: rng.wide() as u32 }
        }
        1 => Reply::Blocks { blocks: list(rng, state) },
        2 => {
            let (watermark, newest) = (version(rng), version(rng));
            Reply::Installed { entries: list(rng, entry), watermark, newest, more: rng.flip() }
        }
        3 => Reply::Entry { state: state(rng) },
        4 => Reply::Confirmed,
        5 => Reply::Settled,
        6 => Reply::JoinOpened {
            more: rng.flip(),
            heads: list(rng, |rng| (VolumeId(rng.wide()), HeadEpoch(rng.wide() as u32))),
            layers: list(rng, |rng| (VolumeId(rng.wide()), LayerId(rng.wide()))),
            marks: list(rng, |rng| (VolumeId(rng.wide()), version(rng), version(rng))),
        },
        7 => Reply::CopyList { entries: list(rng, copy_entry), more: rng.flip() },
        8 => {
            let block = |rng: &mut Rng| {
                let (version, stamp) = (version(rng), epoch(rng));
                CopyBlock { version, stamp, state: state(rng) }
            };
            Reply::CopyBlocks { blocks: list(rng, block) }
        }
        9 => Reply::LayerOpened,
        10 => Reply::Pong { map_epoch: MapEpoch(rng.wide()) },
        _ => Reply::Refused(refusal(which - 11, rng)),
    }
}

#[test]
fn every_request_survives_the_wire() {
    let mut rng = Rng::new(1);
    for round in 0..4000 {
        let message = request(round % REQUESTS, &mut rng);
        let (id, disk) = (rng.wide(), DiskId(rng.wide()));
        let mut out = Outgoing::new();
        encode_request(&mut out, id, disk, &message).expect("fits");
        let [(header, meta, payload)] = &frames_of(&out)[..] else { panic!("one frame") };
        assert_eq!((header.request_id, header.store, header.is_reply()), (id, disk, false));
        let frame = Frame { header: *header, meta, payload: payload.clone() };
        assert_eq!(decode_request(&frame), Ok(message));
    }
}

#[test]
fn every_reply_survives_the_wire_and_keeps_its_alignment() {
    let mut rng = Rng::new(2);
    for round in 0..4000 {
        let message = reply(round % REPLIES, &mut rng);
        let mut out = Outgoing::new();
        encode_reply(&mut out, round, DiskId(9), &message).expect("fits");
        let [(header, meta, payload)] = &frames_of(&out)[..] else { panic!("one frame") };
        assert!(header.is_reply());
        let frame = Frame { header: *header, meta, payload: payload.clone() };
        let decoded = decode_reply(&frame).expect("own messages are right");
        assert_eq!(decoded, message);
        if let Reply::Blocks { blocks } = decoded {
            for block in blocks {
                let BlockState::Data { data, .. } = block else { continue };
                assert!(buffer::is_aligned(&data), "blocks are fit for O_DIRECT");
            }
        }
    }
}

#[test]
fn mutated_messages_are_refused_or_mean_something_and_never_panic() {
    let mut rng = Rng::new(3);
    let (mut refused, mut understood) = (0u32, 0u32);
    for round in 0..100_000u64 {
        let mut out = Outgoing::new();
        let is_request = round % 2 == 0;
        if is_request {
            encode_request(&mut out, 1, DiskId(1), &request(round / 2 % REQUESTS, &mut rng))
        } else {
            encode_reply(&mut out, 1, DiskId(1), &reply(round / 2 % REPLIES, &mut rng))
        }
        .expect("fits");
        let bytes = out.to_vec();
        let meta_end =
            HEADER_BYTES + u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize;
        let mut meta = bytes[HEADER_BYTES..meta_end].to_vec();
        let mut payload = bytes[meta_end..].to_vec();
        rng.mutate(&mut meta);
        if rng.below(4) == 0 {
            payload.truncate(rng.below(payload.len() as u64 + 1) as usize);
        }
        let payload = Bytes::from(payload);
        // What is understood must be exactly what was sent: one message, one encoding.
        let again = if is_request {
            request::decode(&meta, &payload).map(|message| {
                let mut again = Vec::new();
                request::encode(&mut again, &message);
                again
            })
        } else {
            reply::decode(&meta, &payload).map(|message| {
                let mut again = Vec::new();
                reply::encode(&mut again, &message);
                again
            })
        };
        match again {
            Ok(again) => {
                assert_eq!(again, meta);
                understood += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 30_000 && understood > 10_000, "{refused} refused, {understood} understood");
}

#[test]
fn every_message_cut_short_or_too_long_is_refused() {
    let mut rng = Rng::new(4);
    for which in 0..REQUESTS {
        let message = request(which, &mut rng);
        let mut meta = Vec::new();
        request::encode(&mut meta, &message);
        let payload = request::payload(&message).cloned().unwrap_or_default();
        for cut in 0..meta.len() {
            assert!(request::decode(&meta[..cut], &payload).is_err());
        }
        meta.push(0);
        assert_eq!(request::decode(&meta, &payload), Err(Malformed::Trailing.into()));
        meta.pop();
        let longer = Bytes::from([&payload[..], &[0; BLOCK_BYTES]].concat());
        let error = request::decode(&meta, &longer).expect_err("data that nobody announced");
        assert!(matches!(error, CodecError::PayloadBytes { .. }));
    }
}

#[test]
fn hostile_counts_and_runs_are_refused() {
    let confirm = [&[5u8][..], &[0; 12], &u32::MAX.to_le_bytes()].concat();
    let settle = [&[6u8][..], &confirm[1..]].concat();
    for meta in [confirm, settle] {
        assert!(request::decode(&meta, &Bytes::new()).is_err());
    }
    let mut read = Vec::new();
    let message = Request::Read {
        volume: VolumeId(1),
        pg: PgId::new(1, 1),
        layer: LayerId(1),
        block: u64::MAX,
        blocks: 1,
        head_epoch: HeadEpoch(1),
        pg_epoch: PgEpoch(1),
    };
    request::encode(&mut read, &message);
    let error = Malformed::Value { field: "block", value: u64::MAX };
    assert_eq!(request::decode(&read, &Bytes::new()), Err(error.into()));
    assert_eq!(
        request::decode(&[200], &Bytes::new()),
        Err(CodecError::UnknownMessage { kind: Kind::Request, number: 200 })
    );
    assert_eq!(
        reply::decode(&[200], &Bytes::new()),
        Err(CodecError::UnknownMessage { kind: Kind::Reply, number: 200 })
    );
}

#[test]
fn reserved_encodings_are_refused() {
    let mut rng = Rng::new(5);
    let body = Body::Data {
        data: Bytes::from(vec![0; BLOCK_BYTES]),
        crcs: vec![1],
        encoding: Encoding { codec: 1, cipher: 0, stored_len: 4096 },
    };
    let message = Request::Write(WriteRequest { body, ..write(&mut rng) });
    let mut meta = Vec::new();
    request::encode(&mut meta, &message);
    let payload = request::payload(&message).expect("data");
    assert_eq!(request::decode(&meta, payload), Err(CodecError::Encoding));
}

#[test]
fn the_page_limits_fit_and_one_more_does_not() {
    let mut rng = Rng::new(6);
    let installed = |count: usize, rng: &mut Rng| Reply::Installed {
        entries: vec![entry(rng); count],
        watermark: Version::ZERO,
        newest: Version::ZERO,
        more: true,
    };
    let mut out = Outgoing::new();
    let full = installed(INSTALLED_ENTRIES_MAX, &mut rng);
    encode_reply(&mut out, 1, DiskId(1), &full).expect("fits");
    let before = out.len();
    let over = installed(INSTALLED_ENTRIES_MAX + 2, &mut rng);
    encode_reply(&mut out, 2, DiskId(1), &over).expect_err("too long");
    assert_eq!(out.len(), before, "nothing of a refused frame is left behind");
    let list =
        Reply::CopyList { entries: vec![copy_entry(&mut rng); COPY_ENTRIES_MAX], more: false };
    encode_reply(&mut out, 3, DiskId(1), &list).expect("fits");
    assert_eq!(frames_of(&out).len(), 2);
}
