//! Long random runs against the model, with folds, checkpoints and clean restarts.

use shoal_types::message::BlockState;
use shoal_types::{LayerId, StoreError, StoreOp, StoreReply};

use super::disk::Disk;
use super::model::{Model, Value, seed_of};
use super::rig::{Rig, recover};
use super::rng::{Rng, effort};
use super::snapshot::identify;
use super::workload::{BLOCKS, Workload, pg_of};

fn run(seed: u64, ops: u64) {
    let mut rng = Rng::new(seed);
    let mut rig = match seed % 3 {
        0 => Rig::crowded(120 + seed * 20, &mut rng),
        _ => Rig::fresh(&mut rng),
    };
    let mut workload = Workload::new();
    let mut reads = Vec::new();
    for i in 0..ops {
        let op = workload.next(&mut rng);
        rig.submit(op);
        match rng.below(40) {
            0 => rig.store.fold(),
            1 => rig.store.checkpoint(),
            _ => {}
        }
        if rng.one_in(3) {
            reads.push(Asked::new(&mut rig, &mut rng, &workload));
        }
        while rig.outstanding() > rng.below(12) as usize && rig.step(&mut rng) {}
        if i % 50 == 49 {
            rig.settle(&mut rng);
            reads.drain(..).for_each(|read: Asked| read.check(&mut rig));
            rig = compare(rig, &mut rng, i % 100 == 99);
        }
    }
}

/// A read that runs while writes, folds and checkpoints do.
struct Asked {
    token: u64,
    ops: usize,
    layer: LayerId,
    block: u64,
}

impl Asked {
    fn new(rig: &mut Rig, rng: &mut Rng, workload: &Workload) -> Self {
        let (layer, _) = workload.layers[rng.below(workload.layers.len() as u64) as usize];
        let block = rng.below(BLOCKS);
        let blocks = (1 + rng.below(20)).min(64 - block % 64) as u32;
        let ops = rig.ops.len();
        let token = rig.ask(StoreOp::Read { pg: pg_of(block), layer, block, blocks });
        Self { token, ops, layer, block }
    }

    /// Each block is as some moment since the read was asked for would have it.
    fn check(self, rig: &mut Rig) {
        let reply = rig.replies.remove(&self.token).expect("at rest every read is answered");
        let moments: Vec<Model> = (self.ops..=rig.ops.len()).map(|n| rig.model_at(n)).collect();
        let StoreReply::Blocks(blocks) = (match reply {
            Err(StoreError::NoLayer) => {
                assert!(moments.iter().any(|m| {
                    m.deleted.contains(&self.layer) || !m.layers.contains_key(&self.layer)
                }));
                return;
            }
            other => other.expect("nothing is damaged"),
        }) else {
            panic!("a read is answered with blocks")
        };
        for (state, block) in blocks.into_iter().zip(self.block..) {
            let now = match state {
                BlockState::Absent => None,
                BlockState::Zero => Some(Value::Zero),
                BlockState::Data { data, .. } => Some(Value::Data(seed_of(&data))),
            };
            let key = (self.layer, block);
            let mut then = moments.iter().map(|m| m.blocks.get(&key).map(|(_, h)| h.value));
            assert!(then.any(|value| value == now), "{key:?} was never {now:?}");
        }
    }
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
