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
                    let seed = next.fetch_add(1, Ordering::Relaxed);
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

/// Only the tool's own time limit is measured by a clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
