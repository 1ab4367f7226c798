//! How finely a store knows what changed: a resync copies what it lists.

use shoal_types::message::Body;
use shoal_types::{LayerId, PgEpoch, PgId, Raise, StoreOp, StoreReply, Version, VolumeId};

use super::rig::Rig;
use super::rng::Rng;
use super::workload::data;

const PG: PgId = PgId::new(1, 0);
const LAYER: LayerId = LayerId(10);
const VOLUME: VolumeId = VolumeId(1);

struct Chunk {
    rig: Rig,
    rng: Rng,
    seq: u64,
}

impl Chunk {
    fn new() -> Self {
        let mut rng = Rng::new(1);
        let mut rig = Rig::fresh(&mut rng);
        rig.submit(StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        Self { rig, rng, seq: 0 }
    }

    /// Written under an epoch, settled, and folded into the index.
    fn put(&mut self, epoch: u32, block: u64, body: Body) {
        self.seq += 1;
        let (version, stamp) = (Version::new(1, self.seq), PgEpoch(epoch));
        let (volume, pg, layer, watermark) = (VOLUME, PG, LAYER, None);
        let op = StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body };
        self.rig.submit(op);
        let watermarks = vec![(VOLUME, PG, version)];
        self.rig.submit(StoreOp::Raise(Raise { watermarks, ..Raise::default() }));
        self.rig.settle(&mut self.rng);
        self.rig.store.fold();
        self.rig.settle(&mut self.rng);
    }

    fn write(&mut self, epoch: u32, block: u64, blocks: u64) {
        let seeds: Vec<u64> = (block..block + blocks).collect();
        self.put(epoch, block, data(LAYER, block, &seeds));
    }

    fn changed(&mut self, since: u32) -> u32 {
        let (pg, since, after) = (PG, PgEpoch(since), None);
        let op = StoreOp::Changed { pg, since, after, limit: 8 };
        let reply = self.rig.read(op, &mut self.rng).expect("listed");
        let StoreReply::Changed { entries, .. } = reply else { panic!("{reply:?}") };
        entries.iter().fold(0, |mask, entry| mask | entry.mask)
    }
}

#[test]
fn of_a_chunk_only_what_was_written_since_is_listed() {
    let mut chunk = Chunk::new();
    chunk.write(1, 0, 32);
    chunk.write(2, 5, 1);
    chunk.write(2, 9, 2);
    assert_eq!(chunk.changed(2), 1 << 5 | 3 << 9);
    assert_eq!(chunk.changed(1), u32::MAX);
    chunk.put(2, 11, Body::Zero { blocks: 1 });
    assert_eq!(chunk.changed(2), 1 << 5 | 7 << 9, "zeros are a change like another");
}

/// Of more than two epochs the older ones are taken together: more is listed than changed, never less.
#[test]
fn older_epochs_of_a_chunk_are_one() {
    let mut chunk = Chunk::new();
    chunk.write(1, 0, 32);
    chunk.write(2, 5, 1);
    chunk.write(4, 7, 1);
    assert_eq!(chunk.changed(4), 1 << 7);
    assert_eq!(chunk.changed(3), 1 << 7);
    assert_eq!(chunk.changed(2), u32::MAX);
    chunk.write(4, 0, 32);
    chunk.write(5, 1, 1);
    assert_eq!(chunk.changed(5), 1 << 1, "what all blocks have again needs no part of its own");
}
