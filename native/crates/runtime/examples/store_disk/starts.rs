//! How long a store takes to open: a large index with an empty log, and a full log.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use shoal_store::Budget;

use crate::bench::Bench;

const CHUNK_BLOCKS: u64 = shoal_types::geometry::CHUNK_BLOCKS_DEFAULT as u64;
/// One block of each: the most index that so much data can have.
const CHUNKS: u64 = 400_000;
const DEPTH: usize = 64;
/// About what the log of such a store holds before it is folded.
const LOG_BLOCKS: u64 = 30_000;

pub fn measure(path: &Path, budget: Budget) -> Result<(), Box<dyn Error>> {
    Bench::format(path)?;
    let (mut bench, _) = Bench::open(path, budget)?;
    bench.open_layer();
    write(&mut bench, CHUNKS, |bench| bench.seq);
    bench.store.fold();
    settle(&mut bench);
    bench.store.checkpoint();
    settle(&mut bench);
    drop(bench);
    let mut bench = open(path, budget, "large index, empty log")?;
    write(&mut bench, LOG_BLOCKS, Bench::next_random);
    drop(bench);
    open(path, budget, "the same, with a log to replay")?;
    Ok(())
}

/// Until what was asked for is begun and over.
fn settle(bench: &mut Bench) {
    bench.poll();
    while !bench.store.is_idle() {
        bench.turn();
    }
}

/// The first block of so many chunks.
fn write(bench: &mut Bench, count: u64, mut place: impl FnMut(&mut Bench) -> u64) {
    let (mut sent, mut out) = (0, 0);
    while sent < count || out > 0 {
        while sent < count && out < DEPTH {
            let chunk = place(bench) % CHUNKS;
            let op = bench.write(chunk * CHUNK_BLOCKS, 1);
            bench.store.submit(0, op);
            (sent, out) = (sent + 1, out + 1);
        }
        out -= bench.turn().len();
    }
}

fn open(path: &Path, budget: Budget, name: &str) -> Result<Bench, Box<dyn Error>> {
    let begun = Instant::now();
    let (bench, read) = Bench::open(path, budget)?;
    println!(
        "{{\"start\":\"{name}\",\"ms\":{:.1},\"index_bytes\":{},\"index_entries\":{},\
         \"log_bytes\":{},\"dirty_blocks\":{},\"index_memory_bytes\":{}}}",
        begun.elapsed().as_secs_f64() * 1000.0,
        read.root_bytes + read.index_bytes,
        read.index_entries,
        read.meta_log_bytes + read.data_log_bytes,
        read.dirty_blocks,
        bench.store.stats().memory.index
    );
    Ok(bench)
}
