//! In-sync sets as the cluster record keeps them (rules 1, 18, 19, 26, 30), all pure.
//!
//! The cluster state calls these inside its deterministic apply: equal record and arguments give
//! equal results on every voter. Each change is a compare-and-set and gives epoch + 1.

mod judge;
mod record;

pub use judge::{Evidence, Probe, RemovalReason, Report, Verdict, judge};
pub use record::{InsyncError, JoiningRecord, MemberRecord, PgRecord};

#[cfg(test)]
mod tests;
