//! The disk a store lives on: a whole device, a partition or a file.

mod file;
pub mod port;
mod prepare;

pub use file::{DiskFile, DiskKind};
pub use prepare::{prepare_file, read_edges};
