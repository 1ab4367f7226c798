//! A scrub finds every damaged cell that anything relies on; repairs bring back what was there.

use std::collections::BTreeSet;

use bytes::Bytes;
use shoal_types::checksum::block_crc;
use shoal_types::{StoreError, StoreOp};

use super::disk::{Disk, Image};
use super::model::{Model, Value, fill};
use super::rig::{DISK_BYTES, Rig, formatted, recover};
use super::rng::{Rng, effort};
use super::snapshot::identify;
use super::workload::{Workload, pg_of};
use crate::index::Place;
use crate::{BadBlock, Scrub, ScrubFigures, ScrubStep};

/// Tokens of scrubs, far above those of a rig's reads.
const SCRUB_TOKENS: u64 = 1 << 50;

/// A store that worked for a while and is at rest, all of it folded.
fn worked(seed: u64, rng: &mut Rng) -> Rig {
    let mut rig = if seed.is_multiple_of(2) { Rig::fresh(rng) } else { Rig::crowded(300, rng) };
    let mut workload = Workload::new();
    for i in 0..250 {
        let op = workload.next(rng);
        rig.submit(op);
        if i % 100 == 60 {
            rig.store.checkpoint();
        }
        while rig.outstanding() > 3 && rig.step(rng) {}
    }
    rig.settle(rng);
    rig.store.fold();
    rig.store.checkpoint();
    rig.settle(rng);
    rig
}

fn scrub(rig: &mut Rig, rng: &mut Rng) -> (BTreeSet<BadBlock>, ScrubFigures) {
    let mut scrub = Scrub::new(None, 0, SCRUB_TOKENS);
    let mut bad = BTreeSet::new();
    loop {
        match scrub.step(0, &mut rig.store) {
            ScrubStep::CheckMetadata { token } => rig.store.check_metadata(token),
            ScrubStep::Read { token, op } => rig.store.submit(token, op),
            ScrubStep::Done => break,
            ScrubStep::Wait { .. } => drop(rig.step(rng)),
        }
        rig.drain();
        let done: Vec<u64> = rig.replies.keys().copied().filter(|t| scrub.is_own(*t)).collect();
        for token in done {
            let result = rig.replies.remove(&token).expect("just seen");
            bad.extend(scrub.on_done(token, &result, &mut rig.store));
        }
    }
    rig.settle(rng);
    (bad, scrub.figures())
}

/// What a cell holds for the store.
enum Holds {
    Block(BadBlock),
    Metadata,
    Nothing,
}

fn holds(rig: &Rig, cell: u64) -> Holds {
    let state = &rig.store.state;
    for pg in state.index.pgs().collect::<Vec<_>>() {
        for entry in state.index.pages_of(pg).flat_map(|page| page.entries()) {
            let Some(bit) = entry.places.iter().position(|p| *p == Place::Cell(cell)) else {
                continue;
            };
            let live = state.tables.live_pg(pg).zip(state.tables.layer(entry.key.layer));
            return match live.filter(|(_, layer)| !layer.deleted) {
                Some((row, layer)) => {
                    let block = u64::from(entry.key.chunk) * 32 + bit as u64;
                    Holds::Block(BadBlock { pg: row.pg, layer: layer.layer, block })
                }
                None => Holds::Nothing,
            };
        }
    }
    let pages = state.index.all().filter_map(|(_, page)| page.stored.map(|s| s.0));
    let roots = (0..2).map(|copy| rig.store.layout.root_copy(rig.store.root_generation, copy));
    let mut metadata: Vec<u64> = pages.chain(roots.map(|region| region.first)).collect();
    metadata.extend([0, rig.store.layout.device_cells - 1]);
    if metadata.contains(&cell) { Holds::Metadata } else { Holds::Nothing }
}

/// Damages some cells, each in one of the ways a disk lies; says what they held.
fn damage(rig: &mut Rig, count: usize, rng: &mut Rng) -> (BTreeSet<BadBlock>, u64) {
    let layout = rig.store.layout;
    let mut candidates: Vec<u64> = (layout.cells.first..layout.cells.end()).collect();
    candidates.extend([0, layout.device_cells - 1]);
    let root = layout.root_copy(rig.store.root_generation, rng.below(2));
    candidates.push(root.first);
    let (mut blocks, mut metadata, mut hit) = (BTreeSet::new(), 0, BTreeSet::new());
    while hit.len() < count {
        let cell = match rng.below(8) {
            0 => candidates[candidates.len() - 1 - rng.below(3) as usize],
            _ => candidates[rng.below(candidates.len() as u64) as usize],
        };
        let held = holds(rig, cell);
        if matches!(held, Holds::Nothing) || !hit.insert(cell) {
            continue;
        }
        match rng.below(4) {
            0 => rig.disk.misplace(cell, None),
            1 => rig.disk.misplace(
                cell,
                Some(if cell == layout.cells.first { cell + 1 } else { layout.cells.first }),
            ),
            _ => rig.disk.rot(cell * 4096 + rng.below(60), 1 << rng.below(8)),
        }
        match held {
            Holds::Block(block) => drop(blocks.insert(block)),
            _ => metadata += 1,
        }
    }
    (blocks, metadata)
}

fn truth(model: &Model, bad: BadBlock) -> Bytes {
    match model.blocks[&(bad.layer, bad.block)].1.value {
        Value::Data(seed) => Bytes::from(fill(seed)),
        Value::Zero => panic!("zeros have no cell"),
    }
}

fn repair_op(bad: BadBlock, data: Bytes) -> StoreOp {
    let BadBlock { pg, layer, block } = bad;
    let crc = block_crc(layer, block, &data);
    StoreOp::Repair { pg, layer, block, data, crc }
}

/// The store still holds what the model says, here and after a start.
fn holds_all(mut rig: Rig, model: &Model, rng: &mut Rng) {
    let blank = || Disk::new(Image::blank(0));
    let before = Rig::new(blank(), Rig::fresh(rng).store, model.clone());
    identify(&mut rig, &before, rng).unwrap_or_else(|why| panic!("{why}"));
    let image = std::mem::replace(&mut rig.disk, blank()).settle();
    let (disk, store) = recover(Disk::new(image), rng, |_, _| {});
    let mut again = Rig::new(disk, store.expect("metadata was mended").0, model.clone());
    identify(&mut again, &before, rng).unwrap_or_else(|why| panic!("after a start: {why}"));
}

#[test]
fn every_damaged_cell_is_found_and_mended() {
    for seed in 0..12 * effort() {
        let mut rng = Rng::new(seed + 400);
        let mut rig = worked(seed, &mut rng);
        let model = rig.model_at(rig.ops.len());
        let (bad, figures) = scrub(&mut rig, &mut rng);
        assert!(bad.is_empty() && figures.bad_metadata == 0, "seed {seed}: sound, yet {figures:?}");
        assert_eq!(figures.blocks_checked, figures.blocks_total);
        let (blocks, metadata) = damage(&mut rig, 12, &mut rng);
        let (mut found, figures) = scrub(&mut rig, &mut rng);
        // What fills the disk of a crowded store is not the model's.
        let (known, filler) =
            found.iter().partition(|b| model.blocks.contains_key(&(b.layer, b.block)));
        let (_, filler): (BTreeSet<BadBlock>, BTreeSet<BadBlock>) = (known, filler);
        assert_eq!(found, blocks, "seed {seed}");
        assert_eq!(figures.bad_metadata, metadata, "seed {seed}");
        found.retain(|b| !filler.contains(b));
        for bad in &found {
            let wrong = rig.read(repair_op(*bad, Bytes::from(fill(1 << 60))), &mut rng);
            assert_eq!(wrong, Err(StoreError::BadBlock { block: bad.block }), "other bytes");
            let op = repair_op(*bad, truth(&model, *bad));
            assert!(rig.read(op, &mut rng).is_ok(), "seed {seed}: {bad:?}");
        }
        rig.store.fold();
        rig.settle(&mut rng);
        let (left, figures) = scrub(&mut rig, &mut rng);
        assert_eq!(left, filler, "seed {seed}: all that could be repaired was");
        assert_eq!(figures.bad_metadata, 0, "seed {seed}: metadata was written anew");
        holds_all(rig, &model, &mut rng);
    }
}

/// A store that a newer version has written to: what this one does not know stays.
#[test]
fn a_mended_superblock_keeps_what_is_not_understood() {
    let mut rng = Rng::new(31);
    let mut image = formatted(DISK_BYTES);
    let last = DISK_BYTES - 4096;
    let mut newer = image.read(0, 4096).to_vec();
    // Minor version, an unknown compatible feature, the generation, and a field behind those we know.
    for at in [14, 33, 88, 300] {
        newer[at] += 4;
    }
    newer[8..12].fill(0);
    let crc = shoal_types::checksum::crc32c(&newer);
    newer[8..12].copy_from_slice(&crc.to_le_bytes());
    image.write(0, &newer);
    image.write(last, &newer);
    let (disk, store) = recover(Disk::new(image), &mut rng, |_, _| {});
    let mut rig = Rig::new(disk, store.expect("compatible").0, Model::default());
    for copy in [0, last] {
        rig.disk.rot(copy + 500, 1);
        assert_eq!(scrub(&mut rig, &mut rng).1.bad_metadata, 1);
    }
    let image = rig.disk.settle();
    for copy in [0, last] {
        assert!(image.read(copy, 4096) == newer, "byte by byte");
    }
}

/// Power is lost at any moment of a repair: the block stays bad or is whole, and is never another.
#[test]
fn a_crash_in_a_repair_leaves_the_old_block_or_the_damage() {
    for seed in 0..20 * effort() {
        let mut rng = Rng::new(seed + 900);
        let mut rig = worked(0, &mut rng);
        let model = rig.model_at(rig.ops.len());
        let (bad, _) = damage(&mut rig, 6, &mut rng);
        for block in &bad {
            rig.ask(repair_op(*block, truth(&model, *block)));
        }
        rig.store.fold();
        for _ in 0..rng.below(40) {
            rig.step(&mut rng);
        }
        let cut = Disk::new(rig.disk.power_cut(&mut rng));
        let (disk, outcome) = recover(cut, &mut rng, |_, _| {});
        // Metadata was damaged, too: then a start refuses, which is right.
        let Ok((store, _)) = outcome else { continue };
        let mut rig = Rig::new(disk, store, model.clone());
        for block in &bad {
            let op = repair_op(*block, truth(&model, *block));
            assert!(rig.read(op, &mut rng).is_ok(), "seed {seed}: {block:?}");
        }
        rig.settle(&mut rng);
        assert!(scrub(&mut rig, &mut rng).0.is_empty());
        holds_all(rig, &model, &mut rng);
    }
}

/// A write that comes while the repair is under way wins, whatever the order of the disk's answers.
#[test]
fn a_repair_never_goes_over_a_newer_write() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed + 1300);
        let mut rig = worked(0, &mut rng);
        let model = rig.model_at(rig.ops.len());
        let bad = loop {
            if let Some(bad) = damage(&mut rig, 1, &mut rng).0.pop_first() {
                break bad;
            }
        };
        let repair = rig.ask(repair_op(bad, truth(&model, bad)));
        for _ in 0..rng.below(4) {
            rig.step(&mut rng);
        }
        let (volume, pg, layer, block) =
            (model.layers[&bad.layer], pg_of(bad.block), bad.layer, bad.block);
        let version = shoal_types::Version::new(900, 1);
        let body = super::workload::data(layer, block, &[777_777]);
        let (stamp, watermark) = (shoal_types::PgEpoch(90), None);
        rig.submit(StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body });
        rig.settle(&mut rng);
        assert!(rig.replies.remove(&repair).is_some(), "a repair is always answered");
        let now = rig.model_at(rig.ops.len());
        assert_eq!(now.blocks[&(layer, block)].1.value, Value::Data(777_777));
        rig.store.fold();
        rig.settle(&mut rng);
        assert!(scrub(&mut rig, &mut rng).0.is_empty());
        let read = StoreOp::Read { pg, layer, block, blocks: 1 };
        let shoal_types::StoreReply::Blocks(blocks) = rig.read(read, &mut rng).expect("sound")
        else {
            panic!("a read is answered with blocks")
        };
        let shoal_types::BlockState::Data { data, .. } = &blocks[0] else { panic!("data") };
        assert_eq!(super::model::seed_of(data), 777_777, "seed {seed}");
    }
}

/// A lost checksum page makes every block under it bad; equal copies elsewhere vouch for all of them.
#[test]
fn a_lost_checksum_page_is_rebuilt_from_other_copies() {
    let mut rng = Rng::new(77);
    let mut rig = worked(0, &mut rng);
    let model = rig.model_at(rig.ops.len());
    let (number, (cell, _)) = rig.store.state.crcs.pages().next().expect("a page is stored");
    rig.disk.rot(cell * 4096 + 100, 8);
    // A start: nothing is left of it in memory.
    let image = std::mem::replace(&mut rig.disk, Disk::new(Image::blank(0))).settle();
    let (disk, outcome) = recover(Disk::new(image), &mut rng, |_, _| {});
    let mut rig = Rig::new(disk, outcome.expect("data can still be served").0, model.clone());
    let (bad, figures) = scrub(&mut rig, &mut rng);
    assert_eq!(figures.bad_metadata, 1);
    let under = |b: &BadBlock| matches!(held_by(&rig, *b), Some(c) if c / 1024 == number);
    assert!(bad.len() > 10 && bad.iter().all(under), "{} blocks lost their checksums", bad.len());
    for block in &bad {
        let wrong = rig.read(repair_op(*block, Bytes::from(fill(1 << 60))), &mut rng);
        assert_eq!(wrong, Err(StoreError::BadBlock { block: block.block }), "other bytes");
        let op = repair_op(*block, truth(&model, *block));
        assert!(rig.read(op, &mut rng).is_ok(), "{block:?}");
    }
    rig.store.checkpoint();
    rig.settle(&mut rng);
    assert!(scrub(&mut rig, &mut rng).0.is_empty());
    holds_all(rig, &model, &mut rng);
}

/// The cell that the index gives a block.
fn held_by(rig: &Rig, at: BadBlock) -> Option<u64> {
    let state = &rig.store.state;
    let (pg, layer) = state.tables.pg_number(at.pg).zip(state.tables.live_layer(at.layer))?;
    match state.index.find(pg, layer, at.block)?.place {
        Place::Cell(cell) => Some(cell),
        _ => None,
    }
}
