//! The replication protocol as sans-IO state machines: production runtime and simulator run the
//! same code. Nothing in here reads a clock, draws a random number or touches network or disk.
//! The rules, by number: `docs/protocol.md`.
//!
//! - [`insync`]: the cluster record of a PG and its compare-and-set changes; judging removals.
//! - [`lease`]: holder and granter side of the session lease.
//! - [`head`]: orders one volume's I/O.
//! - [`member`]: guards one store; also the joiner's side of a resync.

mod common;
pub mod cover;
pub mod head;
pub mod insync;
pub mod lease;
pub mod member;
pub mod planted;
