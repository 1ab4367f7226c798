//! Every bound of the cluster state, with its unit.

/// Bytes of a peer, policy, volume or cluster name.
pub const NAME_BYTES_MAX: usize = 63;
pub const ADDRESSES_PER_PEER_MAX: usize = 16;
/// Bytes of one address, path or domain.
pub const TEXT_BYTES_MAX: usize = 255;
pub const PEERS_MAX: usize = 10_000;
/// The topology map names disks by a 16-bit position.
pub const DISKS_MAX: usize = 65_535;
pub const POLICIES_MAX: usize = 256;
pub const VOLUMES_MAX: usize = 100_000;
pub const EXPORTS_MAX: usize = 100_000;
pub const TOKENS_MAX: usize = 1_024;
/// Placement groups of one policy; a power of two.
pub const PG_COUNT_MAX: u32 = 262_144;
/// Placement groups of all policies together. Control is given all of them as one text, and the
/// cluster state's thread waits while that is made: it must take less than a lease.
pub const PGS_TOTAL_MAX: usize = 1 << 18;
pub const REPLICAS_MAX: u8 = 7;
/// Data and parity shards of one stripe together.
pub const SHARDS_MAX: u8 = 16;
/// Blocks of one extent.
pub const EXTENT_BLOCKS_MAX: u32 = 65_536;
/// 64 TiB.
pub const VOLUME_BYTES_MAX: u64 = 1 << 46;
/// A volume ends on a whole block of the store.
pub const VOLUME_ALIGN_BYTES: u64 = 4096;
pub const EVENTS_MAX: usize = 1_000;
pub const EVENT_BYTES_MAX: usize = 1_024;
/// Answers kept for retried proposals, and their bytes.
pub const ANSWERS_MAX: usize = 4_096;
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Encoded bytes of one proposal.
pub const PROPOSAL_BYTES_MAX: usize = 8 << 20;
/// Records of changed map parts kept for deltas.
pub const CHANGES_MAX: usize = 1 << 18;
/// Labels of one disk, or asked for by one policy.
pub const LABELS_MAX: usize = 32;
/// Members that may fill up at the same time, at most.
pub const MOVES_MAX: u32 = 65_536;
/// Bytes per second: 1 TiB/s, above any disk.
pub const RATE_MAX: u64 = 1 << 40;
/// Fenced attachments remembered per volume.
pub const FENCED_MAX: usize = 64;
/// 2^31 shares; integers of placement stay far from overflow.
pub const WEIGHT_MAX: u32 = 1 << 31;
/// Voters may be 1, 3, 5 or 7; one more while one is replaced.
pub const VOTERS_MAX: usize = 8;
/// Of a session lease, in milliseconds.
pub const LEASE_MS_MIN: u64 = 500;
pub const LEASE_MS_MAX: u64 = 60_000;
/// The newest cluster level that this program runs.
pub const LEVEL_NEWEST: u32 = 1;
