//! Fixed seeds, those that once failed, and fresh ones of this commit. `scripts/sim --seeds A..B`
//! plays as many as one likes.

use std::process::Command;

use shoal_sim::report::Report;
use shoal_sim::run;

/// Seeds that found something once.
const ONCE_FAILED: [u64; 41] = [
    0,
    2,
    10,
    16,
    25,
    49,
    53,
    63,
    112,
    153,
    223,
    336,
    352,
    579,
    1000049,
    1000842,
    3004092,
    3101595,
    522134469853500,
    438996075939669,
    545111878475931,
    // A second copy of a refused write found room, and what it brought was taken for the old content.
    56613602840730,
    // With the production record: a fenced device's head was never given back; a dead resync was asked
    // for anew only once; a sound voter was removed before one that had lost its log; the heads of a
    // peer's earlier process stayed its own for as long as the next one lived.
    155,
    267,
    203,
    235,
    603,
    // A peer that had seen more than the voter it asked was sent the whole state as fast as the
    // network could carry it.
    116,
    // The last of two voters asked the other one for its vote, which had been removed.
    475,
    // A member that was filled anew was called worthless by a head that was ahead of it, and lost its
    // other groups.
    18123,
    // A take that was answered too late, or a release that was lost: the head had no owner who knew.
    6740,
    // A disk was said to be back once, and nobody heard it.
    1611,
    // A sound voter that was away went before one that had lost its log.
    9204,
    // A learner that was removed believed in its leader for ever.
    6484,
    // An older image was believed after many starts that nobody had heard of.
    1524,
    // A second pause ended before the first one, and what came later was told first.
    387669112454245,
    // A joiner spared a block for a live write, was in sync, and then found no room for that write.
    2002970,
    // A head asked the only copy of a block again and again while its disk stood still.
    31102812,
    // A source told of a layer just before its volume was deleted; a joiner heard of it long afterwards.
    33007419,
    // Whom to follow and whom to take for the leader shared one counter, which went past the same voter
    // again and again.
    34141934,
    // What a disk was asked for while it stood still waited for the end of the stall after the world was healed.
    36217332,
];

/// Seeds of a run of all tests that nobody played before.
const FRESH: u64 = 500;

fn play(seeds: impl Iterator<Item = u64>) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        let outcome = run(seed, false);
        assert!(outcome.failure.is_none(), "seed {seed}: {}", outcome.failure.unwrap());
        report.add(&outcome);
    }
    report
}

#[test]
fn seeds_that_once_failed() {
    play(ONCE_FAILED.into_iter());
}

/// Two threads, one for the wide worlds and one for the narrow: see `Plan::of`.
#[test]
fn fresh_wide_worlds() {
    fresh(0);
}

#[test]
fn fresh_narrow_worlds() {
    fresh(1);
}

fn fresh(odd: u64) {
    let first = fresh_seed() + odd;
    let report = play((first..first + FRESH).step_by(2));
    // A world in which nothing happens would prove nothing.
    println!("seeds from {first} on, every second:\n{report}");
    assert!(report.counted * 2 >= report.seeds, "too few count:\n{report}");
    assert!(report.faults() > 10 * report.seeds, "{report}");
}

/// Worlds whose record is kept by the production services: I/O goes on while consensus does not.
#[test]
fn requests_succeed_while_nobody_hears_of_the_record() {
    let report = play([11, 20, 27, 43, 52, 59].into_iter());
    assert!(report.ops_in_silence > 100, "{report}");
}

/// Of the commit, so that every one plays others; a tree without a history plays always the same.
/// Even: the kinds of worlds alternate.
fn fresh_seed() -> u64 {
    let mut git = Command::new("git");
    let asked = git.args(["rev-parse", "HEAD"]).output();
    let commit = asked.ok().filter(|o| o.status.success()).map(|o| o.stdout).unwrap_or_default();
    let digits = String::from_utf8_lossy(&commit[..commit.len().min(12)]).into_owned();
    u64::from_str_radix(&digits, 16).unwrap_or(10_000) * 2
}

#[test]
fn equal_seeds_give_equal_traces() {
    for seed in [7, 8, 11, 1001] {
        let (first, second) = (run(seed, false), run(seed, false));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.events, second.events, "seed {seed}");
        assert!(first.events > 1_000, "seed {seed} did nothing");
    }
    assert_ne!(run(7, false).hash, run(8, false).hash);
}

/// Nothing of this process (addresses, hash seeds, times) gets into a trace.
#[test]
fn two_processes_give_the_same_trace() {
    let play = |seed: &str| {
        let program = env!("CARGO_BIN_EXE_shoal-sim");
        let run = Command::new(program).args(["--seed", seed]).output().expect("it starts");
        assert!(run.status.success());
        run.stdout
    };
    for seed in ["7", "11"] {
        let (first, second) = (play(seed), play(seed));
        assert!(first.len() > 100_000, "a readable trace");
        assert!(first == second, "the traces of seed {seed} differ");
    }
}
