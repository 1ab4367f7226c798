//! What goes into a [`super::Member`] and what comes out.

use shoal_types::{
    DiskId, HeadEpoch, LayerId, PgEpoch, PgId, PgView, Refusal, Reply, Request, StoreError,
    StoreOp, StoreReply, Version, VolumeId,
};

/// Where an answer goes: the caller's handle of (connection, request id). Comes back unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyTo(pub u64);

/// What the store recovered at start.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub heads: Vec<(VolumeId, HeadEpoch)>,
    pub pgs: Vec<(PgId, PgEpoch)>,
    /// Watermark and newest version of each (volume, PG).
    pub watermarks: Vec<(VolumeId, PgId, Version, Version)>,
    pub layers: Vec<(VolumeId, LayerId)>,
    /// Deleted, not yet forgotten.
    pub deleted_layers: Vec<(VolumeId, LayerId)>,
}

#[derive(Clone, Debug)]
pub struct MemberConfig {
    pub disk: DiskId,
    /// False: this store was made in place of one that was lost (rule 30). It refuses everything in
    /// each PG until a `full` join of that PG began, this time or at an earlier start. A store that
    /// was rolled back or damaged must be formatted anew before it is opened so; and the cluster
    /// record must have marked the disk `full` before.
    pub fit: bool,
    /// Most bytes of a resync asked for and not yet stored, per PG.
    pub copy_window_bytes: u32,
}

#[derive(Clone, Debug)]
pub enum MemberEvent {
    Request {
        to: ReplyTo,
        request: Request,
    },
    /// The store finished the op of this token.
    Store {
        token: u64,
        result: Result<StoreReply, StoreError>,
    },
    /// A view of a PG of which this disk is (or was) a member. Older ones are ignored. One that
    /// names this disk as the joiner starts the session; one that does not ends it.
    View(PgView),
    /// Answer to `Ask`.
    Answer {
        disk: DiskId,
        request_id: u64,
        reply: Reply,
    },
    /// The connection to another disk (a copy's source) broke.
    Disconnected {
        disk: DiskId,
    },
    Connected {
        disk: DiskId,
    },
    /// A volume's layer was deleted in the cluster state.
    DeleteLayer {
        layer: LayerId,
    },
    /// Every member confirmed its deletion: the tombstone may go.
    /// The view of this epoch leaves this disk out, and has for a while: what it holds of the group may go.
    Left {
        pg: PgId,
        epoch: PgEpoch,
    },
    ForgetLayer {
        layer: LayerId,
    },
    /// A block of this store cannot be read: fetch its bytes from another in-sync member. Reads that
    /// fail do so by themselves.
    Repair {
        pg: PgId,
        layer: LayerId,
        block: u64,
    },
    /// The cluster record counts this disk as in sync in a group from this epoch on, and nothing says that
    /// its data is worth nothing there: a group that was made with it, or was filled meanwhile (rule 30).
    Admit {
        pg: PgId,
        epoch: PgEpoch,
    },
    /// The store reported that it cannot go on (or was found unfit): refuse everything.
    StoreFenced,
}

#[derive(Clone, Debug)]
pub enum MemberOutput {
    /// Submit to the store, in this order.
    Store { token: u64, op: StoreOp },
    /// Answer a request. Everything it promises is durable.
    Reply { to: ReplyTo, reply: Reply },
    /// As the joiner: ask another disk's member.
    Ask { disk: DiskId, request_id: u64, request: Request },
    /// All is copied: ask the cluster to mark this disk in sync (rule 26). Said once; the caller
    /// asks until a newer view of the PG shows that it was heard.
    JoinDone { pg: PgId, join_at: PgEpoch, source: DiskId },
    /// This session cannot end well: ask the cluster for a new joining epoch (rule 25). Said once;
    /// the caller asks, with growing pauses, until a newer view of the PG comes.
    JoinFailed { pg: PgId, join_at: PgEpoch, reason: JoinFailure },
    /// What came of a bad block.
    RepairEnded { pg: PgId, layer: LayerId, block: u64, outcome: RepairOutcome },
    /// The layer is gone durably.
    LayerDeleted { layer: LayerId },
    /// The store is out for good; every request is refused from here on.
    StoreLost { error: StoreError },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairOutcome {
    /// Durable; or the block was written or deleted meanwhile.
    Repaired,
    /// Every in-sync member was asked, and every copy is bad.
    Lost,
    /// Someone could not be asked, or holds other bytes just now: to be tried again later.
    Postponed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinFailure {
    /// A session of this epoch ran before the restart; what it wrote live is not known any more.
    Restarted,
    /// No other member is in sync.
    NoSource,
    SourceLeft {
        source: DiskId,
    },
    SourceRefused {
        source: DiskId,
        refusal: Refusal,
    },
    Store(StoreError),
}

/// How far a resync is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinProgress {
    pub pg: PgId,
    pub join_at: PgEpoch,
    pub source: DiskId,
    pub phase: JoinPhase,
    pub blocks_copied: u64,
    pub bytes_copied: u64,
    /// Blocks known so far to be needed; grows while the source's list is read.
    pub blocks_listed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinPhase {
    /// Asking the source to install the epoch (rule 20).
    Opening,
    /// Installing it here, and listing what may be left over here (rule 21).
    Listing,
    /// Replacing what was unsettled here.
    Cleaning,
    /// Copying the rest (rule 23).
    Copying,
    Done,
}
