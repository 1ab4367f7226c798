//! The rules of the logs that a crash alone cannot put to the test.

use shoal_types::{HeadEpoch, LayerId, StoreOp, VolumeId};

use super::disk::{Disk, Image};
use super::model::Model;
use super::rig::{Rig, identity, recover};
use super::rng::Rng;
use super::workload::{data, pg_of};
use crate::batch::{BatchDraft, LogKind, LogPoint};
use crate::codec::Seal;
use crate::data_record::DataRecord;
use crate::dirty::Content;
use crate::planted::{Bug, plant};
use crate::ring::Ring;
use crate::{Damage, RecoveryError};

/// Some batches in the data log, none folded.
fn written(rng: &mut Rng) -> (Image, Ring) {
    let mut rig = Rig::fresh(rng);
    let (volume, layer) = (VolumeId(1), LayerId(2));
    rig.submit(StoreOp::OpenLayer { volume, layer });
    for i in 0..10 {
        let version = shoal_types::Version::new(1, i + 1);
        let (pg, stamp, body) = (pg_of(i), shoal_types::PgEpoch(1), data(layer, i, &[i]));
        let watermark = None;
        rig.submit(StoreOp::Write { volume, pg, layer, block: i, version, stamp, watermark, body });
        while rig.outstanding() > 0 {
            assert!(rig.step(rng));
        }
    }
    let log = rig.store.data_log.clone();
    assert!(log.used() >= 20);
    let disk = std::mem::replace(&mut rig.disk, Disk::new(Image::blank(0)));
    (disk.settle(), log)
}

fn place(log: &Ring, lsn: u64) -> u64 {
    let layout = crate::layout::Layout::choose(super::rig::DISK_BYTES).expect("large enough");
    assert_eq!(layout.data_log.cells, log.cells());
    Ring::place(layout.data_log, lsn).0
}

/// Puts a whole batch with one record behind the log's end.
fn append(image: &mut Image, log: &Ring, at: LogPoint) {
    let mut records = Vec::new();
    DataRecord::Volume { volume: VolumeId(77), epoch: HeadEpoch(5) }.encode(&mut records);
    let identity = identity();
    let draft = BatchDraft {
        kind: LogKind::Data,
        at,
        start_id: 1,
        other_head: 0,
        store_uuid: &identity.store_uuid,
        data_cells: 0,
        record_count: 1,
        records: &records,
    };
    image.write(place(log, at.lsn), &draft.encode(Seal::new(&identity.store_uuid)).0);
}

fn knows_77(image: &Image, rng: &mut Rng) -> bool {
    let (_, outcome) = recover(Disk::new(image.clone()), rng, |_, _| {});
    outcome.expect("an intact log").0.head_epoch(VolumeId(77)) == HeadEpoch(5)
}

#[test]
fn a_batch_of_another_chain_is_not_taken() {
    let mut rng = Rng::new(1);
    let (mut image, log) = written(&mut rng);
    append(&mut image, &log, LogPoint { chain: log.head.chain ^ 1, ..log.head });
    assert!(!knows_77(&image, &mut rng));
    plant(Some(Bug::NoChain));
    assert!(knows_77(&image, &mut rng), "the planted bug shows, so the test can fail");
    plant(None);
    append(&mut image, &log, log.head);
    assert!(knows_77(&image, &mut rng));
}

#[test]
fn a_hole_in_the_middle_is_damage_and_a_torn_end_is_not() {
    let mut rng = Rng::new(2);
    let (image, log) = written(&mut rng);
    let mut refused = 0;
    for lsn in log.tail.lsn..log.head.lsn {
        let mut damaged = image.clone();
        damaged.flip(place(&log, lsn) + 20, 1);
        let (_, outcome) = recover(Disk::new(damaged), &mut rng, |_, _| {});
        match outcome {
            Err(RecoveryError::Damaged { what: Damage::DataLogMiddle { end, found } }) => {
                assert!(end <= lsn && lsn < found);
                refused += 1;
            }
            // Only the last batch, header and block.
            Ok(_) => assert!(lsn + 2 >= log.head.lsn, "cell {lsn} of {log:?}"),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, log.used() - 2);
}

/// What a start found in the log is in memory block by block, and goes to cells by itself.
#[test]
fn replayed_blocks_take_what_is_counted_and_are_folded() {
    let mut rng = Rng::new(4);
    let (image, _) = written(&mut rng);
    let (disk, outcome) = recover(Disk::new(image), &mut rng, |_, _| {});
    let mut rig = Rig::new(disk, outcome.expect("an intact log").0, Model::default());
    let dirty = &rig.store.state.dirty;
    assert_eq!(dirty.blocks(), 10);
    for (_, block) in dirty.chunks().flat_map(|(_, chunk)| chunk.iter()) {
        let Content::Inline { data, .. } = &block.content else { panic!("small writes") };
        assert!(data.is_unique(), "it keeps what it was read with");
    }
    rig.settle(&mut rng);
    assert_eq!((rig.store.stats().folds, rig.store.stats().memory.dirty), (1, 0));
}

/// However often a store starts without ever folding, it starts again.
#[test]
fn three_hundred_starts_do_not_fill_the_log() {
    let mut rng = Rng::new(3);
    let (mut image, _) = written(&mut rng);
    for _ in 0..300 {
        let (disk, outcome) = recover(Disk::new(image), &mut rng, |_, _| {});
        assert!(outcome.is_ok(), "{:?}", outcome.err());
        image = disk.settle();
    }
}
