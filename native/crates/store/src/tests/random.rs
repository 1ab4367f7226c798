//! Long random runs against the model, with folds, checkpoints and clean restarts.

use super::disk::Disk;
use super::rig::{Rig, recover};
use super::rng::{Rng, effort};
use super::snapshot::identify;
use super::workload::Workload;

fn run(seed: u64, ops: u64) {
    let mut rng = Rng::new(seed);
    let mut rig = match seed % 3 {
        0 => Rig::crowded(120 + seed * 20, &mut rng),
        _ => Rig::fresh(&mut rng),
    };
    let mut workload = Workload::new();
    for i in 0..ops {
        let op = workload.next(&mut rng);
        rig.submit(op);
        match rng.below(40) {
            0 => rig.store.fold(),
            1 => rig.store.checkpoint(),
            _ => {}
        }
        while rig.outstanding() > rng.below(12) as usize && rig.step(&mut rng) {}
        if i % 50 == 49 {
            rig = compare(rig, &mut rng, rng_restart(i));
        }
    }
}

fn rng_restart(i: u64) -> bool {
    i % 100 == 99
}

/// At rest the store holds exactly what the model does, before and after a restart.
fn compare(mut rig: Rig, rng: &mut Rng, restart: bool) -> Rig {
    rig.settle(rng);
    let model = rig.model_at(rig.ops.len());
    let mut next = if restart {
        let image = std::mem::replace(&mut rig.disk, Disk::new(super::disk::Image::blank(0)));
        let (disk, store) = recover(Disk::new(image.settle()), rng, |_, _| {});
        Rig::new(disk, store.expect("an intact disk").0, model)
    } else {
        let disk = std::mem::replace(&mut rig.disk, Disk::new(super::disk::Image::blank(0)));
        let fresh = Rig::fresh(rng).store;
        Rig::new(disk, std::mem::replace(&mut rig.store, fresh), model)
    };
    if let Err(why) = identify(&mut next, &rig, rng) {
        panic!("{why}");
    }
    next.base = rig.model_at(rig.ops.len());
    next
}

#[test]
fn random_runs_agree_with_the_model() {
    for seed in 0..12 * effort() {
        run(seed, 600);
    }
}
