//! The topology map: peers, disks, policies and PG tables under one epoch. It is what a peer needs
//! to place and to serve, and every store keeps the newest one.

mod delta;
mod disk;
mod json;
mod table;
mod topology;

pub use delta::{DeltaError, MapDelta, MapUpdate, map_delta};
pub use disk::MapDisk;
pub use json::map_json;
pub use table::MapTable;
pub use topology::TopologyMap;

#[cfg(test)]
mod tests;
