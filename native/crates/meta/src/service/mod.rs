//! What a runtime drives on every peer: proposals, reads, sessions and judgements, wherever the
//! leader is. Sans-IO: time comes with each call, messages and results go out as [`Output`].
//!
//! * A peer that votes (or learns) runs consensus; any other follows a voter.
//! * A proposal goes to the leader and is answered when it was applied *here*. Whoever asks again
//!   with the same id gets the same answer.
//! * What rests on leases or reachability is judged by the leader: [`MetaService::take_head`],
//!   [`MetaService::report`].
//! * One session lease per peer. A GRANT IS SENT ONLY AFTER A ROUND, BEGUN AFTER THE REQUEST CAME,
//!   CONFIRMED THE LEADER; a new leader waits out one full lease before it calls one over. A grant
//!   names the index that its holder must have applied before it relies on it, so that a holder
//!   which lost a head meanwhile knows.

mod api;
mod authority;
mod following;
mod judgement;
mod lease_length;
mod message;
mod meta_service;
mod proposals;
mod reads;
mod sessions;
mod slow_disks;
mod succession;
mod voting;

pub use api::{Now, Output, ServiceConfig, ServiceInit, Unavailable};
pub use message::{ProposeRefused, ReportKind, ServiceMessage};
pub use meta_service::MetaService;

#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod promotion_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod voting_tests;
#[cfg(test)]
mod world;
