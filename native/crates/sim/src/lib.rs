//! A seeded simulator: whole clusters of the production head, member, in-sync and lease code in
//! one thread, over simulated network, disks and clocks, with faults, and checked.
//!
//! `run(seed, verbose)` plays one seed; equal seeds give equal traces.

mod any_store;
pub mod check;
mod disk_fault;
mod disk_store;
mod growth;
mod medium;
mod model_image;
pub mod model_store;
pub mod plan;
pub mod report;
pub mod rng;
pub mod search;
mod trace;
pub mod world;

use std::collections::BTreeMap;

use shoal_engine::cover;
use world::{Counts, World};

/// What a seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub seed: u64,
    /// Of the whole trace.
    pub hash: u64,
    pub events: u64,
    pub simulated_us: u64,
    pub counts: Counts,
    pub failure: Option<String>,
    /// Named branches of the engine that the run took, where the build can tell.
    pub cover: BTreeMap<&'static str, u64>,
}

impl Outcome {
    /// Long and eventful enough to be counted among the seeds that were tried.
    pub fn is_counted(&self) -> bool {
        let counts = &self.counts;
        self.simulated_us >= 60_000_000
            && counts.ops >= OPS_COUNTED
            && counts.faults.values().sum::<u64>() >= 10
            && counts.faults.len() >= 3
            && counts.recoveries >= 1
    }
}

/// Requests of clients in a seed that counts.
pub const OPS_COUNTED: u64 = 1_000;

/// Plays one seed. A broken assertion of the production code is a failure like any other.
pub fn run(seed: u64, verbose: bool) -> Outcome {
    let play = || {
        let mut world = World::new(seed, verbose);
        world.run();
        Outcome {
            seed,
            hash: world.trace.hash(),
            events: world.trace.events(),
            simulated_us: world.now_us,
            counts: world.counts.clone(),
            failure: world.failure.clone(),
            cover: BTreeMap::new(),
        }
    };
    drop(cover::take());
    let outcome = std::panic::catch_unwind(play).unwrap_or_else(|panic| Outcome {
        seed,
        hash: 0,
        events: 0,
        simulated_us: 0,
        counts: Counts::default(),
        failure: Some(panic_text(&*panic)),
        cover: BTreeMap::new(),
    });
    Outcome { cover: cover::take(), ..outcome }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    format!("panic: {}", text.unwrap_or_default())
}
