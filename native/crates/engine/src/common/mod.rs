//! Containers with deterministic behaviour, made for many short-lived entries.

mod fast_hash;
mod range_locks;
mod slab;

pub(crate) use fast_hash::{FastMap, FastSet};
pub(crate) use range_locks::RangeLocks;
pub(crate) use slab::{Key, Slab};
