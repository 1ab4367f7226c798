//! The consensus log and the newest snapshot, durable.
//!
//! `DirLog` holds the formats and the order of operations on top of a directory; the directory is
//! the real one (`FsDir`) or one in memory that can lose what was not synced (`MemDir`).
//! AN ERROR OF A WRITE OR A SYNC IS FATAL: it is never retried, the process stops.

mod dir;
mod dir_log;
mod entry;
mod fs_dir;
mod mem_dir;
mod record;

pub use dir::Dir;
pub use dir_log::{DirLog, LogError};
pub use entry::{HardState, LogEntry, Payload, Position, ProposalBytes, Recovered, Snapshot};
pub use fs_dir::FsDir;
pub use mem_dir::MemDir;

/// What consensus needs of a disk. Each call is durable when it returns.
pub trait LogStore {
    /// Replaces everything from the first entry's index on, and the hard state.
    fn append(&mut self, hard_state: HardState, entries: &[LogEntry]) -> Result<(), LogError>;

    /// The log begins anew after `start`, with `entries`; the snapshot replaces the older one.
    fn replace(
        &mut self,
        snapshot: &Snapshot,
        hard_state: HardState,
        start: Position,
        entries: &[LogEntry],
    ) -> Result<(), LogError>;

    /// Reads back what is durable.
    fn load(&mut self) -> Result<Recovered, LogError>;
}

#[cfg(test)]
mod crash_states;
#[cfg(test)]
mod tests;
