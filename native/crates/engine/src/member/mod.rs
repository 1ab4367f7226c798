//! The member of one store: refuses what is old, turns requests into store operations, answers
//! when they are durable; as a joiner brings its store up to date.
//!
//! `Member::new(config, recovered)`, then `handle(event, &mut outputs)` for every event; outputs
//! are to be carried out in order (store operations above all, for their order is the order of
//! durability). Before each `Store` event the caller says how much room the store has
//! (`set_free_blocks`). `progress()` lists the resyncs under way.
//!
//! Epochs are raised in memory when the operation that raises them is submitted: a later request
//! is judged by them at once, and cannot become durable before them.

mod api;
mod copy;
mod gone;
mod install;
mod job;
mod join;
mod layers;
mod read;
mod refused;
mod repair;
mod session;
mod source;
mod views;
mod write;

use shoal_types::{
    DiskId, HeadEpoch, LayerId, MapEpoch, PgEpoch, PgId, PgView, Refusal, Reply, Request, StoreOp,
    Version, VolumeId,
};

pub use api::{
    JoinFailure, JoinPhase, JoinProgress, MemberConfig, MemberEvent, MemberOutput, Recovered,
    RepairOutcome, ReplyTo,
};

use crate::common::{FastMap, FastSet, Key, Slab};
use crate::planted::{Bug, is_planted};
use gone::Gone;
use job::Job;
use refused::Refused;
use repair::{BlockAt, Repair};
use session::{Asked, Session};

/// Guards one store. See the module's text.
#[derive(Clone, Debug)]
pub struct Member {
    config: MemberConfig,
    fenced: bool,
    /// PGs in which an unfit store was admitted again by a `full` join: those whose epoch it ever
    /// made durable, for it refuses whatever else would.
    readmitted: FastSet<PgId>,
    heads: FastMap<VolumeId, HeadEpoch>,
    pgs: FastMap<PgId, PgState>,
    marks: FastMap<(PgId, VolumeId), Marks>,
    /// Of pairs in which something was refused for space, and may come once more.
    refused: FastMap<(PgId, VolumeId), Refused>,
    layers: FastMap<LayerId, VolumeId>,
    gone: Gone,
    sessions: FastMap<PgId, Session>,
    repairs: FastMap<BlockAt, Repair>,
    jobs: Slab<Job>,
    asks: Slab<Asked>,
    disconnected: FastSet<DiskId>,
    free_blocks: u32,
    map_epoch: MapEpoch,
    out: Vec<MemberOutput>,
}

#[derive(Clone, Debug, Default)]
struct PgState {
    seen: PgEpoch,
    /// As recovered at start: a session of this epoch or an older one may have run before.
    seen_before: PgEpoch,
    view: Option<PgView>,
    /// Sessions that failed; the next one takes another source.
    failures: u32,
}

/// Of one (volume, PG).
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    watermark: Version,
    newest: Version,
}

impl Member {
    pub fn new(config: MemberConfig, recovered: Recovered) -> Self {
        let pg = |(pg, seen)| (pg, PgState { seen, seen_before: seen, ..PgState::default() });
        let mark = |(volume, pg, watermark, newest)| ((pg, volume), Marks { watermark, newest });
        Self {
            config,
            fenced: false,
            readmitted: recovered.pgs.iter().map(|(pg, _)| *pg).collect(),
            heads: recovered.heads.into_iter().collect(),
            pgs: recovered.pgs.into_iter().map(pg).collect(),
            marks: recovered.watermarks.into_iter().map(mark).collect(),
            refused: FastMap::default(),
            layers: recovered.layers.into_iter().map(|(volume, layer)| (layer, volume)).collect(),
            gone: Gone::new(recovered.deleted_layers),
            sessions: FastMap::default(),
            repairs: FastMap::default(),
            jobs: Slab::default(),
            asks: Slab::default(),
            disconnected: FastSet::default(),
            free_blocks: 0,
            map_epoch: MapEpoch::ZERO,
            out: Vec::new(),
        }
    }

    /// Takes one event; appends what is to be done about it.
    pub fn handle(&mut self, event: MemberEvent, outputs: &mut Vec<MemberOutput>) {
        match event {
            MemberEvent::Request { to, request } => self.on_request(to, request),
            MemberEvent::Store { token, result } => self.on_store(token, result),
            MemberEvent::View(view) => self.on_view(view),
            MemberEvent::Answer { disk, request_id, reply } => {
                self.on_answer(disk, request_id, reply);
            }
            MemberEvent::Disconnected { disk } => self.on_disconnected(disk),
            MemberEvent::Connected { disk } => self.on_connected(disk),
            MemberEvent::DeleteLayer { layer } => self.on_delete_layer(layer),
            MemberEvent::Left { pg, epoch } => self.on_left(pg, epoch),
            MemberEvent::ForgetLayer { layer } => self.on_forget_layer(layer),
            MemberEvent::Repair { pg, layer, block } => self.repair(BlockAt { pg, layer, block }),
            MemberEvent::Admit { pg, epoch } => self.readmit(pg, epoch),
            MemberEvent::StoreFenced => self.fenced = true,
        }
        outputs.append(&mut self.out);
    }

    /// Blocks that the store can still admit above its soft limit; told to heads with each
    /// acknowledgement.
    pub fn set_free_blocks(&mut self, free_blocks: u32) {
        self.free_blocks = free_blocks;
    }

    pub fn set_map_epoch(&mut self, map_epoch: MapEpoch) {
        self.map_epoch = map_epoch;
    }

    pub fn disk(&self) -> DiskId {
        self.config.disk
    }

    /// Newest head epoch installed for the volume (perhaps not durable yet).
    pub fn head_epoch(&self, volume: VolumeId) -> HeadEpoch {
        self.heads.get(&volume).copied().unwrap_or(HeadEpoch::ZERO)
    }

    /// Newest epoch seen of the PG (perhaps not durable yet).
    pub fn pg_epoch(&self, pg: PgId) -> PgEpoch {
        self.pgs.get(&pg).map_or(PgEpoch::ZERO, |p| p.seen)
    }

    /// Resyncs into this store, in order of PG.
    pub fn progress(&self) -> Vec<JoinProgress> {
        let mut all: Vec<JoinProgress> = self.sessions.values().map(Session::progress).collect();
        all.sort_by_key(|p| p.pg);
        all
    }

    fn on_request(&mut self, to: ReplyTo, request: Request) {
        match request {
            Request::Write(write) => self.on_write(to, write),
            Request::Read { volume, pg, layer, block, blocks, head_epoch, pg_epoch } => {
                let run = read::Run { pg, layer, block, blocks };
                self.on_read(to, volume, run, head_epoch, pg_epoch);
            }
            Request::Install { volume, pg, head_epoch, pg_epoch, role, after } => {
                let round = install::Round { volume, pg, head_epoch, pg_epoch, role, after };
                self.on_install(to, round);
            }
            Request::ReadEntry { volume, pg, head_epoch, entry } => {
                self.on_read_entry(to, volume, pg, head_epoch, entry);
            }
            Request::Confirm { volume, head_epoch, pgs } => {
                self.on_confirm(to, volume, head_epoch, &pgs);
            }
            Request::Settle { volume, head_epoch, pgs } => {
                self.on_settle(to, volume, head_epoch, pgs);
            }
            Request::JoinOpen { pg, join_at, joiner, after } => {
                self.on_join_open(to, pg, join_at, joiner, after);
            }
            Request::CopyList { pg, join_at, since, after } => {
                self.on_copy_list(to, pg, join_at, since, after);
            }
            Request::CopyRead { pg, join_at, layer, block, blocks } => {
                let run = read::Run { pg, layer, block, blocks };
                self.on_copy_read(to, join_at, run);
            }
            Request::OpenLayer { volume, layer, head_epoch } => {
                self.on_open_layer(to, volume, layer, head_epoch);
            }
            Request::Ping => self.reply(to, Reply::Pong { map_epoch: self.map_epoch }),
        }
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.out.push(MemberOutput::Reply { to, reply });
    }

    fn refuse(&mut self, to: ReplyTo, refusal: Refusal) {
        self.reply(to, Reply::Refused(refusal));
    }

    fn submit(&mut self, job: Job, op: StoreOp) -> Key {
        let key = self.jobs.insert(job);
        self.out.push(MemberOutput::Store { token: key.0, op });
        key
    }

    /// Rule 30: whether the store may take part in this PG at all.
    fn check_fit(&self, pg: PgId) -> Result<(), Refusal> {
        if self.fenced {
            return Err(Refusal::Fenced);
        }
        if !self.config.fit && !self.readmitted.contains(&pg) {
            return Err(Refusal::Unfit);
        }
        Ok(())
    }

    fn check_head(&self, volume: VolumeId, head_epoch: HeadEpoch) -> Result<(), Refusal> {
        let installed = self.head_epoch(volume);
        let known = is_planted(Bug::StaleHeadAccepted);
        if head_epoch < installed && !known {
            Err(Refusal::StaleHead { installed })
        } else {
            Ok(())
        }
    }

    fn check_pg(&self, pg: PgId, pg_epoch: PgEpoch) -> Result<(), Refusal> {
        let seen = self.pg_epoch(pg);
        let known = is_planted(Bug::StalePgAccepted);
        if pg_epoch < seen && !known { Err(Refusal::StalePg { seen }) } else { Ok(()) }
    }

    fn raise_head(&mut self, volume: VolumeId, head_epoch: HeadEpoch) {
        let installed = self.heads.entry(volume).or_default();
        *installed = (*installed).max(head_epoch);
    }

    fn raise_pg(&mut self, pg: PgId, pg_epoch: PgEpoch) {
        let state = self.pgs.entry(pg).or_default();
        state.seen = state.seen.max(pg_epoch);
    }
}
