//! Leaks: every cell that is not free has one owner, and at rest a store holds as many blocks as the
//! model says, however much was written, discarded, deleted and cut short before.

use std::collections::BTreeMap;

use super::disk::{Disk, Image};
use super::model::{Model, Value};
use super::rig::{DISK_BYTES, Rig, recover};
use super::rng::{Rng, effort};
use super::snapshot::identify;
use super::workload::Workload;
use crate::dirty::Content;

/// Whoever uses cells, each with what for. `Err`: two use the same, or some are used by nobody.
pub fn owners(rig: &Rig) -> Result<BTreeMap<u64, &'static str>, String> {
    let state = &rig.store.state;
    let entries = state.index.pgs().flat_map(|pg| state.index.pages_of(pg));
    let data = entries.flat_map(|page| page.entries()).flat_map(|e| e.cells().collect::<Vec<_>>());
    let pages = state.index.all().filter_map(|(_, page)| page.stored.map(|(cell, _)| cell));
    let sums = state.crcs.pages().map(|(_, (cell, _))| cell);
    let dirty = state.dirty.chunks().flat_map(|(_, chunk)| chunk.iter());
    let direct = dirty.filter_map(|(_, block)| match block.content {
        Content::Direct { cell, .. } => Some(cell),
        _ => None,
    });
    let all = data.map(|cell| (cell, "data"));
    let all = all.chain(pages.map(|cell| (cell, "index page")));
    let all = all.chain(sums.map(|cell| (cell, "checksum page")));
    let all = all.chain(state.retired.iter().map(|cell| (*cell, "retired page")));
    let mut owners = BTreeMap::new();
    for (cell, what) in all.chain(direct.map(|cell| (cell, "direct write"))) {
        if let Some(other) = owners.insert(cell, what) {
            return Err(format!("cell {cell} is a {what} and a {other}"));
        }
    }
    let used = rig.store.layout.cells.cells - state.space.free();
    let known = owners.len() as u64 + state.space.waiting();
    if used != known {
        return Err(format!("{used} cells are used, {known} of them by somebody"));
    }
    Ok(owners)
}

/// Folded and purged: nothing but data of the model (and what filled the disk beforehand), and pages.
fn empties_out(rig: &mut Rig, model: &Model, filler: u64, rng: &mut Rng) {
    for _ in 0..2 {
        rig.store.fold();
        rig.settle(rng);
        rig.store.checkpoint();
        rig.settle(rng);
    }
    let owners = owners(rig).unwrap_or_else(|why| panic!("{why}"));
    let count = |what: &str| owners.values().filter(|of| **of == what).count() as u64;
    let is_data = |held: &&super::model::Held| matches!(held.value, Value::Data(_));
    let blocks = model.blocks.values().map(|(_, held)| held).filter(is_data).count() as u64;
    assert_eq!(count("data"), blocks + filler, "blocks of data");
    assert_eq!(rig.store.stats().blocks_stored, blocks + filler, "as it says itself");
    assert_eq!((count("direct write"), count("retired page")), (0, 0), "everything is folded");
    assert_eq!(rig.store.state.space.waiting(), 0, "nothing names a cell any more");
    assert_eq!(rig.store.state.dirty.blocks(), 0);
}

fn run(seed: u64, steps: u64) {
    let mut rng = Rng::new(seed + 7_000);
    let mut rig = match seed % 3 {
        0 => Rig::fresh(&mut rng),
        kind => Rig::crowded(150 * kind, &mut rng),
    };
    let filler = rig.store.stats().blocks_stored + rig.store.state.dirty.blocks();
    let mut workload = Workload::new();
    for i in 0..steps {
        if rig.outstanding() < 8 {
            let op = workload.next(&mut rng);
            rig.submit(op);
        }
        match rng.below(40) {
            0 => rig.store.fold(),
            1 => rig.store.checkpoint(),
            _ => {}
        }
        for _ in 0..rng.below(4) {
            rig.step(&mut rng);
        }
        if i % 150 == 149 {
            rig = cut(rig, &mut rng);
        }
    }
    rig.settle(&mut rng);
    owners(&rig).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    let model = rig.model_at(rig.ops.len());
    empties_out(&mut rig, &model, filler, &mut rng);
}

/// Power is lost; what a start finds has an owner for every cell.
fn cut(mut before: Rig, rng: &mut Rng) -> Rig {
    let disk = std::mem::replace(&mut before.disk, Disk::new(Image::blank(DISK_BYTES)));
    let (disk, store) = recover(Disk::new(disk.power_cut(rng)), rng, |_, _| {});
    let mut rig = Rig::new(disk, store.expect("a disk that lost power").0, Model::default());
    owners(&rig).unwrap_or_else(|why| panic!("after a start: {why}"));
    rig.base = identify(&mut rig, &before, rng).unwrap_or_else(|why| panic!("{why}"));
    rig
}

#[test]
fn no_cell_is_ever_lost() {
    for seed in 0..20 * effort() {
        run(seed, 600);
    }
}

/// The check is worth something if it sees a cell that nobody owns.
#[test]
fn a_lost_cell_is_seen() {
    let mut rng = Rng::new(1);
    let mut rig = Rig::fresh(&mut rng);
    assert!(owners(&rig).is_ok());
    rig.store.state.space.allocate(1).expect("an empty disk");
    assert!(owners(&rig).is_err());
}
