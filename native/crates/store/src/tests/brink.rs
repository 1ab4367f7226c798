//! At the brink of a full disk: overwrites, discards and large writes that race with folds. Space is
//! decided at admission alone, so a fold always finds its cells, and an overwrite always goes in.

use shoal_types::message::{BlockState, Body};
use shoal_types::{
    CopyItem, LayerId, PgEpoch, PgId, StoreError, StoreOp, StoreReply, Version, VolumeId,
};

use super::model::{Value, seed_of};
use super::rig::Rig;
use super::rng::{Rng, effort};
use super::workload::data;
use crate::planted::{Bug, plant};

const VOLUME: VolumeId = VolumeId(1);
const LAYER: LayerId = LayerId(10);
const PG: PgId = PgId::new(1, 0);

struct Brink {
    rig: Rig,
    rng: Rng,
    seq: u64,
    /// Blocks that the fill wrote.
    filled: u64,
}

impl Brink {
    /// Filled until a single block is refused, and folded.
    fn full(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::fresh(&mut rng);
        rig.submit(StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        rig.settle(&mut rng);
        let mut brink = Self { rig, rng, seq: 0, filled: 0 };
        for step in [32, 1] {
            while brink.write_now(brink.filled, step) == Ok(()) {
                brink.filled += step;
            }
        }
        brink.fold_all();
        brink
    }

    fn op(&mut self, block: u64, body: Body) -> StoreOp {
        self.seq += 1;
        let version = Version::new(1, self.seq);
        let watermark = Some(Version::new(1, self.seq - 1));
        let (pg, layer, stamp) = (PG, LAYER, PgEpoch(1));
        StoreOp::Write { volume: VOLUME, pg, layer, block, version, stamp, watermark, body }
    }

    fn write(&mut self, block: u64, blocks: u64) {
        let seeds: Vec<u64> = (0..blocks).map(|i| (self.seq << 16) | (block + i)).collect();
        let op = self.op(block, data(LAYER, block, &seeds));
        self.rig.submit(op);
    }

    fn zero(&mut self, block: u64, blocks: u64) {
        let op = self.op(block, Body::Zero { blocks: blocks as u32 });
        self.rig.submit(op);
    }

    fn write_now(&mut self, block: u64, blocks: u64) -> Result<(), StoreError> {
        self.write(block, blocks);
        self.settle();
        self.rig.ops.last().expect("just submitted").1.expect("at rest")
    }

    fn settle(&mut self) {
        self.rig.settle(&mut self.rng);
    }

    fn fold_all(&mut self) {
        self.rig.store.fold();
        self.settle();
    }

    fn step(&mut self) -> bool {
        self.rig.step(&mut self.rng)
    }
}

/// Overwrites that were admitted while their blocks had cells, discards before them in the log, and
/// a large write that takes what the fold of the discards gives back.
#[test]
fn cells_of_an_admitted_overwrite_are_not_given_away() {
    for seed in 0..20 {
        let mut b = Brink::full(seed);
        b.zero(0, 240);
        b.settle();
        // The oldest command of the disk comes last: this write stays in flight.
        b.rig.disk.lags = true;
        b.write(1000, 1);
        for first in (0..240).step_by(15) {
            b.write(first, 15);
        }
        b.rig.store.fold();
        for _ in 0..400 {
            if b.rig.disk.out_count() < 2 || !b.step() {
                break;
            }
        }
        for i in 0..8 {
            b.write(4096 + i * 32, 32);
        }
        b.settle();
        b.fold_all();
        b.rig.store.checkpoint();
        b.settle();
    }
}

/// Most ops in the queue at once.
const QUEUE_MAX: usize = 40;

/// One op on a few chunks: mostly overwrites of what is there, discards, large writes, copies.
fn random_op(b: &mut Brink) -> StoreOp {
    let block = b.rng.below(320);
    let most = if b.rng.one_in(4) { 32 } else { 15 };
    let blocks = 1 + b.rng.below(most);
    match b.rng.below(20) {
        0..9 => {
            let seeds: Vec<u64> = (0..blocks).map(|i| (b.seq << 16) | i).collect();
            b.op(block, data(LAYER, block, &seeds))
        }
        9..15 => b.op(block, Body::Zero { blocks: blocks as u32 }),
        15..17 => copy(b, block, blocks),
        17..19 => {
            // Beyond what is filled: takes what discards gave back.
            let far = 4096 + b.rng.below(512);
            let seeds: Vec<u64> = (0..32).map(|i| (b.seq << 16) | i).collect();
            b.op(far, data(LAYER, far, &seeds))
        }
        _ => {
            let far = 4096 + b.rng.below(512);
            b.op(far, Body::Zero { blocks: 200 })
        }
    }
}

/// Some blocks absent, some zeros, some data; now and then one block twice.
fn copy(b: &mut Brink, block: u64, blocks: u64) -> StoreOp {
    b.seq += 1;
    let version = Version::new(1, b.seq);
    let twice = b.rng.one_in(4);
    let items = (0..blocks).flat_map(|i| [i; 2].into_iter().take(1 + usize::from(twice)));
    let items: Vec<CopyItem> = items
        .map(|i| {
            let block = block + i;
            let state = match b.rng.below(4) {
                0 => BlockState::Absent,
                1 => BlockState::Zero,
                _ => {
                    let Body::Data { data, crcs, .. } = data(LAYER, block, &[(b.seq << 16) | i])
                    else {
                        unreachable!("data of one block")
                    };
                    BlockState::Data { data, crc: crcs[0] }
                }
            };
            CopyItem { block, version, stamp: PgEpoch(1), state }
        })
        .collect();
    StoreOp::Copy { volume: VOLUME, pg: PG, layer: LAYER, items }
}

/// The store asserts that no fold lacks a cell; here, that it says no only to who needs one, holds
/// what it took, and that nothing leaks.
fn random_walk(seed: u64) {
    let mut b = Brink::full(seed);
    let room = 8 * (seed % 4);
    if room > 0 {
        b.zero(320, room);
        b.settle();
        b.fold_all();
    }
    for round in 0..12 {
        b.rig.disk.lags = b.rng.one_in(2);
        for _ in 0..60 {
            let op = random_op(&mut b);
            b.rig.submit(op);
            if b.rng.one_in(6) {
                b.rig.store.fold();
            }
            if b.rng.one_in(20) {
                b.rig.store.checkpoint();
            }
            let queue = b.rng.below(QUEUE_MAX as u64) as usize;
            while b.rig.outstanding() > queue && b.step() {}
            for _ in 0..b.rng.below(4) {
                b.step();
            }
        }
        b.settle();
        check(&mut b);
        overwrites_always_go_in(&mut b);
        if round % 4 == 3 {
            b.fold_all();
            b.rig.store.checkpoint();
            b.settle();
        }
    }
}

fn check(b: &mut Brink) {
    let model = b.rig.model_at(b.rig.ops.len());
    for block in (0..320 + 64).chain(4096..4096 + 600).step_by(8) {
        let op = StoreOp::Read { pg: PG, layer: LAYER, block, blocks: 8 };
        let reply = b.rig.read(op, &mut b.rng).expect("nothing is damaged");
        let StoreReply::Blocks(states) = reply else { panic!("{reply:?}") };
        for (state, block) in states.into_iter().zip(block..) {
            let now = match state {
                BlockState::Absent => None,
                BlockState::Zero => Some(Value::Zero),
                BlockState::Data { data, .. } => Some(Value::Data(seed_of(&data))),
            };
            let then = model.blocks.get(&(LAYER, block)).map(|(_, held)| held.value);
            assert_eq!(now, then, "block {block}");
        }
    }
}

/// At rest: whatever holds data takes other data, folded or not, on the fullest disk.
fn overwrites_always_go_in(b: &mut Brink) {
    let model = b.rig.model_at(b.rig.ops.len());
    let held = |block: u64| matches!(model.blocks.get(&(LAYER, block)), Some((_, h)) if h.value != Value::Zero);
    for _ in 0..6 {
        let block = b.rng.below(320);
        let blocks = (block..block + 15).take_while(|block| held(*block)).count() as u64;
        if blocks > 0 {
            assert_eq!(b.write_now(block, blocks), Ok(()), "an overwrite at {block}");
        }
    }
}

#[test]
fn at_the_brink_no_fold_lacks_a_cell_and_no_overwrite_is_refused() {
    for seed in 0..8 * effort() {
        random_walk(seed);
    }
}

/// The walk is worth something if it finds the bug that it is there for.
#[test]
fn the_walk_finds_space_that_is_promised_twice() {
    plant(Some(Bug::OverCommit));
    let found = (0..8).find(|seed| std::panic::catch_unwind(|| random_walk(*seed)).is_err());
    plant(None);
    assert!(found.is_some(), "over-commit goes unnoticed");
}
