//! The kernel's nbd client as a front end: `/dev/nbdN` on kernels without ublk. A socket pair
//! joins the device to `Connection::for_kernel`; the device is set up over generic netlink.
//!
//! `message` and `command` build and read messages, without I/O; `control` is the thin edge.

pub mod command;
pub mod control;
pub mod message;
mod socket;

pub use command::{Connect, DeviceStatus, Reconfigure};
pub use control::{KernelError, NbdControl, device_path};
