//! What happens in the world, in order of time.

use std::cmp::Ordering;

use shoal_engine::head::{HeadEvent, ReportReason};
use shoal_engine::member::{JoinFailure, MemberEvent};
use shoal_types::{DiskId, HeadEpoch, PgEpoch, PgId, PgView, Reply, Request, VolumeId};

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
    Heal {
        from: u64,
        to: u64,
    },
}

#[derive(Clone, Debug)]
pub enum ToCluster {
    Renew { sent_ms: u64, life: u64 },
    Report { disk: DiskId, reason: ReportReason, head: u64 },
    Refresh { head: u64, pg: PgId },
    JoinDone { disk: DiskId, life: u64, pg: PgId, join_at: PgEpoch, source: DiskId },
    JoinFailed { disk: DiskId, life: u64, pg: PgId, join_at: PgEpoch, reason: JoinFailure },
    Released { volume: VolumeId, head_epoch: HeadEpoch },
}

#[derive(Clone, Debug)]
pub enum ToPeer {
    Leased { sent_ms: u64 },
    View(PgView),
    Granted { volume: VolumeId, head_epoch: HeadEpoch, views: Vec<PgView> },
    Revoked { head: u64 },
}

/// An event at its time; equal times in order of making.
#[derive(Debug)]
pub struct Due {
    pub at_us: u64,
    pub order: u64,
    pub event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// Reversed: the heap gives the greatest first, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.order).cmp(&(self.at_us, self.order))
    }
}
