//! Cluster state and the consensus that replicates it.
//!
//! * [`state`]: the deterministic state machine: [`state::Command`] in, [`state::Outcome`] out.
//! * [`codec`]: the binary encoding of commands, snapshots and the topology map, and their bounds.
//! * [`map`]: the topology map: what every peer needs to place and to serve.
//! * [`log_store`]: the consensus log and its snapshots in a directory.
//! * [`raft`]: consensus, sans-IO, behind an admit gate.
//! * [`local`]: what one peer makes of the state, and what it asks of the cluster.
//! * [`follow`]: how peers that do not vote hold the same state.
//! * [`voting`]: who shall vote.
//! * [`service`]: what a runtime drives: sessions, judgements, forwarding, reads.
//!
//! Formats are drawn in docs/formats/meta.md. Nothing here reads a clock or draws a random number.

pub mod codec;
pub mod follow;
pub mod hex;
pub mod local;
pub mod log_store;
pub mod map;
pub mod raft;
pub mod service;
pub mod state;
pub mod voting;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
pub(crate) mod seeded;
