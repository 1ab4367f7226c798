//! The member of one store: refuses what is old, turns requests into store operations, answers
//! when they are durable; as a joiner brings its store up to date.
//!
//! `Member::new(config, recovered)`, then `handle(event, &mut outputs)` for every event; outputs
//! are to be carried out in order (store operations above all). `Member::resend_asks(disk)` is
//! implied by `Connected`. `progress()` lists the resyncs under way.

mod api;

pub use api::{
    JoinFailure, JoinPhase, JoinProgress, MemberConfig, MemberEvent, MemberOutput, Recovered,
    ReplyTo,
};
