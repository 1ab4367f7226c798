//! Fixed seeds, and those that once failed. `shoal-sim --seeds A..B` plays as many as one likes.

use shoal_sim::run;

/// Seeds that found something once.
const ONCE_FAILED: [u64; 6] = [0, 2, 49, 53, 112, 352];

fn play(seeds: impl Iterator<Item = u64>) {
    let (mut requests, mut faults, mut joins, mut take_overs) = (0, 0, 0, 0);
    for seed in seeds {
        let outcome = run(seed, false);
        assert!(outcome.failure.is_none(), "seed {seed}: {}", outcome.failure.unwrap());
        requests += outcome.counts.ops;
        faults += outcome.counts.faults.values().sum::<u64>();
        joins += outcome.counts.joins;
        take_overs += outcome.counts.take_overs;
    }
    // A world in which nothing happens would prove nothing.
    assert!(requests > 1_000 && faults > 50, "{requests} requests, {faults} faults");
    assert!(joins > 5 && take_overs > 20, "{joins} joins, {take_overs} take-overs");
}

#[test]
fn seeds_that_once_failed() {
    play(ONCE_FAILED.into_iter());
}

#[test]
fn wide_worlds() {
    play((1000..1160).step_by(2));
}

#[test]
fn narrow_worlds() {
    play((1001..1321).step_by(2));
}

#[test]
fn equal_seeds_give_equal_traces() {
    for seed in [7, 8, 1001] {
        let (first, second) = (run(seed, false), run(seed, false));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.events, second.events, "seed {seed}");
        assert!(first.events > 1_000, "seed {seed} did nothing");
    }
    assert_ne!(run(7, false).hash, run(8, false).hash);
}
