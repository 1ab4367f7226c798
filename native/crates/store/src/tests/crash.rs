//! Crash states: at many moments of random runs, what is not stable survives in part; recovery,
//! itself cut short now and then, must give a prefix of the ops that has all acknowledged ones.

use super::disk::{Disk, Image};
use super::rig::{DISK_BYTES, Rig, recover};
use super::rng::{Rng, effort};
use super::snapshot::identify;
use super::workload::Workload;
use crate::planted::{Bug, plant};

/// Crashes during recoveries, one inside the other.
const DEPTH: u32 = 3;

struct Crashes {
    states: u64,
    failure: Option<String>,
}

impl Crashes {
    /// Recovers from this disk and compares; goes on with what it finds.
    fn check(&mut self, disk: Disk, before: &Rig, rng: &mut Rng, depth: u32) -> Option<Rig> {
        self.states += 1;
        let mut cuts: Vec<Disk> = Vec::new();
        let (disk, outcome) = recover(disk, rng, |disk, rng| {
            if depth > 0 && rng.one_in(10) {
                cuts.push(Disk::new(disk.power_cut(rng)));
            }
        });
        for cut in cuts {
            self.check(cut, before, rng, depth - 1);
        }
        let store = match outcome {
            Ok((store, _)) => store,
            Err(error) => {
                self.failure.get_or_insert(format!("recovery failed: {error:?}"));
                return None;
            }
        };
        let mut rig = Rig::new(disk, store, before.base.clone());
        match identify(&mut rig, before, rng) {
            Ok(model) => {
                rig.base = model;
                Some(rig)
            }
            Err(why) => {
                self.failure.get_or_insert(why);
                None
            }
        }
    }
}

/// One run; stops at the first failure.
fn run(seed: u64, steps: u64, crashes: &mut Crashes) {
    let mut rng = Rng::new(seed);
    let mut rig = match seed % 3 {
        0 => Rig::fresh(&mut rng),
        kind => Rig::crowded(150 * kind, &mut rng),
    };
    let mut workload = Workload::new();
    let busy = 1 + rng.below(10) as usize;
    let folds = 4 + rng.below(60);
    for _ in 0..steps {
        rig.disk.lags = seed % 4 == 1;
        if rig.outstanding() < busy {
            let op = workload.next(&mut rng);
            rig.submit(op);
        }
        if rng.one_in(folds) {
            rig.store.fold();
        }
        if rng.one_in(folds * 2) {
            rig.store.checkpoint();
        }
        for _ in 0..rng.below(4) {
            rig.step(&mut rng);
        }
        if rng.one_in(12) {
            let cut = Disk::new(rig.disk.power_cut(&mut rng));
            crashes.check(cut, &rig, &mut rng, DEPTH);
        }
        if rng.one_in(80) {
            let blank = Disk::new(Image::blank(DISK_BYTES));
            let disk = std::mem::replace(&mut rig.disk, blank);
            let killed = rng.one_in(2);
            let disk =
                if killed { disk.process_kill() } else { Disk::new(disk.power_cut(&mut rng)) };
            match crashes.check(disk, &rig, &mut rng, DEPTH) {
                Some(next) => rig = next,
                None => return,
            }
        }
        if crashes.failure.is_some() {
            return;
        }
    }
}

#[test]
fn every_crash_state_keeps_what_was_acknowledged() {
    let mut crashes = Crashes { states: 0, failure: None };
    let only = std::env::var("SHOAL_STORE_SEED").ok().and_then(|s| s.parse::<u64>().ok());
    for seed in only.map_or(0..60 * effort(), |s| s..s + 1) {
        run(seed, 400, &mut crashes);
        if let Some(why) = &crashes.failure {
            panic!("seed {seed}: {why}");
        }
    }
    eprintln!("{} crash states", crashes.states);
    let enough = only.is_some() || crashes.states > 1000 * effort();
    assert!(enough, "{} crash states are too few", crashes.states);
}

/// The enumeration is worth something if it finds bugs that are there.
fn finds(bug: Bug, seeds: std::ops::Range<u64>) {
    plant(Some(bug));
    let mut found = None;
    for seed in seeds {
        let result = std::panic::catch_unwind(|| {
            let mut crashes = Crashes { states: 0, failure: None };
            run(seed, 400, &mut crashes);
            crashes.failure
        });
        if !matches!(result, Ok(None)) {
            found = Some(seed);
            break;
        }
    }
    plant(None);
    eprintln!("{bug:?}: seed {found:?}");
    assert!(found.is_some(), "{bug:?} goes unnoticed");
}

macro_rules! found {
    ($($name:ident: $bug:ident $seeds:expr,)*) => {$(
        #[test]
        fn $name() {
            finds(Bug::$bug, $seeds);
        }
    )*};
}

found! {
    finds_named_cells_freed_early: FreeNamed 1000..1200,
    finds_entries_before_their_data: NoSyncBeforeSet 1000..1200,
    finds_the_tail_before_the_entries: TailEarly 1000..1200,
    finds_page_images_overwritten: PageInPlace 1000..1200,
    finds_a_root_before_its_pages: RootBeforePages 1000..1200,
    finds_direct_data_that_is_not_durable: DirectNotDurable 1000..1200,
    finds_torn_batches_taken_for_whole: NoDataCrc 1000..1200,
    finds_tables_left_behind_by_the_tail: NoTables 1000..1200,
    finds_early_acknowledgements: AckEarly 1000..1200,
    finds_replayed_cells_owned_twice: ReplayOwned 1000..1200,
    finds_a_tail_beyond_the_cut: TailTooFar 1000..1200,
    finds_a_start_without_sync: NoSyncAtStart 1000..1200,
    finds_unsettled_versions_that_are_lost_in_a_fold: FoldAboveWatermark 1000..1200,
    finds_a_tail_that_does_not_wait: TailUnwaiting 1637..1638,
}
