//! The head of one volume: orders its I/O, keeps its replicas equal.
//!
//! `Head::new(config)`, then `handle(now_us, event, &mut commands)` for every event; the commands
//! are to be carried out in order. `next_deadline_us()` says when a `Tick` is due (`None`: nothing
//! to wait for). `status()` is cheap. One head lives through one grant: after `Fenced` or
//! `Released` make a new one for the next.
//!
//! A request is cut into pieces (`split`), each of which holds its blocks (`common::range_locks`)
//! until it is done. What a piece does: `read_path`, `write_path`, `merge`, `undo`. What a PG goes
//! through: `views`, `collect`, `roll`, then active. `links` keeps what is known of each disk.

mod api;
mod closing;
mod collect;
mod confirm;
mod dispatch;
mod flush;
mod links;
mod merge;
mod op;
mod pg;
mod piece;
mod read_path;
mod refusal;
mod roll;
mod settle;
mod space;
mod split;
mod status;
mod timers;
mod undo;
mod views;
mod write_path;

use std::collections::{BTreeMap, VecDeque};

use shoal_types::{DiskId, HeadEpoch};

pub use api::{
    ClientError, ClientOp, ClientReply, HeadCommand, HeadConfig, HeadEvent, HeadPhase, HeadStatus,
    HeadTiming, OpTrace, ReadMode, ReportReason, Segment,
};

use crate::common::{Key, RangeLocks, Slab};
use confirm::Confirm;
use flush::FlushOrder;
use links::{Disk, Sent};
use op::Op;
use pg::PgTable;
use piece::Piece;

/// Orders one volume's I/O. See the module's text.
#[derive(Clone, Debug)]
pub struct Head {
    config: HeadConfig,
    phase: HeadPhase,
    head_epoch: HeadEpoch,
    reads: ReadMode,
    now_us: u64,
    lease_until_us: u64,
    next_seq: u64,
    announced: bool,
    close_deadline_us: u64,
    pgs: PgTable,
    disks: BTreeMap<DiskId, Disk>,
    /// Some disk has no room for the volume's layer.
    layers_without_room: bool,
    ops: Slab<Op>,
    pieces: Slab<Piece>,
    sent: Slab<Sent>,
    locks: RangeLocks,
    flushes: FlushOrder,
    confirm: Confirm,
    /// Pieces that just got their blocks.
    ready: VecDeque<Key>,
    /// Writes to be sent to a target again, by time: (due, piece, target).
    retries: VecDeque<(u64, Key, u8)>,
    /// Pieces without a copy to ask, tried again by time.
    starved: Vec<Key>,
    /// PGs whose watermark is not told yet.
    to_settle: Vec<pg::Slot>,
    freed: Vec<Key>,
    alarm: timers::Alarm,
    out: Vec<HeadCommand>,
}

impl Head {
    pub fn new(config: HeadConfig) -> Self {
        assert!(config.pg_count.is_power_of_two(), "PG count is a power of two");
        assert!(config.blocks_per_extent > 0 && config.min_in_sync > 0, "impossible policy");
        let mut head = Self {
            config,
            phase: HeadPhase::Waiting,
            head_epoch: HeadEpoch::ZERO,
            reads: ReadMode::Confirmed,
            now_us: 0,
            lease_until_us: 0,
            next_seq: 1,
            announced: false,
            close_deadline_us: u64::MAX,
            pgs: PgTable::default(),
            disks: BTreeMap::new(),
            layers_without_room: false,
            ops: Slab::default(),
            pieces: Slab::default(),
            sent: Slab::default(),
            locks: RangeLocks::default(),
            flushes: FlushOrder::default(),
            confirm: Confirm::default(),
            ready: VecDeque::new(),
            retries: VecDeque::new(),
            starved: Vec::new(),
            to_settle: Vec::new(),
            freed: Vec::new(),
            alarm: timers::Alarm::default(),
            out: Vec::new(),
        };
        head.add_pgs();
        head
    }

    /// Takes one event; appends what is to be done about it.
    pub fn handle(&mut self, now_us: u64, event: HeadEvent, commands: &mut Vec<HeadCommand>) {
        self.now_us = self.now_us.max(now_us);
        if self.is_over() {
            self.refuse_after_the_end(event);
        } else {
            self.dispatch(event);
            self.pump();
        }
        self.set_alarm();
        commands.append(&mut self.out);
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, HeadPhase::Released | HeadPhase::Fenced)
    }

    fn is_granted(&self) -> bool {
        self.head_epoch != HeadEpoch::ZERO
    }
}
