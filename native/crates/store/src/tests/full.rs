//! A full disk, a full log, and a disk that fails.

use shoal_types::message::Body;
use shoal_types::{
    LayerId, PgEpoch, PgId, Raise, StoreError, StoreOp, StoreReply, Version, VolumeId,
};

use super::disk::{Disk, Image};
use super::model::Model;
use super::rig::{Rig, recover};
use super::rng::Rng;
use super::workload::data;
use crate::{IoError, Output};

const VOLUME: VolumeId = VolumeId(1);
const LAYER: LayerId = LayerId(10);
const PG: PgId = PgId::new(1, 0);

struct Writer {
    rig: Rig,
    rng: Rng,
    seq: u64,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::fresh(&mut rng);
        rig.submit(StoreOp::OpenLayer { volume: VOLUME, layer: LAYER });
        rig.settle(&mut rng);
        Self { rig, rng, seq: 0 }
    }

    fn op(&mut self, layer: LayerId, block: u64, body: Body) -> StoreOp {
        self.seq += 1;
        let version = Version::new(1, self.seq);
        let watermark = Some(Version::new(1, self.seq - 1));
        let stamp = PgEpoch(1);
        StoreOp::Write { volume: VOLUME, pg: PG, layer, block, version, stamp, watermark, body }
    }

    fn write(&mut self, block: u64, blocks: u64, seed: u64) -> Result<(), StoreError> {
        let seeds: Vec<u64> = (seed..seed + blocks).collect();
        let op = self.op(LAYER, block, data(LAYER, block, &seeds));
        self.run(op)
    }

    fn zero(&mut self, block: u64, blocks: u32) -> Result<(), StoreError> {
        let op = self.op(LAYER, block, Body::Zero { blocks });
        self.run(op)
    }

    fn run(&mut self, op: StoreOp) -> Result<(), StoreError> {
        self.rig.submit(op);
        self.rig.settle(&mut self.rng);
        self.rig.ops.last().expect("just submitted").1.expect("at rest")
    }

    fn first_word(&mut self, block: u64) -> Option<u64> {
        let op = StoreOp::Read { pg: PG, layer: LAYER, block, blocks: 1 };
        let reply = self.rig.read(op, &mut self.rng).expect("readable");
        let StoreReply::Blocks(blocks) = reply else { panic!("{reply:?}") };
        match &blocks[0] {
            shoal_types::BlockState::Data { data, .. } => Some(super::model::seed_of(data)),
            _ => None,
        }
    }

    fn refusals(&self) -> u64 {
        let refused = |r: &&Option<_>| **r == Some(Err(StoreError::NoSpace));
        self.rig.ops.iter().map(|(_, result)| result).filter(refused).count() as u64
    }

    /// Writes until the store refuses; returns how many blocks it took.
    fn fill(&mut self, step: u64) -> u64 {
        let mut block = 0;
        loop {
            match self.write(block, step, block) {
                Ok(()) => block += step,
                Err(StoreError::NoSpace) => return block,
                Err(other) => panic!("{other:?}"),
            }
            assert!(block < 4096, "the disk has not that many cells");
        }
    }
}

#[test]
fn a_full_disk_refuses_writes_and_takes_everything_else() {
    for step in [1, 7, 32] {
        let mut w = Writer::new(step);
        let cells = w.rig.store.stats().cells_total;
        let filled = w.fill(step);
        assert!(filled * 10 > cells * 8, "{filled} of {cells} cells are usable");
        assert!(w.rig.store.free_blocks_soft() < step, "the head was told before");
        // An overwrite has its cells already.
        assert_eq!(w.write(3, 4.min(step), 7777), Ok(()));
        assert_eq!(w.first_word(3), Some(7777));
        // A discard needs none, and gives its own back.
        let used = w.rig.store.layer_usage(LAYER);
        assert_eq!(w.zero(64, 100), Ok(()));
        w.rig.store.fold();
        w.rig.settle(&mut w.rng);
        assert_eq!(w.rig.store.layer_usage(LAYER), used - 100);
        assert_eq!(w.write(70, 20, 5555), Ok(()));
        assert_eq!(w.first_word(70), Some(5555));
        assert_eq!(w.first_word(64), None);
        for block in (200..filled).step_by(50) {
            assert_eq!(w.first_word(block), Some(block), "block {block} is untouched");
        }
        assert_eq!(w.run(StoreOp::DeleteLayer { layer: LAYER }), Ok(()));
        w.rig.store.fold();
        w.rig.settle(&mut w.rng);
        let stats = w.rig.store.stats();
        assert!(stats.cells_free * 10 > cells * 9, "{} of {cells} came back", stats.cells_free);
        assert_eq!(w.write(0, 1, 1), Err(StoreError::NoLayer));
    }
}

/// Discards of what was never written: nothing is kept of them, however many there are, but the newest
/// version is as durable as that of a write.
#[test]
fn a_flood_of_clears_on_a_full_disk_takes_no_room() {
    let mut w = Writer::new(8);
    let filled = w.fill(32);
    w.rig.store.fold();
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    let before = w.rig.store.stats();
    w.rig.ops.clear();
    for chunk in 0..20_000 {
        let clear = w.op(LAYER, 10_000 + chunk * 32, Body::Clear { blocks: 32 });
        w.rig.submit(clear);
        while w.rig.outstanding() > 50 && w.rig.step(&mut w.rng) {}
        if w.rig.ops.len() > 1000 {
            w.rig.settle(&mut w.rng);
            let odd = w.rig.ops.iter().find(|op| op.1 != Some(Ok(())));
            assert_eq!(odd.map(|op| op.1), None);
            w.rig.ops.clear();
        }
    }
    w.rig.store.fold();
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    let after = w.rig.store.stats();
    assert_eq!((after.memory.index, after.cells_free), (before.memory.index, before.cells_free));
    assert_eq!(w.rig.store.newest_version(VOLUME, PG), Version::new(1, w.seq));
    // Where something is they are zeros like others.
    let used = w.rig.store.layer_usage(LAYER);
    let clear = w.op(LAYER, filled - 20, Body::Clear { blocks: 40 });
    assert_eq!(w.run(clear), Ok(()));
    assert_eq!((w.first_word(filled - 20), w.first_word(filled - 21)), (None, Some(filled - 21)));
    w.rig.store.fold();
    w.rig.settle(&mut w.rng);
    assert_eq!(w.rig.store.layer_usage(LAYER), used - 20);
}

/// Space that a discard is about to give back is waited for, not refused.
#[test]
fn a_write_behind_a_discard_waits_for_its_space() {
    let mut w = Writer::new(5);
    w.fill(32);
    let zero = w.op(LAYER, 0, Body::Zero { blocks: 200 });
    let seeds: Vec<u64> = (0..64).collect();
    let write = w.op(LAYER, 8192, data(LAYER, 8192, &seeds));
    w.rig.submit(zero);
    w.rig.submit(write);
    w.rig.settle(&mut w.rng);
    let results: Vec<_> = w.rig.ops.iter().rev().take(2).map(|op| op.1).collect();
    assert_eq!(results, [Some(Ok(())), Some(Ok(()))]);
}

/// Large overwrites take fresh cells before the old ones are free. Heads are told of the space that
/// is there in the end: a disk that is half empty says no to nobody.
#[test]
fn overwrites_do_not_make_a_disk_look_full() {
    let mut w = Writer::new(7);
    let cells = w.rig.store.stats().cells_total;
    let filled = cells / 64 * 32;
    for block in (0..filled).step_by(32) {
        assert_eq!(w.write(block, 32, block), Ok(()));
    }
    w.rig.store.fold();
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    let free = w.rig.store.free_blocks_soft();
    let mut least_free = cells;
    for round in 0..3 {
        for block in (0..filled).step_by(32) {
            assert_eq!(w.write(block, 32, round), Ok(()));
            least_free = least_free.min(w.rig.store.stats().cells_free);
            let told = w.rig.store.free_blocks_soft();
            // Pages and dirty chunks take a little of it meanwhile.
            assert!(told > free - cells / 16, "{told} of {free} blocks, {least_free} cells free");
        }
    }
    assert!(least_free < free / 2, "{least_free} of {free}: nothing was short");
}

/// Far more ops at once than log and dirty budget hold: they wait, none is refused.
#[test]
fn a_full_log_is_back_pressure() {
    let mut w = Writer::new(6);
    for round in 0..1500 {
        let block = round * 13 % 600;
        let op = w.op(LAYER, block, data(LAYER, block, &[round]));
        w.rig.submit(op);
    }
    let stats = w.rig.store.stats();
    assert!(stats.queued_ops > 1000 && stats.data_log_used <= stats.data_log_bytes);
    let mut most = 0;
    while w.rig.step(&mut w.rng) {
        most = most.max(w.rig.store.stats().memory.dirty);
    }
    assert!(w.rig.ops.iter().all(|(_, result)| *result == Some(Ok(()))));
    assert!(most <= (1 << 20) + (64 << 10), "{most} bytes of dirty blocks");
    assert!(w.rig.store.stats().folds > 3);
    for block in 0..600 {
        let last = (0..1500u64).rev().find(|r| r * 13 % 600 == block);
        assert_eq!(w.first_word(block), last);
    }
}

#[test]
fn one_write_error_fences_for_good() {
    for nth in 1..60 {
        let mut w = Writer::new(nth);
        let mut acked = Vec::new();
        let mut left = nth;
        for i in 0..40 {
            let op = w.op(LAYER, i * 4, data(LAYER, i * 4, &[i]));
            w.rig.store.submit(i, op);
        }
        w.rig.store.fold();
        let mut results = 0;
        loop {
            while let Some(output) = w.rig.store.poll() {
                match output {
                    Output::Io(io) => w.rig.disk.issue(io),
                    Output::Done { result, .. } => {
                        results += 1;
                        acked.push(result.is_ok());
                    }
                }
            }
            let Some((id, bytes)) = w.rig.disk.answer_one(&mut w.rng) else { break };
            left -= 1;
            let answer = if left == 0 { Err(IoError { code: 5 }) } else { Ok(bytes) };
            let fails = answer.is_err();
            w.rig.store.on_io(id, answer);
            assert_eq!(w.rig.store.is_fenced(), fails);
            if fails {
                break;
            }
        }
        if left > 0 {
            break;
        }
        while let Some(output) = w.rig.store.poll() {
            let Output::Done { result, .. } = output else { panic!("nothing is written any more") };
            results += 1;
            acked.push(result.is_ok());
        }
        assert_eq!(results, 40, "every op is answered");
        assert!(acked.is_sorted_by(|a, b| a >= b), "what failed is the end");
        w.rig.store.submit(99, StoreOp::DeleteLayer { layer: LAYER });
        let fenced = Output::Done { token: 99, result: Err(StoreError::Fenced) };
        assert_eq!(w.rig.store.poll(), Some(fenced));
        assert_eq!(w.rig.store.poll(), None);
    }
}

/// The network doubled it: the second copy brings nothing, however large it is and however full the disk.
#[test]
fn a_second_copy_of_what_was_taken_is_not_refused() {
    let mut w = Writer::new(10);
    let large = |w: &mut Writer, block: u64| {
        let seeds: Vec<u64> = (block..block + 32).collect();
        w.op(LAYER, block, data(LAYER, block, &seeds))
    };
    let mut taken = large(&mut w, 0);
    for block in (0..).step_by(32) {
        let op = large(&mut w, block);
        match w.run(op.clone()) {
            Ok(()) => taken = op,
            Err(error) => {
                assert_eq!(error, StoreError::NoSpace);
                break;
            }
        }
    }
    assert_eq!(w.run(taken.clone()), Ok(()), "it is there");
    let StoreOp::Write { block, .. } = taken else { unreachable!("a write") };
    let newer = large(&mut w, block);
    assert_eq!(w.run(newer), Err(StoreError::NoSpace), "another one is not");
}

/// Zeros of what was never written, on a full disk. Discards are always taken, and leave nothing there;
/// what has to be kept is taken while the index has room.
#[test]
fn a_flood_of_zeros_on_a_full_disk_breaks_nothing() {
    let mut w = Writer::new(8);
    let filled = w.fill(32);
    assert!(flood(&mut w, |blocks| Body::Zero { blocks }) > 10_000, "the index has a bound");
    assert_eq!(flood(&mut w, |blocks| Body::Clear { blocks }), 0, "discards of nothing go in");
    // Data goes away, and is written over, as ever.
    assert_eq!(w.write(0, 15, 9), Ok(()));
    for block in (64..filled - 64).step_by(64) {
        let discard = w.op(LAYER, block, Body::Clear { blocks: 40 });
        assert_eq!(w.run(discard), Ok(()), "block {block} holds data");
        assert_eq!(w.first_word(block), None);
    }
    assert_eq!(w.first_word(1), Some(10));
    assert_eq!(w.zero(0, 15), Ok(()), "an undo");
}

/// A disk with room for far more zeros than the index may take.
#[test]
fn zeros_stay_within_the_bound_of_the_index() {
    let mut w = Writer::new(11);
    let budget = crate::Budget { index_bytes: 96 * 4096, ..super::rig::params(0, 0).budget };
    w.rig.store.set_budget(budget);
    assert_eq!(w.write(0, 15, 9), Ok(()));
    assert!(flood(&mut w, |blocks| Body::Zero { blocks }) > 1000, "refused in the end");
    let pages = w.rig.store.stats().memory.index / 4096;
    assert!((96..128).contains(&pages), "{pages} pages");
    assert_eq!(w.write(20_000_000, 1, 1), Err(StoreError::NoSpace), "before data is");
    w.rig.ops.clear();
    assert_eq!(flood(&mut w, |blocks| Body::Clear { blocks }), 0, "discards of nothing go in");
    assert_eq!(w.zero(0, 15), Ok(()), "something was there");
    let image = std::mem::replace(&mut w.rig.disk, Disk::new(Image::blank(0))).settle();
    let (disk, store) = recover(Disk::new(image), &mut w.rng, |_, _| {});
    w.rig = Rig::new(disk, store.expect("sound").0, Model::default());
    assert_eq!(w.run(StoreOp::DeleteLayer { layer: LAYER }), Ok(()));
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    assert_eq!(w.run(StoreOp::OpenLayer { volume: VOLUME, layer: LayerId(11) }), Ok(()));
}

/// Versions before had no bound: what lies on a disk may be more than a root can name.
#[test]
fn a_root_that_does_not_fit_ends_no_process() {
    let mut w = Writer::new(12);
    let filled = w.fill(32);
    let roots = w.rig.store.layout.roots;
    w.rig.store.layout.roots.cells = 4;
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    assert_eq!(w.write(filled + 100, 1, 1), Err(StoreError::NoSpace));
    assert_eq!(w.first_word(filled - 1), Some(filled - 1));
    // Overwrites go on while there is log room for them; then the others have to.
    let mut fenced = false;
    for i in 0..4000 {
        match w.write(i % filled, 1, 7) {
            Ok(()) => {}
            Err(StoreError::Fenced) => fenced = true,
            Err(other) => panic!("{other:?}"),
        }
        if fenced {
            break;
        }
    }
    assert!(fenced, "nobody waits for ever");
    let image = std::mem::replace(&mut w.rig.disk, Disk::new(Image::blank(0))).settle();
    let (disk, store) = recover(Disk::new(image), &mut w.rng, |_, _| {});
    w.rig = Rig::new(disk, store.expect("all of it is there").0, Model::default());
    assert_eq!(w.rig.store.layout.roots, roots);
    assert_eq!(w.first_word(filled - 1), Some(filled - 1));
    assert_eq!(w.first_word(0), Some(7));
}

/// Zeros, chunk by chunk, where nothing is; how many were refused.
fn flood(w: &mut Writer, body: impl Fn(u32) -> Body) -> u64 {
    let mut refused = 0;
    for chunk in 0..20_000 {
        let zeros = w.op(LAYER, 10_000 + chunk * 32, body(32));
        w.rig.submit(zeros);
        while w.rig.outstanding() > 50 && w.rig.step(&mut w.rng) {}
        if w.rig.ops.len() > 1000 {
            w.rig.settle(&mut w.rng);
            refused += w.refusals();
            w.rig.ops.clear();
        }
    }
    w.rig.settle(&mut w.rng);
    refused += w.refusals();
    w.rig.ops.clear();
    w.rig.store.fold();
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    for chunk in (0..20_000).step_by(500) {
        assert_eq!(w.first_word(10_000 + chunk * 32), None);
    }
    refused
}

/// The tables have a bound, too: there the first write of a volume is refused, like any on a full
/// disk; everything that is there goes on.
#[test]
fn full_tables_refuse_new_pairs_alone() {
    let mut w = Writer::new(9);
    assert_eq!(w.write(0, 1, 1), Ok(()));
    let (mut pairs, mut refused) = (0, 0);
    let pair = |w: &mut Writer, i: u64, body: Body| {
        let version = Version::new(1, 1);
        let (volume, layer) = (VolumeId(10 + i / 8), LayerId(100 + i / 8));
        w.run(StoreOp::OpenLayer { volume, layer })?;
        let pg = PgId::new(1, (i % 8) as u32);
        let (stamp, watermark) = (PgEpoch(1), None);
        w.run(StoreOp::Write { volume, pg, layer, block: i, version, stamp, watermark, body })
    };
    for i in 0..20_000 {
        let layer = LayerId(100 + i / 8);
        let body = match i % 4 {
            0 => Body::Zero { blocks: 1 },
            1 => Body::Clear { blocks: 1 },
            _ => data(layer, i, &[i]),
        };
        match pair(&mut w, i, body) {
            Ok(()) => pairs += 1,
            Err(StoreError::NoSpace) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        if i % 1000 == 999 {
            w.rig.store.fold();
            w.rig.store.checkpoint();
            w.rig.settle(&mut w.rng);
            w.rig.ops.clear();
        }
    }
    assert!(pairs > 1000 && refused > 10_000, "{pairs} pairs, {refused} refused");
    let stats = w.rig.store.stats();
    assert!(stats.tables_full, "{stats:?}");
    // A join would raise more marks than there is room for; epochs alone always go in.
    let marks = (0..3000).map(|i| (VolumeId(50_000 + i), PG, Version::new(1, 1)));
    let raise = |watermarks| {
        StoreOp::Raise(Raise {
            volumes: vec![(VOLUME, shoal_types::HeadEpoch(7))],
            pgs: vec![(PG, PgEpoch(3))],
            watermarks,
            ..Raise::default()
        })
    };
    assert!(w.run(raise(marks.take(400).collect())).is_err());
    assert_eq!(w.run(raise(Vec::new())), Ok(()));
    assert_eq!(w.first_word(0), Some(1));
    assert_eq!(w.write(0, 1, 2), Ok(()));
    // Volumes that were deleted need no row.
    let ours: Vec<_> = w.rig.store.layers().into_iter().filter(|(_, v, _)| *v != VOLUME).collect();
    for (layer, ..) in ours {
        assert_eq!(w.run(StoreOp::ForgetLayer { layer }), Ok(()));
    }
    w.rig.store.fold();
    w.rig.store.checkpoint();
    w.rig.settle(&mut w.rng);
    assert_eq!(w.first_word(0), Some(2));
    assert_eq!(pair(&mut w, 30_002, data(LayerId(100 + 30_002 / 8), 30_002, &[1])), Ok(()));
    assert!(!w.rig.store.stats().tables_full);
    let known: Vec<VolumeId> = w.rig.store.volumes().into_iter().map(|(v, _)| v).collect();
    assert_eq!(known, [VOLUME, VolumeId(10 + 30_002 / 8)]);
}
