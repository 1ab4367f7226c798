//! Tests of the whole store on a simulated disk.

mod crash;
mod disk;
mod model;
mod random;
mod rig;
mod rng;
mod workload;
