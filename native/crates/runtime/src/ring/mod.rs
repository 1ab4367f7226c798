//! One io_uring per thread, and the ways other threads wake it.

mod mailbox;
mod reactor;

#[cfg(test)]
mod tests;

pub use mailbox::{Mailbox, Sender, mailbox};
pub use reactor::{Completion, Reactor};
