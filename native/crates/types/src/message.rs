//! Replication messages between heads and members, and between members (resync).
//!
//! Rule numbers are those of docs/protocol.md. How they look on the wire: crate `wire`.

use bytes::Bytes;

use crate::{DiskId, HeadEpoch, LayerId, MapEpoch, PgEpoch, PgId, Version, VolumeId};

/// In which role the sender believes the receiver to be (rules 4, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    InSync,
    Joining { join_at: PgEpoch },
}

/// How a block's bytes are stored. Reserved from the start (DESIGN 10): anything but `PLAIN` is
/// refused until compression and encryption exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    pub codec: u8,
    pub cipher: u8,
    pub stored_len: u16,
}

impl Encoding {
    pub const PLAIN: Self = Self { codec: 0, cipher: 0, stored_len: 4096 };
}

/// What a run of consecutive blocks becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `data.len() == crcs.len() * BLOCK_BYTES`; `crcs[i]` is `checksum::block_crc` of block i.
    Data { data: Bytes, crcs: Vec<u32>, encoding: Encoding },
    /// Reads as zeros and does not fall through to the parent layer (discard, write-zeroes).
    Zero { blocks: u32 },
    /// The same of a client, while every member of the PG is in sync and nobody joins: who holds
    /// nothing of a block keeps nothing of this either (rule 31).
    Clear { blocks: u32 },
}

impl Body {
    pub fn blocks(&self) -> u32 {
        match self {
            Self::Data { crcs, .. } => crcs.len() as u32,
            Self::Zero { blocks } | Self::Clear { blocks } => *blocks,
        }
    }
}

/// One stored block as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// Never written in this layer: look in the parent layer, or zeros.
    Absent,
    /// Discarded in this layer: zeros.
    Zero,
    Data {
        data: Bytes,
        crc: u32,
    },
}

/// A block of a collect or copy list: what is stored, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryInfo {
    pub layer: LayerId,
    pub block: u64,
    pub version: Version,
    /// PG epoch under which the entry was written.
    pub stamp: PgEpoch,
    pub kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    Data,
    Zero,
    /// Nothing is stored (only in copy lists: "absent at the source" is copied too).
    Absent,
}

/// A write as stamped by the head (rules 4–8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    pub volume: VolumeId,
    pub pg: PgId,
    pub layer: LayerId,
    /// First block; the run lies within one extent.
    pub block: u64,
    pub version: Version,
    /// The stamp: epoch of the view under which the head sent it.
    pub pg_epoch: PgEpoch,
    pub watermark: Version,
    pub role: Role,
    pub body: Body,
}

/// Asks one member of `volume`'s PG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Write(WriteRequest),
    /// Served only with exactly this head epoch installed and pe ≤ `pg_epoch` (rule 27).
    Read {
        volume: VolumeId,
        pg: PgId,
        layer: LayerId,
        block: u64,
        blocks: u32,
        head_epoch: HeadEpoch,
        pg_epoch: PgEpoch,
    },
    /// Collect round: install both durably, then list what is unsettled (rule 12). Pages: a
    /// continuation repeats the request with `after` = last entry of the page before.
    Install {
        volume: VolumeId,
        pg: PgId,
        head_epoch: HeadEpoch,
        pg_epoch: PgEpoch,
        role: Role,
        after: Option<(LayerId, u64)>,
    },
    /// One block's bytes at exactly `version`, for roll-forward.
    ReadEntry {
        volume: VolumeId,
        pg: PgId,
        head_epoch: HeadEpoch,
        entry: EntryInfo,
    },
    /// Confirmed mode: neither epoch is newer at the member (rule 29).
    Confirm {
        volume: VolumeId,
        head_epoch: HeadEpoch,
        pgs: Vec<(PgId, PgEpoch)>,
    },
    /// Idle watermarks, so that a take-over stays bounded (protocol D). Role in-sync only.
    Settle {
        volume: VolumeId,
        head_epoch: HeadEpoch,
        pgs: Vec<(PgId, PgEpoch, Version)>,
    },
    /// Joiner C to its source S: install pe ≥ `join_at`, answer the heads of all volumes (rule 20).
    JoinOpen {
        pg: PgId,
        join_at: PgEpoch,
        joiner: DiskId,
        /// The next page: volumes behind this one.
        after: Option<VolumeId>,
    },
    /// What S holds with stamp ≥ `since` (rule 23), in (layer, block) order, `after` the cursor.
    CopyList {
        pg: PgId,
        join_at: PgEpoch,
        since: PgEpoch,
        after: Option<(LayerId, u64)>,
    },
    /// Current content of a run of blocks at S, with versions and stamps (rule 23).
    CopyRead {
        pg: PgId,
        join_at: PgEpoch,
        layer: LayerId,
        block: u64,
        blocks: u32,
    },
    /// A layer exists from here on; must precede its first write (idempotent).
    OpenLayer {
        volume: VolumeId,
        layer: LayerId,
        head_epoch: HeadEpoch,
    },
    /// Nothing but "are you there": answered from the member's own thread.
    Ping,
}

/// Why a member did not do it. Carries what the asker needs to catch up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A newer head epoch is installed: the asker is deposed.
    StaleHead { installed: HeadEpoch },
    /// A newer PG epoch was seen: refresh the view and re-stamp.
    StalePg { seen: PgEpoch },
    /// The member has not installed this head epoch: collect first (rule 27).
    NotInstalled { installed: HeadEpoch },
    /// No session with this `join_at` (rule 4, 25).
    NoSession,
    /// The store is wiped, rolled back or damaged: it takes part in nothing (rule 30).
    Unfit,
    /// The member does not hold this PG.
    NotMember,
    /// The volume (or layer) was deleted here.
    Deleted,
    /// No cell left above the hard reserve; nothing was written.
    NoSpace,
    /// The store is fenced after a disk error.
    Fenced,
    /// These bytes fail their checksum, or cannot be read; ask another copy.
    BadBlock,
    /// `ReadEntry`: the block has no such version any more.
    NotFound,
}

/// Answers a `Request`; which one is told by the frame's request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Durable under exactly this version and stamp. `free_blocks`: what the store can still
    /// admit above its soft limit; the head decides ENOSPC by it *before* it sends.
    Written {
        version: Version,
        pg_epoch: PgEpoch,
        free_blocks: u32,
    },
    Blocks {
        blocks: Vec<BlockState>,
    },
    Installed {
        entries: Vec<EntryInfo>,
        watermark: Version,
        newest: Version,
        more: bool,
    },
    Entry {
        state: BlockState,
    },
    Confirmed,
    Settled,
    JoinOpened {
        heads: Vec<(VolumeId, HeadEpoch)>,
        layers: Vec<(VolumeId, LayerId)>,
        /// S's watermark and newest version of each volume in this PG: the joiner takes them over
        /// once nothing is left of what it held unsettled itself (docs/protocol.md rules 5, 31).
        marks: Vec<(VolumeId, Version, Version)>,
        /// Of volumes behind those that are named here, too.
        more: bool,
    },
    CopyList {
        entries: Vec<CopyEntry>,
        more: bool,
    },
    CopyBlocks {
        blocks: Vec<CopyBlock>,
    },
    LayerOpened,
    Pong {
        map_epoch: MapEpoch,
    },
    Refused(Refusal),
}

/// One chunk's worth of a copy list: bit i of `mask` = block `block + i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CopyEntry {
    pub volume: VolumeId,
    pub layer: LayerId,
    /// First block of the chunk.
    pub block: u64,
    pub mask: u32,
    /// Newest stamp among the blocks in `mask`.
    pub stamp: PgEpoch,
}

/// One block as copied in a resync: keeps the source's version and stamp (rule 23).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyBlock {
    pub version: Version,
    pub stamp: PgEpoch,
    pub state: BlockState,
}
