//! Speed of one store on a real file, without network: `store_disk FILE [SECONDS]`.
//! Prints one JSON object per line; `npm run bench` puts them beside the raw disk's.
// A benchmark has to look at the clock.
#![allow(clippy::disallowed_methods)]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use shoal_runtime::disk::{DiskFile, port, prepare_file};
use shoal_runtime::ring::{Completion, Mailbox, Reactor, mailbox};
use shoal_runtime::store_thread::{RING_ENTRIES, format, recover};
use shoal_runtime::tag::Tag;
use shoal_store::{Budget, FormatParams, Identity, Output, Params, Store};
use shoal_types::buffer::{AlignedBuf, BufferPool};
use shoal_types::checksum::block_crc;
use shoal_types::message::{Body, Encoding};
use shoal_types::{
    BLOCK_BYTES, DiskId, LayerId, PgEpoch, PgId, StoreOp, StoreReply, Version, VolumeId,
};

const DISK_BYTES: u64 = 4 << 30;
const DATA_BLOCKS: u64 = 1 << 18;
const PGS: u64 = 128;
const BLOCKS_PER_EXTENT: u64 = 1024;
const LAYER: LayerId = LayerId(1);
const VOLUME: VolumeId = VolumeId(1);
/// Checksums of the data set take 1 MiB; the small cache holds an eighth of them.
const CRC_CACHE_SMALL: u64 = 128 << 10;

struct Bench {
    disk: DiskFile,
    store: Box<Store>,
    reactor: Reactor<Tag>,
    _inbox: Mailbox<()>,
    pool: BufferPool,
    seq: u64,
    random: u64,
    done: Vec<Completion<Tag>>,
}

/// One kind of load.
struct Shape {
    name: &'static str,
    is_write: bool,
    is_random: bool,
    blocks: u64,
    depth: usize,
}

const SHAPES: [Shape; 6] = [
    shape("4 KiB random write, QD 1", true, true, 1, 1),
    shape("4 KiB random write, QD 32", true, true, 1, 32),
    shape("4 KiB random read, QD 1", false, true, 1, 1),
    shape("4 KiB random read, QD 32", false, true, 1, 32),
    shape("1 MiB write, QD 8", true, false, 256, 8),
    shape("1 MiB read, QD 8", false, false, 256, 8),
];

const fn shape(
    name: &'static str,
    is_write: bool,
    is_random: bool,
    blocks: u64,
    depth: usize,
) -> Shape {
    Shape { name, is_write, is_random, blocks, depth }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: store_disk FILE [SECONDS]")?;
    let seconds = args.next().map_or(Ok(5), |text| text.parse())?;
    let path = Path::new(&path);
    prepare_file(path, DISK_BYTES, |_, _| {})?;
    let disk = DiskFile::open(path)?;
    let identity =
        Identity { cluster_id: [1; 16], disk: DiskId(1), store_uuid: [2; 16], incarnation: 1 };
    let params = FormatParams { identity, device_bytes: disk.size, log_beyond: 0 };
    format(&disk, params)?.map_err(|error| format!("{error:?}"))?;
    drop(disk);
    let budget = Budget { dirty_bytes: 128 << 20, crc_cache_bytes: 32 << 20, ..Budget::default() };
    let mut bench = Bench::open(path, budget)?;
    bench.fill();
    for shape in &SHAPES {
        bench.measure(shape, shape.name, Duration::from_secs(seconds));
    }
    drop(bench);
    let small = Budget { crc_cache_bytes: CRC_CACHE_SMALL, ..budget };
    let mut bench = Bench::open(path, small)?;
    for shape in SHAPES.iter().filter(|shape| !shape.is_write && shape.is_random) {
        let name = format!("{}, checksums beyond the cache", shape.name);
        bench.measure(shape, &name, Duration::from_secs(seconds));
    }
    Ok(())
}

impl Bench {
    fn open(path: &Path, budget: Budget) -> Result<Self, Box<dyn Error>> {
        let disk = DiskFile::open(path)?;
        let (_sender, inbox) = mailbox::<()>()?;
        let mut reactor = Reactor::new(RING_ENTRIES, inbox.wake_fd())?;
        let params = Params {
            cluster_id: [1; 16],
            disk: None,
            device_bytes: disk.size,
            start_id: u64::from(std::process::id()),
            budget,
        };
        let opened = recover(&disk, params, &mut reactor)?.map_err(|error| format!("{error:?}"));
        let (store, _) = opened?;
        // Far above what an earlier opening wrote.
        let seq = store.newest_version(VOLUME, PgId::new(1, 0)).seq.0 + (1 << 32);
        let (pool, done) = (BufferPool::new(256 << 20), Vec::new());
        let random = 0x9E37_79B9_7F4A_7C15;
        Ok(Self { disk, store, reactor, _inbox: inbox, pool, seq, random, done })
    }

    /// Every block of the data set once, so that reads find data and writes overwrite.
    fn fill(&mut self) {
        self.store.submit(0, StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        self.run_until(1);
        for block in (0..DATA_BLOCKS).step_by(256) {
            let op = self.write(block, 256);
            self.store.submit(0, op);
            self.run_until(1);
        }
        self.store.fold();
    }

    fn measure(&mut self, shape: &Shape, name: &str, time: Duration) {
        let (started, cpu) = (Instant::now(), cpu_us());
        let mut sent: Vec<Instant> = vec![started; shape.depth];
        let mut latencies_us: Vec<u32> = Vec::new();
        for (slot, at) in sent.iter_mut().enumerate() {
            self.send(shape, slot);
            *at = Instant::now();
        }
        let mut out = shape.depth;
        while out > 0 {
            let finished = self.turn();
            let now = Instant::now();
            let goes_on = now.duration_since(started) < time;
            for slot in finished {
                latencies_us.push(now.duration_since(sent[slot]).as_micros() as u32);
                if goes_on {
                    self.send(shape, slot);
                    sent[slot] = now;
                } else {
                    out -= 1;
                }
            }
        }
        report(name, shape, started.elapsed(), cpu_us() - cpu, latencies_us);
    }

    fn send(&mut self, shape: &Shape, slot: usize) {
        let places = DATA_BLOCKS / shape.blocks;
        let place = if shape.is_random { self.next_random() % places } else { self.seq % places };
        let block = place * shape.blocks;
        let op = if shape.is_write {
            self.write(block, shape.blocks)
        } else {
            self.seq += 1;
            StoreOp::Read { pg: pg_of(block), layer: LAYER, block, blocks: shape.blocks as u32 }
        };
        self.store.submit(slot as u64, op);
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64: places have to differ, no more.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn write(&mut self, block: u64, blocks: u64) -> StoreOp {
        self.seq += 1;
        let mut data = self.pool.take(blocks as usize * BLOCK_BYTES);
        fill(&mut data, blocks as usize, self.seq);
        let data = data.freeze();
        let numbered = data.chunks(BLOCK_BYTES).zip(block..);
        let crcs = numbered.map(|(bytes, at)| block_crc(LAYER, at, bytes)).collect();
        StoreOp::Write {
            volume: VOLUME,
            pg: pg_of(block),
            layer: LAYER,
            block,
            version: Version::new(1, self.seq),
            stamp: PgEpoch(1),
            watermark: Some(Version::new(1, self.seq - 1)),
            body: Body::Data { data, crcs, encoding: Encoding::PLAIN },
        }
    }

    fn run_until(&mut self, count: usize) {
        let mut finished = 0;
        while finished < count {
            finished += self.turn().len();
        }
    }

    /// Give the disk what the store wants, wait for something; the tokens of what is done.
    fn turn(&mut self) -> Vec<usize> {
        let mut finished = self.poll();
        if finished.is_empty() {
            self.reactor.wait(None, &mut self.done).expect("io_uring works");
            for Completion { tag, result } in self.done.drain(..) {
                let Tag::Disk(op) = tag else { continue };
                let (id, result) = port::finish(op, result);
                self.store.on_io(id, result);
            }
            finished = self.poll();
        }
        finished
    }

    fn poll(&mut self) -> Vec<usize> {
        let mut finished = Vec::new();
        while let Some(output) = self.store.poll() {
            match output {
                Output::Io(io) => match port::prepare(&self.disk, &self.pool, io) {
                    // SAFETY: the tag owns the buffers.
                    Ok((entry, op)) => drop(unsafe { self.reactor.push(entry, Tag::Disk(op)) }),
                    Err((id, result)) => self.store.on_io(id, result),
                },
                Output::Done { token, result } => {
                    assert!(!matches!(
                        result.expect("the disk works"),
                        StoreReply::Unsettled { .. }
                    ));
                    finished.push(token as usize);
                }
            }
        }
        finished
    }
}

fn fill(data: &mut AlignedBuf, blocks: usize, seq: u64) {
    for _ in 0..blocks {
        data.extend_from_slice(&seq.to_le_bytes());
        data.extend_zeros(BLOCK_BYTES - 8);
    }
}

fn pg_of(block: u64) -> PgId {
    PgId::new(1, (block / BLOCKS_PER_EXTENT % PGS) as u32)
}

fn report(name: &str, shape: &Shape, took: Duration, cpu_us: u64, mut latencies_us: Vec<u32>) {
    latencies_us.sort_unstable();
    let count = latencies_us.len();
    let at = |share: f64| latencies_us[((count - 1) as f64 * share) as usize];
    let iops = count as f64 / took.as_secs_f64();
    let bytes = iops * (shape.blocks as usize * BLOCK_BYTES) as f64;
    println!(
        "{{\"name\":\"{name}\",\"iops\":{iops:.0},\"bytes_per_s\":{bytes:.0},\"p50_us\":{},\
         \"p99_us\":{},\"p999_us\":{},\"cpu_us_per_op\":{:.1}}}",
        at(0.5),
        at(0.99),
        at(0.999),
        cpu_us as f64 / count as f64
    );
}

/// Processor time of this process, user and system.
fn cpu_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a plain system call that fills `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}
