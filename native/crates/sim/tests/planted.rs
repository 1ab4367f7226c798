//! The simulator finds bugs that are planted on purpose: each rule left out in its turn.
//!
//! Each has a seed here in which it shows; `scripts/sim --bug NAME --seeds 0..1000` looks for others.
//! Those that hardly any meets are left to walks (`search.rs`).

use shoal_engine::planted::{Bug, plant};
use shoal_sim::run;

/// Each with a seed in which it shows, below 1,000.
const SHOWS_IN: &[(Bug, u64)] = &[
    (Bug::H1AckWithoutJoiner, 4),
    (Bug::AckWithoutAll, 0),
    (Bug::DuplicateCounted, 1),
    (Bug::H8WatermarkInRollForward, 4),
    (Bug::H12CopyAlways, 4),
    (Bug::ResyncSkipsAnEpoch, 4),
    (Bug::H15OutAtOfJoiner, 5),
    (Bug::H18WipeUnnoticed, 4),
    (Bug::LeaseIgnored, 33),
    (Bug::ReadPassesWrite, 2),
    (Bug::AckBeforeDurable, 0),
    (Bug::StalePgAccepted, 8),
    (Bug::StaleHeadAccepted, 18),
    (Bug::NoRollForward, 33),
    (Bug::RollbackUnnoticed, 13),
    (Bug::RemovalWithoutEpoch, 4),
    (Bug::SourceByPresence, 5),
    (Bug::DiscardsMissed, 6),
    (Bug::SameHeadEpoch, 0),
    (Bug::ChecksumIgnored, 0),
    (Bug::WriteErrorIgnored, 3),
    (Bug::WatermarkTooHigh, 1),
    (Bug::DamageOfOldView, 280),
    (Bug::H2AnswersOutliveEpoch, 10),
    (Bug::NoSpaceNotUndone, 26),
    (Bug::RefusedComesBack, 516),
    (Bug::LeaseFromReply, 332),
    (Bug::LeaseNotWaitedOut, 405),
    // With the production record.
    (Bug::SoundVoterGoesFirst, 33),
    (Bug::OrphansKept, 142),
    (Bug::DeletedLayerKept, 8),
    // Where everything aims at who leads, who has the head, and resyncs that begin anew.
    (Bug::FencedTakenBack, 43),
    (Bug::LeaseUnconfirmed, 33),
    (Bug::FencedNotGivenBack, 65),
    (Bug::GenerationUnchecked, 251),
    (Bug::OlderLeasesForgotten, 161),
    (Bug::GrantBeforeState, 705),
    (Bug::LostLogVotes, 289),
    (Bug::JoinRestartedOnce, 171),
];

/// Left to walks.
const IN_WALKS: &[Bug] = &[
    Bug::H3JoinerLeftOut,
    Bug::H4StampsOnly,
    Bug::H5StampNotStored,
    Bug::H6AcksAcrossEpochs,
    Bug::H7JoinerMovesWatermark,
    Bug::H9SessionOutlivesRestart,
    Bug::H10SourceLeaves,
    Bug::H11SessionWithoutHeads,
    Bug::H13ConfirmWithoutJoiner,
    Bug::JoinerServesReads,
    Bug::SessionUnchecked,
    Bug::TracelessAlways,
];

#[test]
fn none_is_left_out() {
    let kept = |bug: &Bug| IN_WALKS.contains(bug) || SHOWS_IN.iter().any(|(b, _)| b == bug);
    let left: Vec<Bug> = Bug::ALL.into_iter().filter(|bug| !kept(bug)).collect();
    assert!(left.is_empty(), "found nowhere: {left:?}");
}

#[test]
fn each_planted_bug_is_found() {
    let hidden: Vec<String> = SHOWS_IN
        .iter()
        .filter(|(bug, seed)| {
            plant(Some(*bug));
            let broken = run(*seed, false);
            plant(None);
            broken.failure.is_none()
        })
        .map(|(bug, seed)| format!("{bug:?} in seed {seed}"))
        .collect();
    assert!(hidden.is_empty(), "these do not show: {hidden:?}");
}

#[test]
fn the_same_seeds_are_clean_without_them() {
    let mut seeds: Vec<u64> = SHOWS_IN.iter().map(|(_, seed)| *seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    for seed in seeds {
        let clean = run(seed, false);
        assert_eq!(clean.failure, None, "seed {seed}");
    }
}

/// The canary: were the planted bugs not compiled in, or all runs called clean, this would show it.
#[test]
fn a_sound_run_and_a_broken_one_are_told_apart() {
    let sound = run(0, false);
    plant(Some(Bug::AckBeforeDurable));
    let broken = run(0, false);
    plant(None);
    assert_eq!(sound.failure, None);
    assert!(broken.failure.is_some(), "the canary lives: nothing would be found");
    assert!(sound.is_counted(), "and the sound one saw enough: {:?}", sound.counts);
}

/// Looked for from seed 0 on: all of them with `SHOAL_SIM_LONG=1 cargo test --release -p shoal-sim`.
#[test]
fn each_planted_bug_is_found_within_a_thousand_seeds() {
    let is_long = std::env::var_os("SHOAL_SIM_LONG").is_some();
    let bugs = if is_long { SHOWS_IN } else { &SHOWS_IN[..2] };
    for (bug, _) in bugs {
        plant(Some(*bug));
        let found = (0..1_000).find(|seed| run(*seed, false).failure.is_some());
        plant(None);
        let seed = found.unwrap_or_else(|| panic!("{bug:?} does not show in 1,000 seeds"));
        assert_eq!(run(seed, false).failure, None, "{seed} is clean without {bug:?}");
    }
}
