//! The kernel's userspace block driver (ublk), in pieces for a ring that serves other things too.
//!
//! `Control` makes, starts, stops and recovers devices by blocking commands of a control thread.
//! `Queue` holds no ring and no thread: it makes the entries that its owner puts into his own ring,
//! and turns their completions into requests. `DeviceDir` remembers on /run what a device is, so
//! that another process can take it back or remove it. Sequences and formats: docs/formats/ublk.md.

pub mod aligned_buffer;
pub mod claim;
pub mod control;
pub mod control_error;
pub mod device;
pub mod device_dir;
pub mod device_info;
pub mod device_record;
pub mod device_spec;
pub mod list;
pub mod queue;
pub mod recovery;
pub mod request;
pub mod tag_buffers;
pub mod uapi;
pub mod verdict;

pub use aligned_buffer::AlignedBuffer;
pub use claim::Claim;
pub use control::Control;
pub use control_error::ControlError;
pub use device::Device;
pub use device_dir::DeviceDir;
pub use device_info::{DeviceInfo, DeviceState, Features, OwnerTag};
pub use device_record::{DeviceRecord, RecordError};
pub use device_spec::{DeviceSpec, SpecError};
pub use queue::{Event, Queue};
pub use recovery::Begun;
pub use request::{Op, Request};
pub use tag_buffers::TagBuffers;
pub use verdict::{Verdict, judge};
