//! How long a frame takes through a session: sealed at one end, opened and decoded at the other.
//! `cargo run --release -p shoal-wire --example seal`
// A benchmark reads the clock; nothing else in this crate does.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;

use shoal_types::buffer::BufferPool;
use shoal_types::message::{Encoding, WriteRequest};
use shoal_types::*;
use shoal_wire::codec::{decode_request, encode_request};
use shoal_wire::frame::{FrameDecoder, Gate, Outgoing};
use shoal_wire::identity::SecretKey;
use shoal_wire::session::{Endpoint, SendBuf, SessionLimits, Status, TlsSession};
use shoal_wire::trust::{Dial, MemberKeys};

fn main() {
    let (mut dialler, mut acceptor) = open();
    for (blocks, batch, rounds) in
        [(1, 1, 200_000), (1, 32, 20_000), (16, 1, 40_000), (256, 1, 4_000)]
    {
        measure(&mut dialler, &mut acceptor, blocks, batch, rounds);
    }
}

fn measure(from: &mut TlsSession, to: &mut TlsSession, blocks: usize, batch: u64, rounds: u32) {
    let request = write_of(blocks);
    let mut frames = Outgoing::new();
    let mut out = SendBuf::new();
    let mut decoder = FrameDecoder::new(Gate::REQUESTS, BufferPool::new(8 << 20));
    let (mut seal_ns, mut open_ns, mut seen) = (0, 0, 0);
    for _ in 0..rounds {
        let start = Instant::now();
        frames.clear();
        for id in 0..batch {
            encode_request(&mut frames, id, DiskId(1), &request).expect("fits");
        }
        from.seal(&frames, &mut out).expect("open");
        let sealed = Instant::now();
        seen += open_all(to, &mut decoder, &mut out);
        seal_ns += (sealed - start).as_nanos();
        open_ns += sealed.elapsed().as_nanos();
    }
    assert_eq!(seen, batch * u64::from(rounds));
    let frames = u128::from(seen);
    println!(
        "{blocks:>3} blocks, {batch:>2} at once: seal {:>7} ns, open {:>7} ns per frame",
        seal_ns / frames,
        open_ns / frames
    );
}

/// Moves all ciphertext over; returns how many frames came out. The copy stands for the socket.
fn open_all(to: &mut TlsSession, decoder: &mut FrameDecoder, out: &mut SendBuf) -> u64 {
    let (mut seen, mut back) = (0, SendBuf::new());
    while !out.is_empty() {
        let taken = to.feed(out.filled());
        out.sent(taken);
        let sink = |_: &_, mut plain: &[u8]| {
            while let Some(frame) = decoder.next(&mut plain).expect("right") {
                decode_request(&frame).expect("right");
                seen += 1;
            }
            Ok(())
        };
        to.advance(&mut back, sink).expect("right");
    }
    seen
}

fn write_of(blocks: usize) -> Request {
    let data = AlignedBuf::from_slice(&vec![7; blocks * BLOCK_BYTES]).freeze();
    Request::Write(WriteRequest {
        volume: VolumeId(1),
        pg: PgId::new(1, 1),
        layer: LayerId(1),
        block: 0,
        version: Version::new(1, 1),
        pg_epoch: PgEpoch(1),
        watermark: Version::ZERO,
        role: Role::InSync,
        body: Body::Data { data, crcs: vec![0; blocks], encoding: Encoding::PLAIN },
    })
}

fn open() -> (TlsSession, TlsSession) {
    let (one, two) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let keys = MemberKeys::new([(one.public(), PeerId(1)), (two.public(), PeerId(2))]);
    let endpoint = |key| Endpoint::new(key, keys.clone(), SessionLimits::default());
    let mut dialler = endpoint(&one).dial(Dial::Member(two.public()), 0);
    let mut acceptor = endpoint(&two).accept(0);
    let (mut forth, mut back) = (SendBuf::new(), SendBuf::new());
    while (dialler.status(), acceptor.status()) != (Status::Open, Status::Open) {
        dialler.advance(&mut forth, |_, _| Ok(())).expect("right");
        let taken = acceptor.feed(forth.filled());
        forth.sent(taken);
        acceptor.advance(&mut back, |_, _| Ok(())).expect("right");
        let taken = dialler.feed(back.filled());
        back.sent(taken);
    }
    (dialler, acceptor)
}
