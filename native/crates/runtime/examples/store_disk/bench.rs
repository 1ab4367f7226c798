//! A store on a file, driven as a store's thread drives it, by whoever measures it.

use std::error::Error;
use std::path::Path;

use shoal_runtime::disk::{DiskFile, port, prepare_file};
use shoal_runtime::ring::{Completion, Mailbox, Reactor, mailbox};
use shoal_runtime::store_thread::{RING_ENTRIES, format, recover};
use shoal_runtime::tag::Tag;
use shoal_store::{Budget, Figures, FormatParams, Identity, Output, Params, Store};
use shoal_types::buffer::{AlignedBuf, BufferPool};
use shoal_types::checksum::block_crc;
use shoal_types::message::{Body, Encoding};
use shoal_types::{
    BLOCK_BYTES, DiskId, LayerId, PgEpoch, PgId, StoreOp, StoreReply, Version, VolumeId,
};

const DISK_BYTES: u64 = 4 << 30;
const PGS: u64 = 128;
const BLOCKS_PER_EXTENT: u64 = 1024;
const LAYER: LayerId = LayerId(1);
const VOLUME: VolumeId = VolumeId(1);

pub struct Bench {
    disk: DiskFile,
    pub store: Box<Store>,
    reactor: Reactor<Tag>,
    _inbox: Mailbox<()>,
    pool: BufferPool,
    pub seq: u64,
    random: u64,
    done: Vec<Completion<Tag>>,
}

impl Bench {
    /// A new, empty store in the file.
    pub fn format(path: &Path) -> Result<(), Box<dyn Error>> {
        prepare_file(path, DISK_BYTES, DISK_BYTES, |_, _| {})?;
        let disk = DiskFile::open(path)?;
        let identity =
            Identity { cluster_id: [1; 16], disk: DiskId(1), store_uuid: [2; 16], incarnation: 1 };
        let params = FormatParams { identity, device_bytes: disk.size, log_beyond: 0 };
        format(&disk, params)?.map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    pub fn open(path: &Path, budget: Budget) -> Result<(Self, Figures), Box<dyn Error>> {
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
        let (store, figures) = opened?;
        // Far above what an earlier opening wrote.
        let seq = store.newest_version(VOLUME, PgId::new(1, 0)).seq.0 + (1 << 32);
        let (pool, done) = (BufferPool::new(256 << 20), Vec::new());
        let random = 0x9E37_79B9_7F4A_7C15;
        let bench = Self { disk, store, reactor, _inbox: inbox, pool, seq, random, done };
        Ok((bench, figures))
    }

    pub fn next_random(&mut self) -> u64 {
        // xorshift64: places have to differ, no more.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub fn write(&mut self, block: u64, blocks: u64) -> StoreOp {
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

    pub fn run_until(&mut self, count: usize) {
        let mut finished = 0;
        while finished < count {
            finished += self.turn().len();
        }
    }

    /// The same, and wait for something if nothing was done.
    pub fn turn(&mut self) -> Vec<usize> {
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

    /// Give the disk what the store wants; the tokens of what is done.
    pub fn poll(&mut self) -> Vec<usize> {
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

    pub fn open_layer(&mut self) {
        self.store.submit(0, StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        self.run_until(1);
    }

    pub fn read(&mut self, block: u64, blocks: u64) -> StoreOp {
        self.seq += 1;
        StoreOp::Read { pg: pg_of(block), layer: LAYER, block, blocks: blocks as u32 }
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
