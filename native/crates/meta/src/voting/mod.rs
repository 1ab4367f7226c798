//! Who shall vote: pure functions of the cluster state and of who is there.
//!
//! One voter up to two peers, three from three on, five from five on; spread over failure domains
//! as far as there are any, and changed no more than that asks for.

mod choice;
mod step;

pub use choice::{Attendance, VOTERS_WANTED_MAX, wanted_voters};
pub use step::{Answers, Step, next_step};

#[cfg(test)]
mod tests;
