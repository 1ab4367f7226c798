//! Random ops over a small universe.

use bytes::Bytes;
use shoal_types::checksum::block_crc;
use shoal_types::message::{BlockState, Body, Encoding};
use shoal_types::{CopyItem, LayerId, PgEpoch, PgId, Raise, StoreOp, Version, VolumeId};

use super::model::fill;
use super::rng::Rng;

/// Blocks of a layer that the tests use.
pub const BLOCKS: u64 = 192;
/// Blocks of an extent: all in one PG.
const EXTENT: u64 = 64;
const VOLUMES: u64 = 2;

pub fn pg_of(block: u64) -> PgId {
    PgId::new(1, (block / EXTENT % 2) as u32)
}

pub fn pgs() -> [PgId; 2] {
    [PgId::new(1, 0), PgId::new(1, 1)]
}

pub fn data(layer: LayerId, block: u64, seeds: &[u64]) -> Body {
    let bytes: Vec<u8> = seeds.iter().flat_map(|s| fill(*s)).collect();
    let blocks = bytes.chunks(4096).zip(block..);
    let crcs = blocks.map(|(b, n)| block_crc(layer, n, b)).collect();
    Body::Data { data: Bytes::from(bytes), crcs, encoding: Encoding::PLAIN }
}

/// Makes ops that a head could send, and now and then late, repeated and copied ones.
#[derive(Clone)]
pub struct Workload {
    next_seq: u64,
    next_seed: u64,
    epoch: u32,
    head: u32,
    next_layer: u64,
    /// (layer, volume), open as far as the workload knows.
    pub layers: Vec<(LayerId, VolumeId)>,
}

impl Workload {
    pub fn new() -> Self {
        Self { next_seq: 1, next_seed: 1, epoch: 1, head: 1, next_layer: 1, layers: Vec::new() }
    }

    pub fn next(&mut self, rng: &mut Rng) -> StoreOp {
        if self.layers.len() < 2 {
            return self.open_layer(rng);
        }
        match rng.below(100) {
            0..62 => self.write(rng),
            62..72 => self.zero(rng),
            72..80 => self.copy(rng),
            80..90 => self.raise(rng),
            90..94 if self.layers.len() < 4 => self.open_layer(rng),
            94..96 => self.delete_layer(rng),
            96 if rng.one_in(4) => StoreOp::DropPg { pg: pgs()[rng.below(2) as usize] },
            _ => self.write(rng),
        }
    }

    fn open_layer(&mut self, rng: &mut Rng) -> StoreOp {
        let layer = LayerId(100 + self.next_layer);
        self.next_layer += 1;
        let volume = VolumeId(1 + rng.below(VOLUMES));
        self.layers.push((layer, volume));
        StoreOp::OpenLayer { volume, layer }
    }

    fn delete_layer(&mut self, rng: &mut Rng) -> StoreOp {
        let at = rng.below(self.layers.len() as u64) as usize;
        let (layer, _) = self.layers.remove(at);
        if rng.one_in(3) { StoreOp::ForgetLayer { layer } } else { StoreOp::DeleteLayer { layer } }
    }

    fn pick(&self, rng: &mut Rng) -> (LayerId, VolumeId) {
        self.layers[rng.below(self.layers.len() as u64) as usize]
    }

    /// A run within one extent; mostly short, sometimes long enough to go to cells directly.
    fn run(rng: &mut Rng) -> (u64, u64) {
        let block = rng.below(BLOCKS);
        let room = EXTENT - block % EXTENT;
        let most = match rng.below(10) {
            0..6 => 3,
            6..8 => 12,
            _ => 48,
        };
        (block, (1 + rng.below(most)).min(room))
    }

    fn version(&mut self, rng: &mut Rng) -> Version {
        if rng.one_in(60) {
            self.head += 1;
        }
        if rng.one_in(40) {
            self.epoch += 1;
        }
        let seq = if rng.one_in(12) {
            // Late: an older write that took its time.
            self.next_seq - rng.below(self.next_seq.min(6))
        } else {
            self.next_seq += 1;
            self.next_seq
        };
        Version::new(self.head, seq)
    }

    fn watermark(&self, rng: &mut Rng) -> Option<Version> {
        let lag = 2 + rng.below(12);
        let known = (!rng.one_in(4)).then(|| self.next_seq.saturating_sub(lag))?;
        Some(Version::new(self.head, known))
    }

    fn seeds(&mut self, count: u64) -> Vec<u64> {
        let first = self.next_seed;
        self.next_seed += count;
        (first..first + count).collect()
    }

    fn write(&mut self, rng: &mut Rng) -> StoreOp {
        let (layer, volume) = self.pick(rng);
        let (block, blocks) = Self::run(rng);
        let version = self.version(rng);
        let body = data(layer, block, &self.seeds(blocks));
        self.stamped(rng, volume, layer, block, version, body)
    }

    fn zero(&mut self, rng: &mut Rng) -> StoreOp {
        let (layer, volume) = self.pick(rng);
        let (block, blocks) = Self::run(rng);
        let version = self.version(rng);
        let blocks = blocks as u32;
        let body = match version.seq.0 % 2 {
            0 => Body::Zero { blocks },
            _ => Body::Clear { blocks },
        };
        self.stamped(rng, volume, layer, block, version, body)
    }

    fn stamped(
        &self,
        rng: &mut Rng,
        volume: VolumeId,
        layer: LayerId,
        block: u64,
        version: Version,
        body: Body,
    ) -> StoreOp {
        let watermark = self.watermark(rng);
        let stamp = PgEpoch(self.epoch);
        StoreOp::Write { volume, pg: pg_of(block), layer, block, version, stamp, watermark, body }
    }

    fn copy(&mut self, rng: &mut Rng) -> StoreOp {
        let (layer, volume) = self.pick(rng);
        let (block, blocks) = Self::run(rng);
        let items = (block..block + blocks).filter(|_| !rng.one_in(4)).collect::<Vec<_>>();
        let items = items.into_iter().map(|block| {
            let version = Version::new(self.head, 1 + rng.below(self.next_seq + 1));
            let state = match rng.below(6) {
                0 => BlockState::Absent,
                1 => BlockState::Zero,
                _ => {
                    let bytes = fill(self.seeds(1)[0]);
                    let crc = block_crc(layer, block, &bytes);
                    BlockState::Data { data: Bytes::from(bytes), crc }
                }
            };
            let stamp = PgEpoch(rng.below(u64::from(self.epoch) + 1) as u32);
            CopyItem { block, version, stamp, state }
        });
        StoreOp::Copy { volume, pg: pg_of(block), layer, items: items.collect() }
    }

    fn raise(&mut self, rng: &mut Rng) -> StoreOp {
        let volume = VolumeId(1 + rng.below(VOLUMES));
        let pg = pgs()[rng.below(2) as usize];
        if rng.one_in(3) {
            self.head += 1;
        }
        if rng.one_in(3) {
            self.epoch += 1;
        }
        let head = shoal_types::HeadEpoch(self.head);
        let watermarks = self.watermark(rng).map(|w| (volume, pg, w));
        let version = Version::new(self.head, self.next_seq);
        let newest = self.next_seq.is_multiple_of(2).then_some((volume, pg, version));
        StoreOp::Raise(Raise {
            volumes: vec![(volume, head)],
            pgs: vec![(pg, PgEpoch(self.epoch))],
            watermarks: watermarks.into_iter().collect(),
            newest: newest.into_iter().collect(),
        })
    }
}
