//! Checksum pages that cannot be read when a checkpoint merges them.

use shoal_types::checksum::block_crc;
use shoal_types::message::BlockState;
use shoal_types::{LayerId, PgEpoch, PgId, StoreError, StoreOp, StoreReply, Version, VolumeId};

use super::disk::{Disk, Image};
use super::model::{Model, fill, seed_of};
use super::rig::{Rig, recover};
use super::rng::Rng;
use super::workload::data;
use crate::crc_table::CrcTable;

const VOLUME: VolumeId = VolumeId(1);
const LAYER: LayerId = LayerId(10);
const PG: PgId = PgId::new(1, 0);
/// Written before the start that forgets their checksums.
const BLOCKS: u64 = 256;

fn write(rig: &mut Rig, block: u64, blocks: u64, rng: &mut Rng) {
    let seeds: Vec<u64> = (block..block + blocks).collect();
    let body = data(LAYER, block, &seeds);
    let version = Version::new(1, rig.store.newest_version(VOLUME, PG).seq.0 + 1);
    let (volume, pg, layer, stamp, watermark) = (VOLUME, PG, LAYER, PgEpoch(1), None);
    rig.submit(StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body });
    rig.settle(rng);
}

fn started_again(mut rig: Rig, rng: &mut Rng) -> Rig {
    rig.store.fold();
    rig.settle(rng);
    rig.store.checkpoint();
    rig.settle(rng);
    let image = std::mem::replace(&mut rig.disk, Disk::new(Image::blank(0))).settle();
    let (disk, store) = recover(Disk::new(image), rng, |_, _| {});
    Rig::new(disk, store.expect("sound").0, Model::default())
}

/// A store that knows no checksum but one that is newer than its page; and the cell of that page.
fn with_a_newer_sum(rng: &mut Rng) -> (Rig, u64) {
    let mut rig = Rig::fresh(rng);
    rig.submit(StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
    for block in (0..BLOCKS).step_by(16) {
        write(&mut rig, block, 16, rng);
    }
    let mut rig = started_again(rig, rng);
    write(&mut rig, 3, 1, rng);
    rig.store.fold();
    rig.settle(rng);
    let changed = rig.store.state.crcs.dirty_pages();
    let [number] = changed[..] else { panic!("one page: {changed:?}") };
    let page = rig.store.state.crcs.page(number).expect("stored").0;
    (rig, page)
}

/// A checkpoint to its end, whatever it waits for; `at_step` comes between.
fn checkpoint(rig: &mut Rig, rng: &mut Rng, mut at_step: impl FnMut(&mut Rig)) {
    rig.store.checkpoint();
    rig.drain();
    loop {
        at_step(rig);
        if rig.step(rng) {
            continue;
        }
        if rig.store.is_idle() {
            return;
        }
        let due = rig.store.next_deadline().expect("it waits for something");
        rig.store.tick(due);
        rig.drain();
    }
}

fn read(rig: &mut Rig, block: u64, rng: &mut Rng) -> Result<u64, StoreError> {
    let reply = rig.read(StoreOp::Read { pg: PG, layer: LAYER, block, blocks: 1 }, rng)?;
    let StoreReply::Blocks(blocks) = reply else { panic!("{reply:?}") };
    let BlockState::Data { data, .. } = &blocks[0] else { panic!("{blocks:?}") };
    Ok(seed_of(data))
}

fn bad_blocks(rig: &mut Rig, rng: &mut Rng) -> Vec<u64> {
    (0..BLOCKS).filter(|block| read(rig, *block, rng) != Ok(*block)).collect()
}

#[test]
fn a_page_that_is_readable_again_is_whole() {
    for failures in 1..5 {
        let mut rng = Rng::new(failures);
        let (mut rig, page) = with_a_newer_sum(&mut rng);
        rig.disk.unreadable = (page, failures as u32);
        checkpoint(&mut rig, &mut rng, |_| {});
        assert_eq!(rig.disk.unreadable.1, 0, "it was asked for");
        assert_eq!(bad_blocks(&mut rig, &mut rng), [0; 0], "after {failures} failures");
        assert_eq!(rig.store.stats().bad_blocks, 0);
    }
}

/// What memory has of it goes into the new page; the store goes on.
#[test]
fn of_a_page_that_stays_unreadable_the_cache_is_kept() {
    let mut rng = Rng::new(7);
    let (mut rig, page) = with_a_newer_sum(&mut rng);
    let cached: Vec<u64> =
        (0..64).filter(|block| read(&mut rig, *block, &mut rng).is_ok()).collect();
    assert_eq!(cached.len(), 64);
    rig.disk.unreadable = (page, u32::MAX);
    checkpoint(&mut rig, &mut rng, |_| {});
    let mut rig = started_again(rig, &mut rng);
    let bad = bad_blocks(&mut rig, &mut rng);
    assert!(!bad.is_empty() && bad.iter().all(|block| *block >= 64), "{bad:?}");
}

/// A checksum that a repair gives back while its page's image is on its way is in the next image.
#[test]
fn a_repaired_checksum_outlives_the_checkpoint_that_it_met() {
    for at in 0..30 {
        let mut rng = Rng::new(at);
        let (mut rig, page) = with_a_newer_sum(&mut rng);
        rig.disk.unreadable = (page, u32::MAX);
        checkpoint(&mut rig, &mut rng, |_| {});
        rig.disk.unreadable = (0, 0);
        let bad = bad_blocks(&mut rig, &mut rng)[0];
        let number = held_page(&rig, bad);
        write(&mut rig, 3, 1, &mut rng);
        rig.store.fold();
        rig.settle(&mut rng);
        assert_eq!(rig.store.state.crcs.dirty_pages(), [number]);
        let bytes = bytes::Bytes::from(fill(bad));
        let crc = block_crc(LAYER, bad, &bytes);
        let (mut step, mut repair) = (0, None);
        checkpoint(&mut rig, &mut rng, |rig| {
            if step == at {
                let data = bytes.clone();
                let op = StoreOp::Repair { pg: PG, layer: LAYER, block: bad, data, crc };
                repair = Some(rig.ask(op));
            }
            step += 1;
        });
        let Some(repair) = repair else { continue };
        assert_eq!(rig.replies.remove(&repair), Some(Ok(StoreReply::Done)));
        let mut rig = started_again(rig, &mut rng);
        assert_eq!(read(&mut rig, bad, &mut rng), Ok(bad), "repaired at step {at}");
    }
}

/// The checksum page that covers the block.
fn held_page(rig: &Rig, block: u64) -> u64 {
    let state = &rig.store.state;
    let (pg, layer) =
        state.tables.pg_number(PG).zip(state.tables.live_layer(LAYER)).expect("known");
    match state.index.find(pg, layer, block).expect("written").place {
        crate::index::Place::Cell(cell) => CrcTable::page_number(cell),
        other => panic!("{other:?}"),
    }
}
