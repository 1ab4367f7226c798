//! What many seeds came to, in sum.

use std::collections::BTreeMap;
use std::fmt;

use crate::Outcome;

#[derive(Default)]
pub struct Report {
    pub seeds: u64,
    pub counted: u64,
    pub simulated_us: u64,
    faults: BTreeMap<&'static str, u64>,
    ops: BTreeMap<&'static str, u64>,
    ops_failed: u64,
    recoveries: u64,
    take_overs: u64,
    removals: u64,
    joins: u64,
    record_worlds: u64,
    commands: u64,
    record_messages: u64,
    blamed: u64,
    pub ops_in_silence: u64,
    cover: BTreeMap<&'static str, u64>,
}

impl Report {
    pub fn add(&mut self, outcome: &Outcome) {
        let counts = &outcome.counts;
        self.seeds += 1;
        self.counted += u64::from(outcome.is_counted());
        self.simulated_us += outcome.simulated_us;
        add_all(&mut self.faults, &counts.faults);
        add_all(&mut self.ops, &counts.op_kinds);
        add_all(&mut self.cover, &outcome.cover);
        self.ops_failed += counts.ops_failed;
        self.recoveries += counts.recoveries;
        self.take_overs += counts.take_overs;
        self.removals += counts.removals;
        self.joins += counts.joins;
        self.record_worlds += counts.record_worlds;
        self.commands += counts.commands;
        self.record_messages += counts.record_messages;
        self.blamed += counts.blamed;
        self.ops_in_silence += counts.ops_in_silence;
    }

    pub fn faults(&self) -> u64 {
        self.faults.values().sum()
    }
}

fn add_all(to: &mut BTreeMap<&'static str, u64>, from: &BTreeMap<&'static str, u64>) {
    for (name, count) in from {
        *to.entry(name).or_default() += count;
    }
}

/// Columns of the widest bar.
const BAR: u64 = 40;

fn histogram(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    of: &BTreeMap<&'static str, u64>,
) -> fmt::Result {
    writeln!(f, "{title}")?;
    let most = of.values().copied().max().unwrap_or(1).max(1);
    for (name, count) in of {
        let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
        writeln!(f, "  {name:<24} {count:>12}  {bar}")?;
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        histogram(f, "faults", &self.faults)?;
        histogram(f, "requests", &self.ops)?;
        let all = shoal_engine::cover::POINTS;
        let hit = all.iter().filter(|point| self.cover.contains_key(**point)).count();
        writeln!(f, "branches of the engine that are named: {hit} of {} taken", all.len())?;
        for point in all.iter().filter(|point| !self.cover.contains_key(**point)) {
            writeln!(f, "  never taken: {point}")?;
        }
        writeln!(
            f,
            "{} requests without success, {} recoveries, {} take-overs, {} removals, {} joins",
            self.ops_failed, self.recoveries, self.take_overs, self.removals, self.joins
        )?;
        writeln!(
            f,
            "production record: {} commands, {} messages, {} heads blamed, {} requests done while \
             nobody heard anybody of it",
            self.commands, self.record_messages, self.blamed, self.ops_in_silence
        )?;
        write!(
            f,
            "{} seeds, {} of them counted, {} with the production record, {:.1} simulated minutes, \
             {} faults",
            self.seeds,
            self.counted,
            self.record_worlds,
            self.simulated_us as f64 / 60e6,
            self.faults()
        )
    }
}
