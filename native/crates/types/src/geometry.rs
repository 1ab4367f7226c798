//! Sizes of the address space. What may vary is recorded in superblock or policy, not here.

/// Block: unit of checksum and of atomicity, in bytes.
pub const BLOCK_BYTES: usize = 4096;
/// Blocks of one chunk (unit of indexing) on SSD and NVMe; recorded in the superblock.
pub const CHUNK_BLOCKS_DEFAULT: u32 = 32;
/// Blocks of one extent (unit of placement) of a replicated policy: 4 MiB; recorded in the policy.
pub const EXTENT_BLOCKS_DEFAULT: u32 = 1024;
/// Most blocks of one replication message: 1 MiB. The head splits larger requests.
pub const MESSAGE_BLOCKS_MAX: u32 = 256;
