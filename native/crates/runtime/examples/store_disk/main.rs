//! Speed of one store on a real file, without network: `store_disk FILE [SECONDS]`.
//! Prints one JSON object per line; `npm run bench` puts them beside the raw disk's.
// A benchmark has to look at the clock.
#![allow(clippy::disallowed_methods)]

mod bench;
mod starts;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use shoal_store::Budget;
use shoal_types::BLOCK_BYTES;

use crate::bench::Bench;

const DATA_BLOCKS: u64 = 1 << 18;
/// Checksums of the data set take 1 MiB; the small cache holds an eighth of them.
const CRC_CACHE_SMALL: u64 = 128 << 10;

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
    let budget = Budget { dirty_bytes: 128 << 20, crc_cache_bytes: 32 << 20, ..Budget::default() };
    Bench::format(path)?;
    let (mut bench, _) = Bench::open(path, budget)?;
    fill(&mut bench);
    for shape in &SHAPES {
        measure(&mut bench, shape, shape.name, Duration::from_secs(seconds));
    }
    drop(bench);
    let small = Budget { crc_cache_bytes: CRC_CACHE_SMALL, ..budget };
    let (mut bench, _) = Bench::open(path, small)?;
    for shape in SHAPES.iter().filter(|shape| !shape.is_write && shape.is_random) {
        let name = format!("{}, checksums beyond the cache", shape.name);
        measure(&mut bench, shape, &name, Duration::from_secs(seconds));
    }
    drop(bench);
    starts::measure(path, budget)
}

/// Every block of the data set once, so that reads find data and writes overwrite.
fn fill(bench: &mut Bench) {
    bench.open_layer();
    for block in (0..DATA_BLOCKS).step_by(256) {
        let op = bench.write(block, 256);
        bench.store.submit(0, op);
        bench.run_until(1);
    }
    bench.store.fold();
}

fn measure(bench: &mut Bench, shape: &Shape, name: &str, time: Duration) {
    let (started, cpu) = (Instant::now(), cpu_us());
    let mut sent: Vec<Instant> = vec![started; shape.depth];
    let mut latencies_us: Vec<u32> = Vec::new();
    for (slot, at) in sent.iter_mut().enumerate() {
        send(bench, shape, slot);
        *at = Instant::now();
    }
    let mut out = shape.depth;
    while out > 0 {
        let finished = bench.turn();
        let now = Instant::now();
        let goes_on = now.duration_since(started) < time;
        for slot in finished {
            latencies_us.push(now.duration_since(sent[slot]).as_micros() as u32);
            if goes_on {
                send(bench, shape, slot);
                sent[slot] = now;
            } else {
                out -= 1;
            }
        }
    }
    report(name, shape, started.elapsed(), cpu_us() - cpu, latencies_us);
}

fn send(bench: &mut Bench, shape: &Shape, slot: usize) {
    let places = DATA_BLOCKS / shape.blocks;
    let place = if shape.is_random { bench.next_random() % places } else { bench.seq % places };
    let block = place * shape.blocks;
    let op = if shape.is_write {
        bench.write(block, shape.blocks)
    } else {
        bench.read(block, shape.blocks)
    };
    bench.store.submit(slot as u64, op);
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
