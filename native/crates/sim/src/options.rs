//! The command line.

use std::time::Duration;

pub const USAGE: &str = "\
usage: shoal-sim --seed N                                 one seed, with its trace
       shoal-sim --seeds A..B [--jobs J] [--for 40s] [--every K]  many; exit 1 when one fails
       shoal-sim --walks A..B [--from N]                  short ones, in the smallest world
       shoal-sim --all N                                  all orders from prepared start N

--jobs   threads; all cores if it is not given
--every  one seed in so many: those of one kind
--from   walks from this prepared start, else from each in turn
--for    begin no seed after so long: 40s, 10m or 2h";

pub struct Options {
    pub task: Task,
    pub jobs: usize,
    pub limit: Option<Duration>,
    pub every: u64,
    pub start: Option<u64>,
    #[cfg(feature = "planted")]
    bug: Option<shoal_engine::planted::Bug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Help,
    One { seed: u64 },
    Many { from: u64, to: u64 },
    Walks { from: u64, to: u64 },
    All { start: u64 },
}

impl Options {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut task = None;
        let mut options = Self {
            task: Task::Help,
            jobs: std::thread::available_parallelism().map_or(1, |n| n.get()),
            limit: None,
            every: 1,
            start: None,
            #[cfg(feature = "planted")]
            bug: None,
        };
        while let Some(name) = args.next() {
            if matches!(name.as_str(), "--help" | "-h") {
                return Ok(options);
            }
            let mut value = || args.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--seed" => set(&mut task, Task::One { seed: number(&value()?)? })?,
                "--seeds" => set(&mut task, range(&value()?)?)?,
                "--walks" => match range(&value()?)? {
                    Task::Many { from, to } => set(&mut task, Task::Walks { from, to })?,
                    _ => unreachable!("a range"),
                },
                "--all" => set(&mut task, Task::All { start: number(&value()?)? })?,
                "--jobs" => options.jobs = jobs(&value()?)?,
                "--every" => options.every = number(&value()?)?.max(1),
                "--from" => options.start = Some(number(&value()?)?),
                "--for" => options.limit = Some(duration(&value()?)?),
                #[cfg(feature = "planted")]
                "--bug" => options.bug = Some(bug_named(&value()?)?),
                other => return Err(format!("{other}: no such option")),
            }
        }
        options.task = task.ok_or("say which seeds: --seed N or --seeds A..B")?;
        Ok(options)
    }

    /// Switches the planted bug on in this thread, if one was asked for.
    #[cfg(feature = "planted")]
    pub fn plant(&self) {
        shoal_engine::planted::plant(self.bug);
    }

    #[cfg(not(feature = "planted"))]
    pub fn plant(&self) {}
}

fn set(task: &mut Option<Task>, to: Task) -> Result<(), String> {
    match task.replace(to) {
        None => Ok(()),
        Some(_) => Err("either one --seed or one --seeds".to_owned()),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text}: not a number from 0 to {}", u64::MAX))
}

fn range(text: &str) -> Result<Task, String> {
    let (from, to) = text.split_once("..").ok_or(format!("{text}: seeds are given as A..B"))?;
    let (from, to) = (number(from)?, number(to)?);
    if from >= to {
        return Err(format!("{text}: no seed lies in it; the second number is not one of them"));
    }
    Ok(Task::Many { from, to })
}

/// More threads than that help nobody.
const JOBS_MAX: u64 = 1024;

fn jobs(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("--jobs: at least 1".to_owned()),
        many if many > JOBS_MAX => Err(format!("--jobs: at most {JOBS_MAX}")),
        jobs => Ok(jobs as usize),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.len() - usize::from(text.ends_with(['s', 'm', 'h'])));
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        _ => 1,
    };
    let seconds = number(digits).ok().and_then(|n| n.checked_mul(seconds));
    seconds.map(Duration::from_secs).ok_or(format!("{text}: no time; 40s, 10m or 2h"))
}

#[cfg(feature = "planted")]
fn bug_named(name: &str) -> Result<shoal_engine::planted::Bug, String> {
    let all = shoal_engine::planted::Bug::ALL;
    let named = all.iter().find(|bug| format!("{bug:?}") == name);
    named.copied().ok_or_else(|| format!("{name}: no such bug; there are {all:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn takes_what_the_usage_says() {
        let options = parse("--seeds 3..9 --jobs 2 --for 2m").expect("it is right");
        assert_eq!(options.task, Task::Many { from: 3, to: 9 });
        assert_eq!((options.jobs, options.limit), (2, Some(Duration::from_secs(120))));
        assert_eq!(parse("--seed 7").expect("right").task, Task::One { seed: 7 });
        assert_eq!(parse("--help").expect("right").task, Task::Help);
    }

    #[test]
    fn refuses_the_rest() {
        for line in [
            "",
            "--seed",
            "--seed x",
            "--seed -1",
            "--seed 1 --seed 2",
            "--seed 1 --seeds 1..2",
            "--seeds 5",
            "--seeds 5..5",
            "--seeds 9..5",
            "--seeds ..5",
            "--seeds 1..2 --jobs 0",
            "--seeds 1..2 --jobs 9999999",
            "--seeds 1..2 --for s",
            "--seeds 1..2 --for 99999999999999999999h",
            "--seeds 1..2 --fast",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
