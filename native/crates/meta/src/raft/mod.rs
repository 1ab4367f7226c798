//! Consensus: the Raft library behind our own trait, codec and gate.
//!
//! Sans-IO: ticks, messages and proposals in; messages, applied commands and confirmed reads out.
//! The library is never shown a byte from the network: messages have an own codec, and `admit`
//! refuses whatever an honest peer would not send now. If it panics all the same, it is dropped
//! and built anew from what is durable; the cluster state is not inside it.

mod admit;
mod conf_change;
mod election;
mod log_cache;
mod message;
mod node;
mod pending_reads;
mod ready;
mod rebuild;

pub use admit::Refused;
pub use message::{MESSAGE_BYTES_MAX, MessageKind, RaftMessage};
pub use node::{AppliedEntry, Effects, Fatal, NotProposed, RaftConfig, RaftNode, found, refound};

#[cfg(test)]
mod chaos;
#[cfg(test)]
pub(crate) mod cluster_fixture;
#[cfg(test)]
pub(crate) use cluster_fixture as test_world;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
