//! A block that a resync forgot: what a later write meets must not depend on the fold.

use shoal_types::{
    BlockState, CopyItem, LayerId, PgEpoch, PgId, StoreOp, StoreReply, Version, VolumeId,
};

use super::rig::Rig;
use super::rng::Rng;
use super::workload::data;

const PG: PgId = PgId::new(1, 0);
const LAYER: LayerId = LayerId(10);
const VOLUME: VolumeId = VolumeId(1);

/// Forgets block 3 under version 9, then writes it under version 5; what does the store hold?
fn write_after_absent(fold_between: bool) -> (Version, PgEpoch, bool) {
    let mut rng = Rng::new(1);
    let mut rig = Rig::fresh(&mut rng);
    rig.submit(StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
    let (block, state) = (3, BlockState::Absent);
    let item = CopyItem { block, version: Version::new(1, 9), stamp: PgEpoch(2), state };
    rig.submit(StoreOp::Copy { volume: VOLUME, pg: PG, layer: LAYER, items: vec![item] });
    if fold_between {
        rig.settle(&mut rng);
        rig.store.fold();
        rig.settle(&mut rng);
    }
    let read = StoreOp::ReadVersioned { pg: PG, layer: LAYER, block, blocks: 1 };
    let reply = rig.read(read.clone(), &mut rng).expect("readable");
    let absent = vec![(Version::ZERO, PgEpoch::ZERO, BlockState::Absent)];
    assert_eq!(reply, StoreReply::Versioned(absent), "an absent block has no version");
    rig.submit(StoreOp::Write {
        volume: VOLUME,
        pg: PG,
        layer: LAYER,
        block,
        version: Version::new(1, 5),
        stamp: PgEpoch(2),
        watermark: None,
        body: data(LAYER, block, &[7]),
    });
    let reply = rig.read(read, &mut rng).expect("readable");
    let StoreReply::Versioned(blocks) = reply else { panic!("{reply:?}") };
    let (version, epoch, state) = &blocks[0];
    (*version, *epoch, matches!(state, BlockState::Data { .. }))
}

#[test]
fn a_write_over_a_forgotten_block_does_not_depend_on_the_fold() {
    let taken = (Version::new(1, 5), PgEpoch(2), true);
    assert_eq!(write_after_absent(true), taken);
    assert_eq!(write_after_absent(false), taken);
}
