//! Crash states of the consensus log, one by one: short workloads in every combination, cut off at
//! every operation on the directory, and after each cut every bounded way in which what was not
//! synced may have reached the disk. Each is opened and compared with the model.

use shoal_types::PeerId;

use super::tests::{Run, Step};
use super::{DirLog, LogStore, MemDir};
use crate::raft::{found, refound};
use crate::seeded::Seeded;
use crate::state::{ClusterState, fixture};

/// Of a torn file: where it is cut, and what its sectors hold.
const SECTOR_BYTES: usize = 512;
/// Ways in which appended sectors survive, tried for each cut.
const SHAPES: u64 = 6;
/// Operations on the directory of the longest step.
const OPERATIONS_MAX: u64 = 12;

/// How much: `SHOAL_STORE_EFFORT` times the default, as for the store's own crash states.
fn effort() -> u64 {
    std::env::var("SHOAL_STORE_EFFORT").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

/// What is not synced of a file after a crash: `length` bytes were kept, and of their sectors those
/// that `lives` names; the others are zeros, as in a file that was only made longer.
fn tear(bytes: &mut Vec<u8>, synced: usize, length: usize, lives: impl Fn(usize) -> bool) {
    bytes.truncate(length.max(synced));
    for (sector, added) in bytes[synced..].chunks_mut(SECTOR_BYTES).enumerate() {
        if !lives(sector) {
            added.fill(0);
        }
    }
}

/// Runs the steps until the disk dies after so many operations of the last one.
fn cut_off(seed: u64, steps: &[Step], operations: u64) -> Run {
    let mut run = Run::new(seed);
    let (last, before) = steps.split_last().expect("a step to cut off");
    before.iter().for_each(|step| run.take(*step).expect("the disk works"));
    run.dir.fail_after(operations);
    let _it_may_be_done = run.take(*last);
    run
}

/// Every way in which this moment may survive. Returns how many there were.
fn check_all(seed: u64, steps: &[Step], operations: u64) -> u64 {
    let mut states = 0;
    let pending = cut_off(seed, steps, operations).dir.pending_names();
    for names in 0..=pending {
        for shape in 0..SHAPES {
            for cut in 0..4 {
                let mut run = cut_off(seed, steps, operations);
                run.dir.crash_as(names, |bytes, synced| {
                    let added = bytes.len() - synced;
                    let length = synced + added * (cut + 1) / 4;
                    tear(bytes, synced, length, |sector| lives(shape, sector));
                });
                run.check_after_crash();
                states += 1;
            }
        }
    }
    states
}

fn lives(shape: u64, sector: usize) -> bool {
    match shape {
        0 => true,
        1 => false,
        2 => sector.is_multiple_of(2),
        3 => !sector.is_multiple_of(2),
        4 => sector > 0,
        _ => sector < 1,
    }
}

#[test]
fn every_state_after_short_workloads_is_the_old_log_or_the_new_one() {
    let mut states = 0;
    for first in Step::ALL {
        for second in Step::ALL {
            for third in Step::ALL {
                for operations in 0..OPERATIONS_MAX {
                    let steps = [first, second, third];
                    if cut_off(1, &steps, operations).possible_is_done() {
                        break;
                    }
                    states += check_all(1, &steps, operations);
                }
            }
        }
    }
    eprintln!("{states} crash states of short workloads");
    assert!(states > 4_000, "{states} crash states are too few");
}

/// A cluster begins, or its next incarnation, on a peer that may have no log: nothing is there, or all of it.
#[test]
fn every_state_after_a_beginning_can_be_opened() {
    let genesis = ClusterState::genesis(fixture::genesis()).unwrap();
    let next = genesis.clone().recovered(PeerId(1), fixture::key(77), 0);
    let begin = |dir: &MemDir, is_first: bool| {
        let mut log = DirLog::open(dir.clone(), genesis.cluster_id(), 1);
        if is_first { found(&mut log, &genesis) } else { refound(&mut log, &next, 7) }
    };
    for (is_first, operations, cut) in
        (0..OPERATIONS_MAX).flat_map(|n| (0..8).map(move |i| (i < 4, n, i % 4)))
    {
        let pending = |dir: &MemDir| {
            dir.fail_after(operations);
            let _it_may_be_done = begin(dir, is_first);
            dir.pending_names()
        };
        for names in 0..=pending(&MemDir::new()) {
            let dir = MemDir::new();
            pending(&dir);
            dir.crash_as(names, |bytes, synced| {
                let length = synced + (bytes.len() - synced) * (cut + 1) / 4;
                tear(bytes, synced, length, |sector| lives(cut as u64, sector));
            });
            let mut log = DirLog::open(dir, genesis.cluster_id(), 1);
            if !log.exists().unwrap() {
                continue;
            }
            let found = log.load().expect("a crash never damages");
            let state = if is_first { &genesis } else { &next };
            match found.snapshot {
                None => assert_eq!((found.hard_state, found.entries), Default::default()),
                Some(snapshot) => {
                    assert!(snapshot.at.index == state.index() && snapshot.at == found.start);
                    assert_eq!(found.hard_state.term, snapshot.at.term);
                }
            }
        }
    }
}

#[test]
fn random_states_after_long_workloads_are_the_old_log_or_the_new_one() {
    let mut states = 0;
    for seed in 0..240 * effort() {
        let mut random = Seeded::new(seed ^ 0xc0ff_ee00);
        let mut run = Run::new(seed);
        for _ in 0..24 {
            run.dir.fail_after(random.below(40));
            while run.step().is_ok() {}
            let names = random.below(run.dir.pending_names() as u64 + 1) as usize;
            let (mask, share) = (random.next(), random.below(5));
            run.dir.crash_as(names, |bytes, synced| {
                let added = bytes.len() - synced;
                let length = synced + added * share as usize / 4;
                tear(bytes, synced, length, |sector| mask >> (sector % 64) & 1 == 1);
            });
            run.check_after_crash();
            states += 1;
        }
    }
    eprintln!("{states} crash states of long workloads");
    assert!(states >= 5_000 * effort(), "{states} crash states are too few");
}

/// The enumeration is worth something if it notices a disk that does not keep what it synced.
#[test]
fn a_disk_that_lies_is_noticed() {
    let noticed = std::panic::catch_unwind(|| {
        for seed in 0..20 {
            let mut run = Run::new(seed);
            run.dir.ignore_syncs();
            run.take(Step::Append).expect("the disk works");
            run.take(Step::Append).expect("the disk works");
            run.dir.crash_as(0, |bytes, synced| tear(bytes, synced, synced, |_| false));
            run.check_after_crash();
        }
    });
    assert!(noticed.is_err(), "a lost append goes unnoticed");
}
