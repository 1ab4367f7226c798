//! What happens in the world, in order of time.

use std::mem::{Discriminant, discriminant};

use shoal_engine::head::{HeadEvent, ReportReason};
use shoal_engine::member::{JoinFailure, MemberEvent};
use shoal_types::{DiskId, HeadEpoch, PgEpoch, PgId, PgView, Reply, Request, VolumeId};

use super::services::RecordEvent;

/// Who asks members: a head or, in a resync, another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Asker {
    Head(u64),
    Member(DiskId),
}

#[derive(Clone, Debug)]
pub enum Event {
    ToMember {
        disk: DiskId,
        asker: Asker,
        link: u64,
        request_id: u64,
        request: Request,
    },
    ToAsker {
        asker: Asker,
        disk: DiskId,
        link: u64,
        request_id: u64,
        reply: Reply,
    },
    /// A connection is looked at: broken if it should be, made again if it can be.
    Connection {
        asker: Asker,
        disk: DiskId,
    },
    Commit {
        disk: DiskId,
        life: u64,
    },
    HeadTick {
        head: u64,
    },
    HeadTold {
        head: u64,
        event: HeadEvent,
    },
    MemberTold {
        disk: DiskId,
        life: u64,
        event: MemberEvent,
    },
    ToCluster {
        peer: u64,
        message: ToCluster,
    },
    ToPeer {
        peer: u64,
        life: u64,
        message: ToPeer,
    },
    Client {
        volume: VolumeId,
        client: u64,
    },
    Renew {
        peer: u64,
    },
    /// The cluster's own periodic work: joins, take-overs, telling views.
    Cluster,
    Fault,
    Restart {
        peer: u64,
    },
    /// The process ends and starts again, as after a disk error.
    Bounce {
        peer: u64,
        life: u64,
    },
    /// A client has waited long enough for this request.
    Patience {
        op_id: u64,
    },
    /// A disk that stood still is looked at by its own peer.
    StallSeen {
        disk: DiskId,
        life: u64,
    },
    /// Two disks are put back into their places.
    SwapBack {
        a: DiskId,
        b: DiskId,
    },
    /// A peer that hears late of everything is cut off.
    CutOff {
        peer: u64,
        for_us: u64,
    },
    /// A volume takes the place of one that was deleted.
    Create,
    Heal {
        from: u64,
        to: u64,
    },
    /// At a peer's process, where services keep the record.
    Record {
        peer: u64,
        life: u64,
        what: RecordEvent,
    },
}

#[derive(Clone, Debug)]
pub enum ToCluster {
    Renew {
        sent_ms: u64,
        life: u64,
    },
    Report {
        disk: DiskId,
        reason: ReportReason,
        head: u64,
    },
    Refresh {
        head: u64,
        pg: PgId,
        asked: u64,
    },
    JoinDone {
        disk: DiskId,
        life: u64,
        pg: PgId,
        join_at: PgEpoch,
        source: DiskId,
    },
    JoinFailed {
        disk: DiskId,
        life: u64,
        pg: PgId,
        join_at: PgEpoch,
        reason: JoinFailure,
    },
    /// A deleted volume's layer is gone from this disk, durably.
    LayerGone {
        disk: DiskId,
        volume: VolumeId,
    },
    Released {
        volume: VolumeId,
        head_epoch: HeadEpoch,
    },
    /// Its own peer says that a disk failed or stands still: out of every in-sync set, for so long.
    DiskOut {
        disk: DiskId,
        for_us: u64,
    },
}

#[derive(Clone, Debug)]
pub enum ToPeer {
    /// With the heads given away so far: a lease counts only for who knows of them.
    Leased {
        sent_ms: u64,
        heads: Vec<(VolumeId, HeadEpoch)>,
    },
    View(PgView),
    /// Answer to `Refresh`.
    Newest {
        head: u64,
        view: PgView,
        asked: u64,
    },
    Granted {
        volume: VolumeId,
        head_epoch: HeadEpoch,
        views: Vec<PgView>,
        used: u64,
    },
    /// So many blocks of the volume are used now.
    Grown {
        volume: VolumeId,
        used: u64,
    },
    /// Volumes that were deleted, and those of which no disk holds anything any more.
    Deleted {
        volumes: Vec<VolumeId>,
        forgotten: Vec<VolumeId>,
    },
    Revoked {
        head: u64,
    },
}

/// What tells an event from others in the trace's hash.
pub type Mark = (Discriminant<Event>, u64, u64, u64);

impl Event {
    pub fn mark(&self) -> Mark {
        let (a, b, c) = match self {
            Self::ToMember { disk, asker, request_id, .. }
            | Self::ToAsker { disk, asker, request_id, .. } => {
                (disk.0, asker.number(), *request_id)
            }
            Self::Connection { asker, disk } => (disk.0, asker.number(), 0),
            Self::Commit { disk, life }
            | Self::StallSeen { disk, life }
            | Self::MemberTold { disk, life, .. } => (disk.0, *life, 0),
            Self::HeadTick { head } | Self::HeadTold { head, .. } => (*head, 0, 0),
            Self::ToCluster { peer, .. } => (*peer, 0, 0),
            Self::ToPeer { peer, life, .. } | Self::Bounce { peer, life } => (*peer, *life, 0),
            Self::Client { volume, client } => (volume.0, *client, 0),
            Self::Renew { peer } | Self::Restart { peer } => (*peer, 0, 0),
            Self::Patience { op_id } => (*op_id, 0, 0),
            Self::SwapBack { a, b } => (a.0, b.0, 0),
            Self::Heal { from: a, to: b } | Self::CutOff { peer: a, for_us: b } => (*a, *b, 0),
            Self::Record { peer, life, what } => (*peer, *life, what.number()),
            Self::Cluster | Self::Fault | Self::Create => (0, 0, 0),
        };
        (discriminant(self), a, b, c)
    }
}

impl Asker {
    fn number(self) -> u64 {
        match self {
            Self::Head(head) => head << 8,
            Self::Member(disk) => disk.0,
        }
    }
}
