//! The threads of the data process: they own sockets, disks and devices, and drive the state
//! machines of `engine`, `store`, `meta` and `nbd`, which decide.

pub mod clock;
pub mod config;
pub mod control;
pub mod disk;
pub mod io_thread;
pub mod kernel_devices;
pub mod machine;
pub mod meta_thread;
pub mod metrics;
pub mod peer;
pub mod process;
pub mod random;
pub mod ring;
mod run;
mod socket_file;
pub mod store_thread;
pub mod supervisor;
pub mod tag;

pub use run::run;
