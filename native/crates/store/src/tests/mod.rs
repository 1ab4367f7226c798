//! Tests of the whole store on a simulated disk.

mod corrupt;
mod crash;
mod disk;
mod full;
mod model;
mod random;
mod rig;
mod rng;
mod workload;
