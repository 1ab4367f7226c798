//! The simulator finds bugs that are planted on purpose: each rule left out in its turn.

use shoal_engine::planted::{Bug, plant};
use shoal_sim::run;

/// Each with a seed in which it shows (found by `shoal-sim --bug NAME`).
const SHOWS_IN: &[(Bug, u64)] = &[
    (Bug::H1AckWithoutJoiner, 4),
    (Bug::H2AnswersOutliveEpoch, 101),
    (Bug::H3JoinerLeftOut, 202),
    (Bug::H4StampsOnly, 202),
    (Bug::H5StampNotStored, 152),
    (Bug::H8WatermarkInRollForward, 4),
    (Bug::H11SessionWithoutHeads, 54),
    (Bug::H12CopyAlways, 5),
    (Bug::H13ConfirmWithoutJoiner, 306),
    (Bug::H15OutAtOfJoiner, 14),
    (Bug::H18WipeUnnoticed, 4),
    (Bug::ReadPassesWrite, 1),
    (Bug::AckBeforeDurable, 2),
    (Bug::StalePgAccepted, 4),
    (Bug::StaleHeadAccepted, 2),
    (Bug::NoRollForward, 16),
];

#[test]
fn each_planted_bug_is_found() {
    for (bug, seed) in SHOWS_IN {
        plant(Some(*bug));
        let broken = run(*seed, false);
        plant(None);
        assert!(broken.failure.is_some(), "{bug:?} does not show in seed {seed}");
    }
}

#[test]
fn the_same_seeds_are_clean_without_them() {
    for (bug, seed) in SHOWS_IN {
        let clean = run(*seed, false);
        assert_eq!(clean.failure, None, "seed {seed}, kept for {bug:?}");
    }
}
