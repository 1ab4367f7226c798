//! Figures that a store keeps of itself.

/// Counters since start, and gauges as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub cells_total: u64,
    /// Not used by data, index or checksums, and not waiting for the log tail either.
    pub cells_free: u64,
    /// Freed, but named by a live log record: free once the log tail has passed.
    pub cells_quarantined: u64,
    /// Blocks that clients may still write (`Store::free_blocks_soft`).
    pub blocks_writable: u64,
    /// Data blocks that the index places.
    pub blocks_stored: u64,
    pub data_log_bytes: u64,
    pub data_log_used: u64,
    pub meta_log_bytes: u64,
    pub meta_log_used: u64,
    /// Mutations waiting: for the commit in flight, for log room or for the fold.
    pub queued_ops: u64,
    pub commits: u64,
    pub committed_bytes: u64,
    pub folds: u64,
    pub folded_blocks: u64,
    pub fold_bytes: u64,
    pub checkpoints: u64,
    pub checkpoint_bytes: u64,
    pub direct_bytes: u64,
    pub bad_blocks: u64,
    /// Reads that the disk failed.
    pub read_errors: u64,
    /// Blocks that got their bytes back from another copy.
    pub repaired_blocks: u64,
    /// Index, checksum and root images and superblocks that a check found bad.
    pub bad_metadata: u64,
    pub refused_no_space: u64,
    /// What index and tables take in a root, and how much that may be before writes that need more
    /// are refused.
    pub root_bytes: u64,
    pub root_bytes_max: u64,
    pub tables_full: bool,
    pub fenced: bool,
    pub memory: Memory,
}

/// Memory in use by kind, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub index: u64,
    pub dirty: u64,
    pub crc_overlay: u64,
    pub crc_cache: u64,
    pub free_map: u64,
    pub tables: u64,
}

/// What a recovery read and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub root_bytes: u64,
    pub index_bytes: u64,
    pub meta_log_bytes: u64,
    pub data_log_bytes: u64,
    pub index_entries: u64,
    pub replayed_batches: u64,
    pub dirty_blocks: u64,
    /// Where the data log ended, before this start added to it: all that was ever durable.
    pub log_end: u64,
}
