//! Tests of the whole store on a simulated disk.

mod absent;
mod brink;
mod changed;
mod corrupt;
mod crash;
mod disk;
mod format;
mod full;
mod golden;
mod leak;
mod log;
mod map;
mod model;
mod pages;
mod random;
mod rig;
mod rng;
mod scrub;
mod snapshot;
mod sums;
mod tail;
mod workload;
