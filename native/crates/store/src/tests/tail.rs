//! A checkpoint that comes as soon as a fold's tail is durable: its root must not go back to the old one.

use shoal_types::message::BlockState;
use shoal_types::{CopyItem, LayerId, PgEpoch, PgId, StoreOp, StoreReply, Version, VolumeId};

use super::disk::Disk;
use super::model::seed_of;
use super::rig::{Rig, recover};
use super::rng::Rng;
use super::workload::data;

const VOLUME: VolumeId = VolumeId(1);
const LAYER: LayerId = LayerId(10);
const PG: PgId = PgId::new(1, 0);

/// As much as fills a batch of the data log.
fn write_data(rig: &mut Rig, block: u64, rng: &mut Rng) {
    let seeds: Vec<u64> = (block..block + 15).collect();
    let body = data(LAYER, block, &seeds);
    let version = Version::new(1, rig.ops.len() as u64 + 1);
    let (volume, pg, layer, stamp, watermark) = (VOLUME, PG, LAYER, PgEpoch(1), None);
    rig.submit(StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body });
    while rig.outstanding() > 0 {
        assert!(rig.step(rng));
    }
}

/// Zeros, one block in each of so many chunks: entries for the metadata log.
fn scatter(rig: &mut Rig, chunks: u64, rng: &mut Rng) {
    for first in (0..chunks).step_by(200) {
        let zero = |chunk: u64| CopyItem {
            block: 100_000 + chunk * 32,
            version: Version::new(1, 1),
            stamp: PgEpoch(1),
            state: BlockState::Zero,
        };
        let items = (first..chunks.min(first + 200)).map(zero).collect();
        rig.submit(StoreOp::Copy { volume: VOLUME, pg: PG, layer: LAYER, items });
        while rig.outstanding() > 0 {
            assert!(rig.step(rng));
        }
    }
}

/// True if the fold's tail left the metadata log without room for another batch.
fn fold_to_the_brim(rig: &mut Rig, rng: &mut Rng) -> bool {
    let (folds, checkpoints) = (rig.store.stats().folds, rig.store.stats().checkpoints);
    rig.store.fold();
    rig.drain();
    let mut brim = false;
    while rig.step(rng) {
        let stats = rig.store.stats();
        let over = stats.folds > folds && stats.checkpoints == checkpoints;
        brim |= over && !rig.store.meta_has_room();
    }
    assert!(rig.store.is_idle());
    brim
}

/// Small folds before the one that matters.
const FOLDS: u64 = 10;

/// Writes go over what lay before the tail; then power is lost.
#[test]
fn a_root_names_the_tail_that_is_durable() {
    let mut brims = 0;
    for chunks in (1460..1540).step_by(10) {
        let mut rng = Rng::new(chunks);
        let mut rig = Rig::fresh(&mut rng);
        rig.submit(StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        for chunk in 0..FOLDS {
            write_data(&mut rig, 32 * chunk, &mut rng);
            rig.store.fold();
            rig.settle(&mut rng);
        }
        (20..23).for_each(|chunk| write_data(&mut rig, 32 * chunk, &mut rng));
        scatter(&mut rig, chunks, &mut rng);
        brims += u64::from(fold_to_the_brim(&mut rig, &mut rng));
        (30..35).for_each(|chunk| write_data(&mut rig, 32 * chunk, &mut rng));
        let cut = Disk::new(rig.disk.power_cut(&mut rng));
        let (disk, store) = recover(cut, &mut rng, |_, _| {});
        let store = store.unwrap_or_else(|e| panic!("{chunks} chunks: {e:?}")).0;
        let mut rig = Rig::new(disk, store, rig.base);
        for block in (0..FOLDS).chain(20..23).chain(30..35).map(|chunk| 32 * chunk) {
            let op = StoreOp::Read { pg: PG, layer: LAYER, block, blocks: 1 };
            let reply = rig.read(op, &mut rng).expect("readable");
            let StoreReply::Blocks(blocks) = reply else { panic!("{reply:?}") };
            let BlockState::Data { data, .. } = &blocks[0] else { panic!("{blocks:?}") };
            assert_eq!(seed_of(data), block);
        }
    }
    assert!(brims > 0, "no fold ended where it matters");
}
