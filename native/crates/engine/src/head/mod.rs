//! The head of one volume: orders its I/O, keeps its replicas equal.
//!
//! `Head::new(config, now_us)`, then `handle(now_us, event, &mut commands)` for every event; the
//! commands are to be carried out in order. `next_deadline_us()` says when a `Tick` is due (`None`:
//! nothing to wait for). `status()` is cheap.

mod api;

pub use api::{
    ClientError, ClientOp, ClientReply, HeadCommand, HeadConfig, HeadEvent, HeadPhase, HeadStatus,
    HeadTiming, OpTrace, ReadMode, ReportReason, Segment,
};
