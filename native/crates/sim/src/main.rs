//! `shoal-sim --seed N` replays one seed with a readable trace; `shoal-sim --seeds A..B
//! [--jobs J] [--for 40s]` plays many and exits 1 with the failing seed last when one fails.

mod options;

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use options::{Options, Task, USAGE};
use shoal_sim::report::Report;
use shoal_sim::search::{PREPARED, STARTS, explore, small_budgets, walk, walk_from};
use shoal_sim::{Outcome, run};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match options.task {
        Task::Help => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        Task::One { seed } => one(seed, &options),
        Task::Many { from, to } => many(from, to, &options),
        Task::Walks { from, to } => walks(from, to, &options),
        Task::All { start } => all(start, &options),
    }
}

/// A reader that went away is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn one(seed: u64, options: &Options) -> ExitCode {
    options.plant();
    let outcome = run(seed, true);
    say(&format!("{outcome:#?}"));
    if outcome.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn many(from: u64, to: u64, options: &Options) -> ExitCode {
    // What panics is a failure of its seed, told at the end.
    std::panic::set_hook(Box::new(|_| {}));
    let started = now();
    let next = AtomicU64::new(from);
    let stop = AtomicBool::new(false);
    let mut report = Report::default();
    let mut failed: Vec<Outcome> = Vec::new();
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                options.plant();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(options.every, Ordering::Relaxed);
                    if seed >= to || send.send(run(seed, false)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for outcome in receive {
            report.add(&outcome);
            let late = options.limit.is_some_and(|limit| now() - started > limit);
            if outcome.failure.is_some() {
                failed.push(outcome);
            }
            stop.store(late || !failed.is_empty(), Ordering::Relaxed);
        }
    });
    failed.sort_by_key(|o| o.seed);
    match failed.first() {
        None => {
            say(&report.to_string());
            ExitCode::SUCCESS
        }
        Some(first) => {
            say(&format!("{report}\n{}", first.failure.clone().unwrap_or_default()));
            say(&format!("failing seed {}", first.seed));
            ExitCode::FAILURE
        }
    }
}

fn walks(from: u64, to: u64, options: &Options) -> ExitCode {
    options.plant();
    std::panic::set_hook(Box::new(|_| {}));
    let starts = STARTS.len() + PREPARED.len();
    if options.start.is_some_and(|start| start >= starts as u64) {
        eprintln!("error: there are starts 0 to {}: {STARTS:?} {PREPARED:?}", starts - 1);
        return ExitCode::from(2);
    }
    let mut steps = 0;
    for seed in from..to {
        let found = match options.start {
            Some(start) => walk_from(start as usize, seed),
            None => walk(seed),
        };
        steps += found.states;
        if let Some((why, trace)) = found.broken {
            say(&format!("{}\n{why}\nfailing walk {seed}", trace.join("\n")));
            return ExitCode::FAILURE;
        }
    }
    say(&format!("{} walks, {steps} steps", to - from));
    ExitCode::SUCCESS
}

fn all(start: u64, options: &Options) -> ExitCode {
    options.plant();
    if start >= STARTS.len() as u64 {
        eprintln!("error: there are starts 0 to {}: {STARTS:?}", STARTS.len() - 1);
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut failed = false;
    for lease in [true, false] {
        for (name, budget) in small_budgets() {
            let found = explore(start as usize, lease, budget, STATES_MAX);
            let end = if found.complete { "complete" } else { "cut off" };
            say(&format!("start {start}, lease {lease}, {name}: {} states, {end}", found.states));
            if let Some((why, trace)) = found.broken {
                say(&format!("{}\n{why}", trace.join("\n")));
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Where a search of all orders gives up.
const STATES_MAX: usize = 2_000_000;

/// Only the tool's own time limit is measured by a clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
