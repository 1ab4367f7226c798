//! What other threads tell a store's thread, and what it tells the supervisor.

use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use shoal_engine::member::JoinFailure;
use shoal_store::{BadBlock, Budget, MapOrder, MapRefused, Stats};
use shoal_types::{DiskId, LayerId, PgEpoch, PgId, PgView, Request, StoreError};

use super::join_clock::RunningJoin;
use super::latency::Medians;
use super::pace::PaceOrder;
use super::scrubs::{ScrubOrder, ScrubProgress, ScrubResult};
use crate::peer::{Established, LinkMessage, ReplyPort};

pub enum StoreMessage {
    /// From a head or joiner of this process; answered through `port`.
    Request {
        port: ReplyPort,
        owner: u64,
        request_id: u64,
        request: Request,
    },
    /// Another peer's connection to this store.
    Accepted(Box<Established>),
    /// New views of PGs that this disk is, was or becomes a member of.
    Views(Vec<PgView>),
    /// PGs in which a store that was made anew counts, from these epochs on.
    Admit(Vec<(PgId, PgEpoch)>),
    /// How fast it may be filled.
    Pace(PaceOrder),
    /// Its memory from now on.
    Budget(Budget),
    Scrub(ScrubOrder),
    /// The cluster state, to be kept on the disk.
    KeepMap {
        order: MapOrder,
        body: Bytes,
    },
    DeleteLayer(LayerId),
    /// A group that moved away by this epoch.
    Left {
        pg: PgId,
        epoch: PgEpoch,
    },
    ForgetLayer(LayerId),
    Link(LinkMessage),
    /// Close connections with peers that are members no more.
    MembersChanged,
    Report {
        layers: Vec<LayerId>,
        answer: SyncSender<StoreReport>,
    },
    /// Finish what is under way, then end the thread and drop the sender.
    Stop(SyncSender<()>),
}

/// A store as an observer sees it.
#[derive(Clone, Debug)]
pub struct StoreReport {
    pub disk: DiskId,
    pub stats: Stats,
    pub latency: Medians,
    pub free_blocks: u64,
    /// Blocks stored of each layer that was asked for.
    pub usage: Vec<(LayerId, u64)>,
    pub joins: Vec<RunningJoin>,
    pub scrub: Option<ScrubProgress>,
    pub connections: usize,
}

/// What a store wants of the cluster.
#[derive(Debug)]
pub enum StoreNotice {
    /// The disk does not keep the cluster state.
    MapRefused(MapRefused),
    JoinDone {
        pg: PgId,
        join_at: PgEpoch,
        source: DiskId,
    },
    JoinFailed {
        pg: PgId,
        join_at: PgEpoch,
        reason: JoinFailure,
    },
    /// Bad blocks that reads met, and what came of them.
    Repairs {
        repaired: u64,
        postponed: u64,
        lost: Vec<BadBlock>,
    },
    ScrubDone(ScrubResult),
    /// How far the scrub of everything is, to be kept for the next start; `None`: it is over.
    ScrubAt(Option<(u32, u64)>),
    /// The disk fails more than a disk should.
    Failing {
        read_errors: u64,
        bad_blocks: u64,
    },
    LayerDeleted {
        layer: LayerId,
    },
    /// The disk has answered nothing for too long.
    Stalled,
    /// It answers again.
    Moving,
    /// Most commands take longer than this, and have for a second: repeated as long as it is so.
    Slow {
        limit_ms: u64,
        /// Several times longer, even.
        is_very: bool,
    },
    /// A log write or sync failed: the store is out for good.
    Fenced,
    /// The member found its store unsound.
    Lost {
        error: StoreError,
    },
}
