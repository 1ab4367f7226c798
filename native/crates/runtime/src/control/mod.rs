//! The control socket: what the control process asks of the data process (docs/formats/control.md).

mod client;
mod frame;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Call, Responder};
pub use frame::{ControlError, FRAME_BYTES_MAX};
pub use server::ControlServer;
