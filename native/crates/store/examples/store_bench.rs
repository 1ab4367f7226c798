//! Speed of the store alone, on a disk in memory: `cargo run --release --example store_bench`.
//! Prints one line per figure; ratios, not promises.
// A benchmark has to look at the clock.
#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use shoal_store::{
    Budget, Format, FormatParams, Identity, IoKind, Output, Params, Recovery, Store,
};
use shoal_types::checksum::block_crc;
use shoal_types::message::{Body, Encoding};
use shoal_types::{DiskId, LayerId, PgEpoch, PgId, StoreOp, Version, VolumeId};

const DISK_BYTES: u64 = 4 << 30;
const PGS: u64 = 64;
const LAYER: LayerId = LayerId(1);
const VOLUME: VolumeId = VolumeId(1);

/// Answers every command at once.
struct MemoryDisk(Vec<u8>);

impl MemoryDisk {
    fn answer(&mut self, kind: IoKind) -> Option<Bytes> {
        match kind {
            IoKind::Read { offset, len } => {
                let at = offset as usize;
                Some(Bytes::copy_from_slice(&self.0[at..at + len as usize]))
            }
            IoKind::Write { offset, bufs, .. } => {
                let mut at = offset as usize;
                for buf in bufs {
                    self.0[at..at + buf.len()].copy_from_slice(&buf);
                    at += buf.len();
                }
                None
            }
            IoKind::Sync | IoKind::Discard { .. } => None,
        }
    }
}

fn identity() -> Identity {
    Identity { cluster_id: [1; 16], disk: DiskId(1), store_uuid: [2; 16], incarnation: 1 }
}

fn format(disk: &mut MemoryDisk) {
    let params = FormatParams { identity: identity(), device_bytes: DISK_BYTES, log_beyond: 0 };
    let mut format = Format::new(params).expect("large enough");
    while let Some(io) = format.poll() {
        let answer = disk.answer(io.kind);
        format.on_io(io.id, Ok(answer));
    }
    format.take().expect("over").expect("memory does not fail");
}

fn open(disk: &mut MemoryDisk) -> Box<Store> {
    let budget = Budget { dirty_bytes: 256 << 20, ..Budget::default() };
    let cluster_id = identity().cluster_id;
    let params = Params { cluster_id, disk: None, device_bytes: DISK_BYTES, start_id: 1, budget };
    let mut recovery = Recovery::new(params);
    while let Some(io) = recovery.poll() {
        let answer = disk.answer(io.kind);
        recovery.on_io(io.id, Ok(answer));
    }
    let (store, figures) = recovery.take().expect("over").expect("an intact store");
    println!("recovery: {figures:?}");
    store
}

fn drive(store: &mut Store, disk: &mut MemoryDisk) -> u64 {
    let mut done = 0;
    let mut out = VecDeque::new();
    loop {
        while let Some(output) = store.poll() {
            match output {
                Output::Io(io) => out.push_back(io),
                Output::Done { result, .. } => {
                    result.expect("the disk is large enough");
                    done += 1;
                }
            }
        }
        let Some(io) = out.pop_front() else { return done };
        let answer = disk.answer(io.kind);
        store.on_io(io.id, Ok(answer));
    }
}

fn write(block: u64, seq: u64, data: &Bytes) -> StoreOp {
    let blocks = data.chunks(4096).zip(block..);
    let crcs = blocks.map(|(b, n)| block_crc(LAYER, n, b)).collect();
    StoreOp::Write {
        volume: VOLUME,
        pg: PgId::new(1, (block / 1024 % PGS) as u32),
        layer: LAYER,
        block,
        version: Version::new(1, seq),
        stamp: PgEpoch(1),
        watermark: Some(Version::new(1, seq - 1)),
        body: Body::Data { data: data.clone(), crcs, encoding: Encoding::PLAIN },
    }
}

fn report(what: &str, ops: u64, started: Instant) {
    let ns = started.elapsed().as_nanos() as u64;
    println!("{what}: {} ns each, {} /s", ns / ops, ops * 1_000_000_000 / ns.max(1));
}

fn main() {
    let mut disk = MemoryDisk(vec![0; DISK_BYTES as usize]);
    format(&mut disk);
    let mut store = open(&mut disk);
    store.submit(0, StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
    drive(&mut store, &mut disk);
    let mut seq = 1;

    let chunk = Bytes::from(vec![7u8; 128 << 10]);
    let chunks = 16_384;
    let started = Instant::now();
    for i in 0..chunks {
        seq += 1;
        store.submit(i, write(i * 32, seq, &chunk));
        if i % 16 == 15 {
            drive(&mut store, &mut disk);
        }
    }
    report("128 KiB sequential write", chunks, started);
    store.fold();
    drive(&mut store, &mut disk);
    let index = store.stats().memory.index;
    println!("index: {:.1} bytes per chunk", index as f64 / chunks as f64);

    let block = Bytes::from(vec![9u8; 4096]);
    let writes = 200_000u64;
    let started = Instant::now();
    for i in 0..writes {
        seq += 1;
        let at = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (chunks * 32);
        store.submit(i, write(at, seq, &block));
        if i % 32 == 31 {
            drive(&mut store, &mut disk);
        }
    }
    report("4 KiB random write, folded along", writes, started);
    store.fold();
    drive(&mut store, &mut disk);
    let stats = store.stats();
    let written = stats.committed_bytes + stats.fold_bytes + stats.checkpoint_bytes;
    println!("write amplification of all: {:.2}", written as f64 / (writes as f64 * 4096.0));

    let reads = 200_000u64;
    let started = Instant::now();
    for i in 0..reads {
        let at = i.wrapping_mul(0xD6E8_FEB8_6659_FD93) % (chunks * 32);
        let pg = PgId::new(1, (at / 1024 % PGS) as u32);
        store.submit(i, StoreOp::Read { pg, layer: LAYER, block: at, blocks: 1 });
        if i % 32 == 31 {
            drive(&mut store, &mut disk);
        }
    }
    report("4 KiB random read", reads, started);
    println!("{:?}", store.stats());
    drop(store);
    let started = Instant::now();
    open(&mut disk);
    println!("recovery took {} ms", started.elapsed().as_millis());
}
