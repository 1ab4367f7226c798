//! Every order, with a memory of states; or one order after the other, by chance.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::Hasher;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::prepared::prepared;
use super::small::{Budget, Small, Step};
use super::starts::{STARTS, start};
use crate::rng::Rng;

/// Longest walk.
const STEPS_MAX: usize = 160;

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Found {
    pub states: usize,
    /// Every order was tried to its end.
    pub complete: bool,
    /// What is wrong, and the steps that lead to it.
    pub broken: Option<(String, Vec<String>)>,
}

/// One order, by chance: everything of the seed.
pub fn walk(seed: u64) -> Found {
    let mut rng = Rng::new(seed);
    let small = start((seed % STARTS.len() as u64) as usize, rng.percent(40), budget(&mut rng));
    let serves = rng.percent(80);
    go_on(small, serves, rng)
}

/// One order from this start: those of `STARTS` come first, then those of `PREPARED`.
pub fn walk_from(number: usize, seed: u64) -> Found {
    let mut rng = Rng::new(seed);
    match number.checked_sub(STARTS.len()) {
        None => {
            let small = start(number, rng.percent(40), budget(&mut rng));
            let serves = rng.percent(80);
            go_on(small, serves, rng)
        }
        Some(number) => {
            let budget = budget(&mut rng);
            match catch_unwind(AssertUnwindSafe(|| prepared(number, budget))) {
                Ok(small) => go_on(small, false, rng),
                Err(panic) => {
                    let broken = Some((crate::panic_text(&*panic), Vec::new()));
                    Found { states: 0, complete: false, broken }
                }
            }
        }
    }
}

fn go_on(mut small: Small, serves: bool, mut rng: Rng) -> Found {
    let mut trace = Vec::new();
    let walked = catch_unwind(AssertUnwindSafe(|| {
        if serves {
            small.take_over();
            settle(&mut small);
        }
        for _ in 0..STEPS_MAX {
            let Some(step) = next(&small, &mut rng) else { break };
            trace.push(text(&small, step));
            small.take(step);
            if small.broken.is_some() {
                return;
            }
        }
        // The end of it: all hears of all, and a head that serves.
        small.take_over();
        settle(&mut small);
    }));
    let broken = walked.err().map(|p| crate::panic_text(&*p)).or(small.broken);
    Found { states: trace.len(), complete: false, broken: broken.map(|why| (why, trace)) }
}

fn budget(rng: &mut Rng) -> Budget {
    let mut some = |most: u64| rng.below(most + 1) as u32;
    Budget {
        writes: 1 + some(4),
        reads: some(3),
        removals: some(2),
        joins: 1 + some(3),
        take_overs: some(2),
        member_crashes: some(2),
        head_crashes: some(1),
        breaks: some(2),
        ticks: some(6),
    }
}

/// Configurations small enough to be searched whole.
pub fn small_budgets() -> [(&'static str, Budget); 4] {
    let none = Budget {
        writes: 0,
        reads: 0,
        removals: 0,
        joins: 0,
        take_overs: 0,
        member_crashes: 0,
        head_crashes: 0,
        breaks: 0,
        ticks: 0,
    };
    [
        ("a write and a take-over", Budget { writes: 1, take_overs: 1, ..none.clone() }),
        ("a write and a removal", Budget { writes: 1, removals: 1, ..none.clone() }),
        ("a join", Budget { joins: 1, ..none.clone() }),
        ("a write and a join", Budget { writes: 1, joins: 1, ..none }),
    ]
}

/// Packets mostly, lest everything happens before anything arrives.
fn next(small: &Small, rng: &mut Rng) -> Option<Step> {
    let steps = small.steps();
    let quiet = |s: &Step| matches!(s, Step::Deliver(_) | Step::TellHead(_) | Step::TellMember(_));
    let packets = steps.iter().filter(|s| quiet(s)).count();
    if packets > 0 && rng.percent(75) {
        return steps.iter().filter(|s| quiet(s)).nth(rng.below(packets as u64) as usize).copied();
    }
    rng.pick(&steps).copied()
}

/// Whatever is under way arrives, in order.
pub(super) fn settle(small: &mut Small) {
    for _ in 0..2_000 {
        let quiet =
            |s: &Step| matches!(s, Step::Deliver(_) | Step::TellHead(_) | Step::TellMember(_));
        let Some(step) = small.steps().into_iter().find(quiet) else { return };
        small.take(step);
        if small.broken.is_some() {
            return;
        }
    }
}

fn text(small: &Small, step: Step) -> String {
    match step {
        Step::Deliver(i) => {
            let mut text = format!("{:?}", small.net[i]);
            text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
            text
        }
        step => format!("{step:?}"),
    }
}

/// Every order from a start within a budget, up to so many states.
pub fn explore(number: usize, lease: bool, budget: Budget, states_max: usize) -> Found {
    let mut first = start(number, lease, budget);
    first.take_over();
    settle(&mut first);
    let mut seen = HashSet::new();
    let mut stack = vec![(first.clone(), first.steps())];
    let mut trace: Vec<String> = Vec::new();
    seen.insert(mark(&first));
    while let Some((small, steps)) = stack.last_mut() {
        let Some(step) = steps.pop() else {
            stack.pop();
            trace.pop();
            continue;
        };
        if seen.len() >= states_max {
            return Found { states: seen.len(), complete: false, broken: None };
        }
        let mut after = small.clone();
        let line = text(small, step);
        let taken = catch_unwind(AssertUnwindSafe(|| after.take(step)));
        let broken = taken.err().map(|p| crate::panic_text(&*p)).or(after.broken.clone());
        if let Some(why) = broken {
            trace.push(line);
            return Found { states: seen.len(), complete: false, broken: Some((why, trace)) };
        }
        if seen.insert(mark(&after)) {
            let steps = after.steps();
            trace.push(line);
            stack.push((after, steps));
        }
    }
    Found { states: seen.len(), complete: true, broken: None }
}

/// Two states with one mark would have to agree in 128 bits.
fn mark(small: &Small) -> (u64, u64) {
    let mut hashers = Both(DefaultHasher::new(), DefaultHasher::new());
    hashers.1.write_u8(1);
    let mut packets: Vec<String> = small.net.iter().map(|p| format!("{p:?}")).collect();
    packets.sort_unstable();
    let Small { record, epoch, heads, members, budget, histories, .. } = small;
    write!(hashers, "{packets:?}{record:?}{epoch:?}{heads:?}{members:?}{budget:?}{histories:?}")
        .expect("hashing does not fail");
    (hashers.0.finish(), hashers.1.finish())
}

struct Both(DefaultHasher, DefaultHasher);

impl Write for Both {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}
