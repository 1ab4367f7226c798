//! What peers say to each other, and how they know whom they talk to: frames and messages, the
//! hello, identities, and TLS sessions. Sans-IO: sockets, clock and disk belong to the callers.

pub mod codec;
mod cursor;
pub mod frame;
pub mod hello;
pub mod identity;
pub mod link;
pub mod service;
pub mod session;
#[cfg(test)]
mod testing;
pub mod trust;

pub use cursor::Malformed;
