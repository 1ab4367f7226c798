//! The cluster state on a disk: torn, rotten, old, foreign, newer, too large.

use bytes::Bytes;

use super::disk::{Disk, Image};
use super::rig::{Rig, formatted, identity, params};
use super::rng::Rng;
use crate::Recovery;
use crate::codec::Seal;
use crate::io::{IoError, Output};
use crate::layout::{CELL_BYTES, Layout, MAP_DEVICE_BYTES_MIN};
use crate::map::{MapHeader, MapOrder, MapRefused, SlotHeader, encode};
use crate::superblock::{Parsed, Superblock};

const DISK_BYTES: u64 = MAP_DEVICE_BYTES_MIN;

fn order(incarnation: u64, index: u64) -> MapOrder {
    MapOrder { incarnation, index }
}

fn body(seed: u64, bytes: usize) -> Bytes {
    let mut rng = Rng::new(seed);
    (0..bytes).map(|_| rng.next() as u8).collect::<Vec<u8>>().into()
}

fn layout() -> Layout {
    Layout::choose(DISK_BYTES).expect("large enough")
}

fn start(image: Image, rng: &mut Rng) -> Rig {
    let mut disk = Disk::new(image);
    let mut recovery = Recovery::new(params(DISK_BYTES, rng.next()));
    loop {
        while let Some(io) = recovery.poll() {
            disk.issue(io);
        }
        if let Some(outcome) = recovery.take() {
            return Rig::new(disk, outcome.expect("a store").0, Default::default());
        }
        let (id, bytes) = disk.answer_one(rng).expect("a recovery that is not stuck");
        recovery.on_io(id, Ok(bytes));
    }
}

fn keep(rig: &mut Rig, order: MapOrder, body: &Bytes) {
    rig.store.keep_map(order, body).expect("it fits");
    rig.drain();
}

/// What both slots hold, by order, as whoever has no store at hand reads it.
fn slots(image: &Image) -> Vec<(MapOrder, Vec<u8>)> {
    let uuid = identity().store_uuid;
    let read = |slot| {
        let region = layout().map_slot(slot);
        let bytes = image.read(region.offset(), region.cells * CELL_BYTES);
        let (cell, rest) = bytes.split_at(CELL_BYTES as usize);
        match MapHeader::parse(cell, &uuid, rest.len() as u64) {
            SlotHeader::Ours(header) => {
                let body = &rest[..header.body_bytes as usize];
                header.is_of(body, &uuid).then(|| (header.order, body.to_vec()))
            }
            _ => None,
        }
    };
    let mut found: Vec<_> = (0..2).filter_map(read).collect();
    found.sort();
    found
}

#[test]
fn the_newest_is_kept_over_starts_and_an_older_one_never_replaces_it() {
    let mut rng = Rng::new(1);
    let mut rig = start(formatted(DISK_BYTES), &mut rng);
    assert_eq!(rig.store.kept_map(), None);
    for index in [5, 6, 7] {
        keep(&mut rig, order(1, index), &body(index, 10_000 + index as usize));
        rig.settle(&mut rng);
    }
    keep(&mut rig, order(1, 6), &body(66, 100));
    keep(&mut rig, order(0, 99), &body(99, 100));
    rig.settle(&mut rng);
    assert_eq!(rig.store.kept_map(), Some(order(1, 7)));
    let image = rig.disk.settle();
    let (older, newest) = ((order(1, 6), body(6, 10_006).to_vec()), order(1, 7));
    assert_eq!(slots(&image), [older, (newest, body(7, 10_007).to_vec())]);
    let mut again = start(image, &mut rng);
    assert_eq!(again.store.kept_map(), Some(newest));
    keep(&mut again, order(2, 1), &body(8, 1));
    again.settle(&mut rng);
    let kept: Vec<MapOrder> =
        slots(&again.disk.settle()).into_iter().map(|(order, _)| order).collect();
    assert_eq!(kept, [newest, order(2, 1)]);
}

#[test]
fn of_many_at_once_only_the_last_one_waits() {
    let mut rng = Rng::new(2);
    let mut rig = start(formatted(DISK_BYTES), &mut rng);
    let before = rig.disk.writes;
    (1..=50).for_each(|index| keep(&mut rig, order(1, index), &body(index, 300)));
    rig.settle(&mut rng);
    assert_eq!(rig.disk.writes - before, 2);
    assert_eq!(rig.store.kept_map(), Some(order(1, 50)));
}

/// Whatever a power cut leaves of the writes under way: what was durable, or something newer.
#[test]
fn a_power_cut_leaves_the_one_before_or_a_newer_one() {
    let mut newer = 0;
    let fresh = formatted(DISK_BYTES);
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut rig = start(fresh.clone(), &mut rng);
        let asked = 1 + rng.below(5);
        for index in 1..=asked {
            let size = rng.below(layout().map_bytes_max() + 1) as usize;
            keep(&mut rig, order(1, index), &body(index, size));
            while rng.below(3) > 0 && rig.step(&mut rng) {}
        }
        let durable = rig.store.kept_map();
        let image = rig.disk.power_cut(&mut rng);
        let again = start(image, &mut rng);
        let found = again.store.kept_map();
        assert!(found >= durable && found <= Some(order(1, asked)), "{seed}: {found:?}");
        newer += u32::from(found > durable);
    }
    assert!(newer > 10, "the cuts came too late: {newer}");
}

#[test]
fn a_flipped_bit_anywhere_gives_the_older_one() {
    let mut rng = Rng::new(3);
    let mut rig = start(formatted(DISK_BYTES), &mut rng);
    for index in 1..=2 {
        keep(&mut rig, order(1, index), &body(index, 9_000));
        rig.settle(&mut rng);
    }
    let image = rig.disk.settle();
    let newest = layout().map_slot(1).offset();
    for byte in (0..44).chain((CELL_BYTES..CELL_BYTES + 9_000).step_by(97)) {
        let mut image = image.clone();
        image.flip(newest + byte, 1 << rng.below(8));
        let again = start(image.clone(), &mut rng);
        assert_eq!(again.store.kept_map(), Some(order(1, 1)), "byte {byte}");
        assert_eq!(slots(&image).len(), 1);
        image.flip(layout().map_slot(0).offset() + byte, 1 << rng.below(8));
        let mut none = start(image, &mut rng);
        assert_eq!(none.store.kept_map(), None);
        keep(&mut none, order(1, 1), &body(1, 5));
        none.settle(&mut rng);
        assert_eq!(none.store.kept_map(), Some(order(1, 1)), "damage is written over");
    }
}

#[test]
fn foreign_newer_and_misdirected_slots_are_not_ours() {
    let mut rng = Rng::new(4);
    let (first, second) = (layout().map_slot(0).offset(), layout().map_slot(1).offset());
    let ours = Seal::new(&identity().store_uuid);
    let mut image = formatted(DISK_BYTES);
    image.write(first, &encode(order(1, 9), b"another store's", Seal::new(&[1; 16])));
    let mut newer = encode(order(1, 8), b"what is to come", ours).to_vec();
    newer[12] = 2;
    newer[8..12].fill(0);
    let sum = ours.sum(&newer[..CELL_BYTES as usize]);
    newer[8..12].copy_from_slice(&sum.to_le_bytes());
    image.write(second, &newer);
    let cell = image.read(second, CELL_BYTES);
    let parsed = MapHeader::parse(&cell, &identity().store_uuid, 1 << 20);
    assert_eq!(parsed, SlotHeader::Newer { version: 2 });
    assert_eq!(start(image.clone(), &mut rng).store.kept_map(), None);
    // A body of its own behind another one's header.
    image.write(first, &encode(order(1, 3), &body(1, 5_000), ours));
    image.write(second, &encode(order(1, 4), &body(2, 5_000), ours)[..CELL_BYTES as usize]);
    assert_eq!(start(image, &mut rng).store.kept_map(), Some(order(1, 3)));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut rng = Rng::new(5);
    let mut rig = start(formatted(DISK_BYTES), &mut rng);
    let most_bytes = layout().map_bytes_max();
    keep(&mut rig, order(1, 1), &body(1, most_bytes as usize));
    let bytes = most_bytes + 1;
    let refused = rig.store.keep_map(order(1, 2), &body(1, bytes as usize));
    assert_eq!(refused, Err(MapRefused::TooLarge { bytes, most_bytes }));
    rig.settle(&mut rng);
    assert_eq!(rig.store.kept_map(), Some(order(1, 1)));
}

/// A store that an older version made has no region, and works on.
#[test]
fn a_store_without_a_region_keeps_none() {
    let mut rng = Rng::new(6);
    let mut old = layout();
    old.map = crate::layout::Region { first: 0, cells: 0 };
    let superblock = Superblock::new(identity(), old);
    assert_eq!(Superblock::parse(&superblock.encode()), Parsed::Ours(superblock));
    let mut image = formatted(DISK_BYTES);
    image.write(0, &superblock.encode());
    image.write(old.last_superblock_offset(), &superblock.encode());
    let mut rig = start(image, &mut rng);
    assert_eq!(rig.store.keep_map(order(1, 1), &body(1, 1)), Err(MapRefused::NoRegion));
    rig.settle(&mut rng);
}

#[test]
fn a_failed_write_fences_the_store() {
    let mut rng = Rng::new(7);
    let mut rig = start(formatted(DISK_BYTES), &mut rng);
    rig.store.keep_map(order(1, 1), &body(1, 100)).expect("it fits");
    let Some(Output::Io(io)) = rig.store.poll() else { panic!("a write") };
    rig.store.on_io(io.id, Err(IoError { code: 5 }));
    assert!(rig.store.is_fenced());
    assert_eq!(rig.store.kept_map(), None);
    assert_eq!(rig.store.keep_map(order(1, 2), &body(1, 100)), Ok(()));
    assert!(rig.store.poll().is_none(), "nothing is written any more");
}

#[test]
fn a_check_finds_damage_and_the_next_offer_mends_it() {
    let mut rng = Rng::new(8);
    let mut rig = start(formatted(DISK_BYTES), &mut rng);
    for index in 1..=2 {
        keep(&mut rig, order(1, index), &body(index, 9_000));
        rig.settle(&mut rng);
    }
    let mut check = |rig: &mut Rig| {
        rig.store.check_metadata(1 << 50);
        rig.settle(&mut rng);
        rig.store.stats().bad_metadata
    };
    assert_eq!(check(&mut rig), 0);
    rig.disk.rot(layout().map_slot(1).offset() + CELL_BYTES + 8_000, 4);
    assert_eq!(check(&mut rig), 1);
    keep(&mut rig, order(1, 2), &body(2, 9_000));
    assert_eq!(check(&mut rig), 1);
    let kept: Vec<MapOrder> =
        slots(&rig.disk.settle()).into_iter().map(|(order, _)| order).collect();
    assert_eq!(kept, [order(1, 1), order(1, 2)]);
}

#[test]
fn a_small_disk_keeps_none() {
    assert_eq!(Layout::choose(MAP_DEVICE_BYTES_MIN - 4096).expect("large").map_bytes_max(), 0);
    assert_eq!(layout().map_bytes_max(), 60 << 10);
}
