//! The threads of the data process: they own sockets, disks and devices, and drive the state
//! machines of `engine`, `store`, `meta` and `nbd`, which decide.

pub mod clock;
pub mod control;
pub mod disk;
pub mod process;
pub mod ring;

pub fn run(_config: &str) -> std::io::Result<i32> {
    Ok(0)
}
