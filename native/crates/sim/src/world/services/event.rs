//! What happens at one peer's process, as far as the record is concerned.

use shoal_engine::insync::Probe;
use shoal_types::{DiskId, PeerId};

#[derive(Clone, Debug)]
pub enum RecordEvent {
    Tick,
    Message {
        from: PeerId,
        bytes: Vec<u8>,
    },
    /// The connection to that peer broke.
    Disconnected {
        from: PeerId,
    },
    /// What the service said is there to be dealt with.
    Inlet,
    /// The leader's own attempt to reach a disk ended.
    Probed {
        disk: DiskId,
        probe: Probe,
    },
    /// A disk that could not be announced is opened again.
    Open {
        disk: DiskId,
    },
    /// A disk that was held back is in again.
    Back {
        disk: DiskId,
    },
    /// What was not granted is asked for again.
    Retry,
    /// At the leader: a voter loses its log, and the leader is away.
    Forget {
        voter: u64,
    },
}

impl RecordEvent {
    /// Tells it from others in the trace's hash.
    pub fn number(&self) -> u64 {
        match self {
            Self::Tick => 1,
            Self::Message { from, bytes } => 2 + (from.0 << 8) + ((bytes.len() as u64) << 16),
            Self::Disconnected { from } => 3 + (from.0 << 8),
            Self::Inlet => 4,
            Self::Probed { disk, probe } => 5 + ((*probe as u64) << 4) + (disk.0 << 8),
            Self::Open { disk } => 7 + (disk.0 << 8),
            Self::Back { disk } => 8 + (disk.0 << 8),
            Self::Retry => 9,
            Self::Forget { voter } => 10 + (voter << 8),
        }
    }
}
