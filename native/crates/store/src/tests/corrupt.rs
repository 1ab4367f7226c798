//! Damage anywhere on the disk: never wrong bytes; an error or a refusal instead.

use std::collections::BTreeMap;

use shoal_types::{LayerId, StoreError};

use super::disk::{Disk, Image};
use super::model::Model;
use super::rig::{DISK_BYTES, Rig, recover};
use super::rng::{Rng, effort};
use super::snapshot::Snapshot;
use super::workload::Workload;

/// A disk with something of everything on it, cleanly left, and what it holds.
fn prepared(seed: u64) -> (Image, Model) {
    let mut rng = Rng::new(seed);
    let mut rig = Rig::fresh(&mut rng);
    let mut workload = Workload::new();
    for i in 0..300 {
        let op = workload.next(&mut rng);
        rig.submit(op);
        if i == 150 {
            rig.store.checkpoint();
        }
        while rig.outstanding() > 3 && rig.step(&mut rng) {}
    }
    rig.settle(&mut rng);
    let model = rig.model_at(rig.ops.len());
    let disk = std::mem::replace(&mut rig.disk, Disk::new(Image::blank(0)));
    (disk.settle(), model)
}

/// Cells that hold anything: damage elsewhere proves nothing.
fn used_cells(image: &Image) -> Vec<u64> {
    let cells = 0..DISK_BYTES / 4096;
    cells.filter(|c| image.read(c * 4096, 4096).iter().any(|b| *b != 0)).collect()
}

/// What came of one damaged disk.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    BadBlock,
    /// The damage lies where nothing reads, or looks like a torn end of the log.
    Unseen,
}

fn open_damaged(image: Image, model: &Model, rng: &mut Rng) -> Outcome {
    let (disk, outcome) = recover(Disk::new(image), rng, |_, _| {});
    let Ok((store, _)) = outcome else { return Outcome::Refused };
    let mut rig = Rig::new(disk, store, model.clone());
    let layers: Vec<LayerId> = model.layers.keys().copied().collect();
    match Snapshot::take(&mut rig, &layers, rng) {
        Err(StoreError::BadBlock { .. }) => Outcome::BadBlock,
        Err(other) => panic!("{other:?}"),
        Ok(snapshot) => {
            // Only the last batch may be missing: nothing tells it from a torn one.
            let older = snapshot.blocks.iter().filter(|(key, now)| {
                model.blocks.get(key).is_none_or(|(_, held)| held.value != now.value)
            });
            let lost =
                model.blocks.len() + older.count() - snapshot.blocks.len().min(model.blocks.len());
            assert!(lost <= 64, "{lost} blocks are not what was written");
            Outcome::Unseen
        }
    }
}

#[test]
fn no_damage_gives_wrong_bytes() {
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for seed in 0..3 {
        let (image, model) = prepared(seed);
        let used = used_cells(&image);
        let mut rng = Rng::new(seed + 77);
        for _ in 0..250 * effort() {
            let mut damaged = image.clone();
            let cell = used[rng.below(used.len() as u64) as usize];
            match rng.below(4) {
                // A lost write: what was there before, or nothing.
                0 => damaged.write(cell * 4096, &[0; 4096]),
                // A misdirected one.
                1 => {
                    let other = used[rng.below(used.len() as u64) as usize];
                    damaged.write(cell * 4096, &image.read(other * 4096, 4096));
                }
                _ => damaged.flip(cell * 4096 + rng.below(4096), 1 << rng.below(8)),
            }
            *outcomes.entry(open_damaged(damaged, &model, &mut rng)).or_default() += 1;
        }
    }
    eprintln!("{outcomes:?}");
    assert!(outcomes[&Outcome::Refused] > 0 && outcomes[&Outcome::BadBlock] > 0);
}

/// Whole regions of random bytes, with and without right magics: recovery refuses, never panics.
#[test]
fn random_bytes_are_refused() {
    let (image, _) = prepared(9);
    let used = used_cells(&image);
    let mut rng = Rng::new(4);
    for _ in 0..200 * effort() {
        let mut damaged = image.clone();
        for _ in 0..1 + rng.below(20) {
            let cell = used[rng.below(used.len() as u64) as usize];
            let from = rng.below(4096);
            for at in from..(from + 1 + rng.below(64)).min(4096) {
                damaged.flip(cell * 4096 + at, rng.next() as u8);
            }
        }
        let (_, outcome) = recover(Disk::new(damaged), &mut rng, |_, _| {});
        drop(outcome);
    }
}
