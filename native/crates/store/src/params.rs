//! What a store is told at format and at every start.

use shoal_types::DiskId;

/// Which store on which disk of which cluster; recorded in the superblock at format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster_id: [u8; 16],
    pub disk: DiskId,
    /// Random, new at every format: tells this store from an earlier one on the same disk.
    pub store_uuid: [u8; 16],
    /// Incarnation of the cluster at format.
    pub incarnation: u64,
}

/// Everything that `Format` needs.
#[derive(Clone, Copy, Debug)]
pub struct FormatParams {
    pub identity: Identity,
    /// Size of the disk; the part beyond a multiple of 4096 bytes is not used.
    pub device_bytes: u64,
    /// The data log begins beyond this position (`Store::log_position`): a store that is made anew
    /// under the name of a damaged one must not look like an older image of it. 0 for a new one.
    pub log_beyond: u64,
}

/// Everything that `Recovery` needs; the budget holds until `Store::set_budget`.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Refuse a store of another cluster.
    pub cluster_id: [u8; 16],
    /// Refuse another disk's store; `None` takes whichever disk this is.
    pub disk: Option<DiskId>,
    pub device_bytes: u64,
    /// Random, new at every start; written into every batch header.
    pub start_id: u64,
    pub budget: Budget,
}

/// Bounds on memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Data that is logged but not yet in cells. At the bound writes wait for the fold.
    pub dirty_bytes: u64,
    /// Checksums read back from disk.
    pub crc_cache_bytes: u64,
    /// Index pages. At the bound writes that need new entries are refused with NoSpace.
    pub index_bytes: u64,
    /// Disk writes of a fold or checkpoint in flight at once.
    pub background_depth: u32,
    /// Of them while there is room (docs/store.md).
    pub gentle_depth: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            dirty_bytes: 64 << 20,
            crc_cache_bytes: 16 << 20,
            index_bytes: 512 << 20,
            background_depth: 16,
            gentle_depth: 2,
        }
    }
}
