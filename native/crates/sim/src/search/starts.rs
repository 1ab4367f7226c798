//! Where a search begins. Each start is a state that the protocol itself can reach.

use shoal_engine::insync::PgRecord;
use shoal_types::message::Encoding;
use shoal_types::{Body, DiskId, HeadEpoch, PgEpoch, Raise, Seq, StoreOp, Version, checksum};

use super::small::{Budget, LAYER, PG, Small, VOLUME};
use crate::check::value::{SECTORS, fill};
use crate::model_store::ModelStore;
use crate::rng::Rng;

pub(super) const A: DiskId = DiskId(1);
pub(super) const B: DiskId = DiskId(2);
pub(super) const C: DiskId = DiskId(3);

/// Names, in order of their numbers.
pub const STARTS: [&str; 6] = [
    "nothing is written, all are in sync",
    "one is out and lacks a write",
    "one is out and holds what nobody else has",
    "an unknown write is on one of two, the head is gone",
    "one is in sync, two are out",
    "one of two holds an older unknown write, and nobody serves",
];

/// `lease`: reads by the lease, else confirmed.
pub fn start(number: usize, lease: bool, budget: Budget) -> Small {
    let mut record = PgRecord::new(PG, &[A, B, C]);
    let mut stores: Vec<ModelStore> = [A, B, C].map(|d| ModelStore::new(d, 100)).into();
    for store in &mut stores {
        submit(store, StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        raise(store, 1, 1, Some(version(1)));
    }
    match number {
        0 => {}
        1 | 4 => {
            remove(&mut record, &[C]);
            write(&mut stores[..2], 0, 1, 7, 2);
            if number == 4 {
                remove(&mut record, &[B]);
            }
        }
        // Sent under epoch 1, arrived at C alone; in sync until epoch 2.
        2 => {
            write(&mut stores[2..], 0, 2, 7, 1);
            remove(&mut record, &[B]);
            remove(&mut record, &[C]);
        }
        3 => {
            remove(&mut record, &[C]);
            write(&mut stores[..1], 0, 2, 7, 2);
        }
        _ => {
            write(&mut stores[1..2], 0, 2, 7, 1);
            remove(&mut record, &[A]);
        }
    }
    let mut small = Small::new(record, stores, 2, lease, budget);
    match number {
        1 | 4 => small.was_written(0, 7, version(1)),
        0 => {}
        _ => small.was_tried(0, 7),
    }
    small
}

fn version(seq: u64) -> Version {
    Version { head_epoch: HeadEpoch(1), seq: Seq(seq) }
}

fn submit(store: &mut ModelStore, op: StoreOp) {
    store.submit(0, op);
    let done = store.commit(1, &mut Rng::new(0));
    assert!(done.iter().all(|(_, result)| result.is_ok()), "a start can be built");
}

fn raise(store: &mut ModelStore, he: u32, pe: u32, wm: Option<Version>) {
    let (volumes, pgs) = (vec![(VOLUME, HeadEpoch(he))], vec![(PG, PgEpoch(pe))]);
    let watermarks = wm.into_iter().map(|wm| (VOLUME, PG, wm)).collect();
    submit(store, StoreOp::Raise(Raise { volumes, pgs, watermarks, ..Raise::default() }));
}

fn write(stores: &mut [ModelStore], block: u64, seq: u64, value: u64, stamp: u32) {
    for store in stores {
        let data = fill(value, SECTORS);
        let crcs = vec![checksum::block_crc(LAYER, block, &data)];
        let body = Body::Data { data, crcs, encoding: Encoding::PLAIN };
        submit(
            store,
            StoreOp::Write {
                volume: VOLUME,
                pg: PG,
                layer: LAYER,
                block,
                version: version(seq),
                stamp: PgEpoch(stamp),
                watermark: None,
                body,
            },
        );
    }
}

fn remove(record: &mut PgRecord, disks: &[DiskId]) {
    for disk in disks {
        record.remove(*disk, None).expect("others are left");
    }
}
