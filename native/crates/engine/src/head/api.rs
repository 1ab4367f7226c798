//! What goes into a [`super::Head`] and what comes out. All times are microseconds of the same
//! monotonic clock.

use bytes::Bytes;
use shoal_types::{
    DiskId, HeadEpoch, LayerId, LineageId, PgId, PgView, PolicyId, Reply, Request, VolumeId,
};

/// What a head needs to know of its volume. Fixed for the life of the head, but for `resize`.
#[derive(Clone, Debug)]
pub struct HeadConfig {
    pub volume: VolumeId,
    pub lineage: LineageId,
    /// The layer that takes the writes.
    pub layer: LayerId,
    pub size_bytes: u64,
    pub policy: PolicyId,
    pub pg_count: u32,
    pub blocks_per_extent: u32,
    pub min_in_sync: u32,
    /// Disks of the head's own peer: asked first for reads.
    pub local_disks: Vec<DiskId>,
    pub timing: HeadTiming,
}

/// How a read is known not to come from a deposed head (rules 28, 29).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// By the lease while it is valid, by a confirmation round when it has lapsed.
    Lease,
    /// By a confirmation round always.
    Confirmed,
}

/// Patience of a head, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadTiming {
    /// A member that leaves a write unanswered for so long is reported.
    pub report_after_us: u64,
    /// A read unanswered for so long is asked of another copy as well.
    pub read_retry_us: u64,
    /// What was refused for a passing reason is sent again after so long.
    pub retry_us: u64,
    /// A PG idle for so long sends its watermark by itself.
    pub settle_us: u64,
}

impl Default for HeadTiming {
    fn default() -> Self {
        Self {
            report_after_us: 1_500_000,
            read_retry_us: 300_000,
            retry_us: 20_000,
            settle_us: 500_000,
        }
    }
}

/// A request of the volume's user. Offsets and lengths in bytes; any alignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOp {
    Read {
        offset: u64,
        len: u32,
    },
    Write {
        offset: u64,
        data: Bytes,
    },
    /// Discard and write-zeroes alike: reads as zeros afterwards, space comes back.
    Zero {
        offset: u64,
        len: u64,
    },
    /// Done when all writes that arrived before it are.
    Flush,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientReply {
    /// In order; the lengths add up to what was asked for.
    Read(Vec<Segment>),
    Written,
    Flushed,
}

/// A part of a read's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Data(Bytes),
    Zeros(usize),
}

impl Segment {
    pub fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Zeros(len) => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a request failed. After `NoSpace` and `OutOfRange` a write (or at least one piece of it)
/// did not happen; after all others it is *unknown*: it may or may not have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientError {
    /// Every copy of a block is bad, at this byte offset.
    BadBlock {
        offset: u64,
    },
    /// Nothing of this request (or of one piece of it) was written.
    NoSpace,
    OutOfRange,
    /// Another head took over, or the attachment was fenced. EIO until detached.
    Fenced,
    /// The head is being released.
    Closed,
    /// The volume (or its layer) was deleted.
    Deleted,
}

#[derive(Clone, Debug)]
pub enum HeadEvent {
    /// The cluster granted `head_epoch` (rule 11). `reads`: AS THE CLUSTER COUNTS ON from that commit
    /// on, to the head's end. `views`: the volume's PGs, READ AT OR AFTER that commit (rule 12); PGs
    /// left out are asked for by `RefreshView`.
    Granted { head_epoch: HeadEpoch, reads: ReadMode, views: Vec<PgView> },
    /// The cluster says another head holds the volume, or the attachment is fenced.
    Revoked,
    /// A newer view of a PG. Older ones are ignored, so any source will do.
    View(PgView),
    /// Answer to `RefreshView` with this number.
    Newest { view: PgView, asked: u64 },
    /// The session lease is valid until then (a later word replaces an earlier one; 0 = none).
    Lease { valid_until_us: u64 },
    /// `op_id` is the caller's and comes back in `Complete`.
    Request { op_id: u64, op: ClientOp },
    /// Answer to `Send` with this `request_id`. Late and duplicate ones are ignored.
    Reply { disk: DiskId, request_id: u64, reply: Reply },
    /// The connection to the disk broke: what was sent and not answered is lost or unknown. No
    /// `Send` to it follows until `Connected`; the caller goes on trying to connect meanwhile.
    Disconnected { disk: DiskId },
    /// There is a connection (again).
    Connected { disk: DiskId },
    /// Time passed; see `Head::next_deadline_us`.
    Tick,
    /// The volume grew (or shrank: the caller made sure that nobody uses the end).
    Resize { size_bytes: u64 },
    /// The policy asks for so many members in sync from now on.
    MinInSync { count: u32 },
    /// Orderly release (rule 28): takes no new requests, finishes what is in flight until
    /// `deadline_us`, drops the rest as unknown, then says `Released`.
    Close { deadline_us: u64 },
}

#[derive(Clone, Debug)]
pub enum HeadCommand {
    /// Send to the disk's member. If there never was a connection: connect first, and if that
    /// fails say `Disconnected`.
    Send {
        disk: DiskId,
        request_id: u64,
        request: Request,
    },
    Complete {
        op_id: u64,
        result: Result<ClientReply, ClientError>,
        trace: OpTrace,
    },
    /// Ask the cluster to judge the removal of this disk. Repeated while the reason lasts.
    ReportUnreachable {
        disk: DiskId,
        reason: ReportReason,
    },
    /// Fetch the view of this PG (linearizably: nothing newer was committed before this question)
    /// and give it back as `Newest`. Not answered, it is asked again under another number.
    RefreshView {
        pg: PgId,
        asked: u64,
    },
    /// A copy failed its checksum; it is to be repaired from a good one.
    BadBlock {
        disk: DiskId,
        pg: PgId,
        layer: LayerId,
        block: u64,
    },
    /// Every PG is active: unknown writes of older heads are decided.
    Active {
        head_epoch: HeadEpoch,
    },
    /// The end, orderly: reads have stopped, the lease may be given back.
    Released,
    /// The end: a newer head exists. Everything was answered with `Fenced`.
    Fenced {
        installed: HeadEpoch,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportReason {
    /// No connection.
    Disconnected,
    /// Connected, but a request has waited too long.
    Slow,
    /// Its store is fenced after a disk error.
    StoreFenced,
    /// Its store was wiped, rolled back or damaged.
    StoreUnfit,
    /// Its newest version is older than what it acknowledged: it lost writes.
    LostWrites,
    /// It joins this group, and has no space for what the others have taken. There may be room for
    /// other groups.
    Full { pg: PgId },
    /// It alone can have what was there before a write that it refused, and cannot read it.
    Unreadable,
}

/// When a request passed which stage, and which member was last. Microseconds of the caller's
/// clock; 0 = did not pass. Of a request in several pieces: first times are the earliest, last
/// times the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpTrace {
    pub arrived_us: u64,
    /// Last piece first sent: what came before was waiting for overlaps, views or space.
    pub sent_us: u64,
    pub first_ack_us: u64,
    pub last_ack_us: u64,
    pub last_disk: DiskId,
    pub last_pg: PgId,
    pub pieces: u32,
    /// Times a piece was sent again (new view, reconnection, refusal, bad copy).
    pub resends: u32,
}

/// What an observer may ask at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadStatus {
    pub phase: HeadPhase,
    pub head_epoch: HeadEpoch,
    pub pgs: u32,
    pub pgs_active: u32,
    /// PGs with fewer than `min_in_sync` members in sync: their writes wait.
    pub pgs_below_min: u32,
    pub ops_in_flight: u32,
    pub pieces_in_flight: u32,
    /// Arrival of the oldest request in flight; 0 = none.
    pub oldest_arrived_us: u64,
    pub lease_valid_until_us: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeadPhase {
    /// Not granted yet: requests wait.
    #[default]
    Waiting,
    /// Collecting or rolling forward in at least one PG (rules 12–15); others already serve.
    TakingOver,
    Active,
    Closing,
    Released,
    Fenced,
}
