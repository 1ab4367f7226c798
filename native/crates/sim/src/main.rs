//! `shoal-sim --seed N` replays one seed with a readable trace; `shoal-sim --seeds A..B
//! [--jobs J] [--for 40s]` plays many and exits 1 with the failing seed last when one fails.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use shoal_sim::{Outcome, run};

struct Options {
    seed: Option<u64>,
    from: u64,
    to: u64,
    jobs: usize,
    limit: Option<Duration>,
    #[cfg(feature = "planted")]
    bug: Option<shoal_engine::planted::Bug>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\nusage: shoal-sim --seed N | --seeds A..B [--jobs J] [--for 40s]");
            return ExitCode::from(2);
        }
    };
    match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    }
}

fn one(seed: u64, options: &Options) -> ExitCode {
    plant(options);
    let outcome = run(seed, true);
    println!("{outcome:#?}");
    if outcome.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    simulated_us: u64,
    faults: u64,
    ops: u64,
    take_overs: u64,
    removals: u64,
    joins: u64,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.simulated_us += outcome.simulated_us;
        self.faults += outcome.counts.faults.values().sum::<u64>();
        self.ops += outcome.counts.ops;
        self.take_overs += outcome.counts.take_overs;
        self.removals += outcome.counts.removals;
        self.joins += outcome.counts.joins;
    }
}

fn many(options: &Options) -> ExitCode {
    let started = now();
    let next = AtomicU64::new(options.from);
    let stop = AtomicBool::new(false);
    let mut sum = Sum::default();
    let mut failed: Vec<Outcome> = Vec::new();
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                plant(options);
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.to || send.send(run(seed, false)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for outcome in receive {
            sum.add(&outcome);
            let late = options.limit.is_some_and(|limit| now() - started > limit);
            if outcome.failure.is_some() {
                failed.push(outcome);
            }
            stop.store(late || !failed.is_empty(), Ordering::Relaxed);
        }
    });
    println!(
        "{} seeds, {:.1} simulated minutes, {} faults, {} requests, {} take-overs, {} removals, \
         {} joins",
        sum.seeds,
        sum.simulated_us as f64 / 60e6,
        sum.faults,
        sum.ops,
        sum.take_overs,
        sum.removals,
        sum.joins
    );
    failed.sort_by_key(|o| o.seed);
    let Some(first) = failed.first() else { return ExitCode::SUCCESS };
    println!("{}", first.failure.clone().unwrap_or_default());
    println!("failing seed {}", first.seed);
    ExitCode::FAILURE
}

#[cfg(feature = "planted")]
fn plant(options: &Options) {
    shoal_engine::planted::plant(options.bug);
}

#[cfg(not(feature = "planted"))]
fn plant(_options: &Options) {}

#[cfg(feature = "planted")]
fn bug_named(name: &str) -> Result<shoal_engine::planted::Bug, String> {
    let all = shoal_engine::planted::Bug::ALL;
    let named = all.iter().find(|bug| format!("{bug:?}") == name);
    named.copied().ok_or_else(|| format!("{name}: no such bug; there are {all:?}"))
}

/// Only the tool's own time limit is measured by a clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut options = Options {
        seed: None,
        from: 0,
        to: 100,
        jobs: cores,
        limit: None,
        #[cfg(feature = "planted")]
        bug: None,
    };
    while let Some(name) = args.next() {
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text}: no number"));
        match name.as_str() {
            "--seed" => options.seed = Some(number(&value)?),
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or("--seeds wants A..B")?;
                (options.from, options.to) = (number(from)?, number(to)?);
            }
            "--jobs" => options.jobs = number(&value)?.max(1) as usize,
            #[cfg(feature = "planted")]
            "--bug" => options.bug = Some(bug_named(&value)?),
            "--for" => {
                let seconds = number(value.strip_suffix('s').unwrap_or(&value))?;
                options.limit = Some(Duration::from_secs(seconds));
            }
            other => return Err(format!("{other}: unknown option")),
        }
    }
    Ok(options)
}
