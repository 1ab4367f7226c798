//! What a disk can do to what was entrusted to it.

use shoal_types::DiskId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The next write or sync fails; what of it is stable is unknown.
    WriteError,
    /// The next read fails.
    ReadError,
    /// A bit flips.
    Rot,
    /// The next write is answered and does not happen.
    LostWrite,
    /// Some sectors of the next write do not happen.
    TornWrite,
    /// The next write goes to another place.
    MisdirectedWrite,
}

/// Why a store did not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    OtherDisk { found: DiskId },
    Damaged(String),
}
