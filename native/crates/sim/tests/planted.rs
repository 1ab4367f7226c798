//! The simulator finds bugs that are planted on purpose: each rule left out in its turn.

use shoal_engine::planted::{Bug, plant};
use shoal_sim::run;

/// Each with the seeds in which it shows (found by `shoal-sim --bug NAME`).
const SHOWS_IN: &[(Bug, u64)] = &[];

#[test]
fn each_planted_bug_is_found() {
    for (bug, seed) in SHOWS_IN {
        plant(Some(*bug));
        let broken = run(*seed, false);
        plant(None);
        assert!(broken.failure.is_some(), "{bug:?} does not show in seed {seed}");
    }
}
