//! A session from its start to the first copy (rules 20–22).

use shoal_types::{
    DiskId, HeadEpoch, LayerId, PgEpoch, PgId, Raise, Refusal, Reply, Request, StoreError, StoreOp,
    StoreReply, Version, VolumeId,
};

use super::api::{JoinFailure, JoinPhase};
use super::job::Job;
use super::session::{Asked, AskedWhat, CopyRun, GROUP_BLOCKS, JoinStep, Session};
use super::{Member, MemberOutput};
use crate::common::{FastSet, Key};
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// Entries of this store listed at once.
const PAGE_ENTRIES: u32 = 1024;
/// Epochs or marks in one operation: of 112 bytes at most, in half a MiB.
const RAISE_ITEMS: usize = 4096;

impl Member {
    pub(super) fn open_session(&mut self, pg: PgId) {
        let (join_at, full) = (self.sessions[&pg].join_at, self.sessions[&pg].full);
        if full {
            cover!("full join");
            self.readmit(pg, join_at);
        }
        self.ask_open(pg, None);
    }

    fn ask_open(&mut self, pg: PgId, after: Option<VolumeId>) {
        let (join_at, joiner) = (self.sessions[&pg].join_at, self.config.disk);
        let request = Request::JoinOpen { pg, join_at, joiner, after };
        self.ask_source(pg, request, AskedWhat::Open { after });
    }

    /// Rule 30: this is the way back in, by a full join or because the record counts this disk. ONLY FOR WHAT
    /// CARRIES THAT EPOCH OR A NEWER ONE: a head that still takes this disk for an in-sync member would
    /// otherwise find an empty one.
    /// Nothing is durable of that yet; after a crash the store is unfit as before.
    pub(super) fn readmit(&mut self, pg: PgId, epoch: PgEpoch) {
        if !self.config.fit && self.readmitted.insert(pg) {
            self.raise_pg(pg, epoch);
        }
    }

    pub(super) fn ask_source(&mut self, pg: PgId, request: Request, what: AskedWhat) {
        let session = &self.sessions[&pg];
        let (disk, join_at) = (session.source, session.join_at);
        let asked = Asked { pg, join_at, disk, request: request.clone(), what };
        let request_id = self.asks.insert(asked).0;
        self.out.push(MemberOutput::Ask { disk, request_id, request });
    }

    pub(super) fn on_answer(&mut self, disk: DiskId, request_id: u64, reply: Reply) {
        let key = Key(request_id);
        if self.asks.get(key).is_none_or(|a| a.disk != disk) {
            return;
        }
        let asked = self.asks.remove(key).expect("just seen");
        if let AskedWhat::Repair(at) = asked.what {
            return self.take_repair(at, reply);
        }
        if !self.is_current(asked.pg, asked.join_at) {
            return;
        }
        let pg = asked.pg;
        match (asked.what, reply) {
            (AskedWhat::Open { after }, Reply::JoinOpened { heads, layers, marks, more }) => {
                let last = layers.iter().map(|(volume, _)| *volume).max();
                let last = last.max(heads.iter().map(|(volume, _)| *volume).max());
                let last = last.max(marks.iter().map(|(volume, ..)| *volume).max());
                self.take_opened(pg, heads, layers, marks);
                // A page that promises more must get further, or this would never end.
                match more && last > after {
                    true => self.ask_open(pg, last),
                    false => self.begin_session(pg),
                }
            }
            (AskedWhat::List, Reply::CopyList { entries, more }) => {
                self.take_list(pg, entries, more);
            }
            (AskedWhat::Read(run), Reply::CopyBlocks { blocks }) => {
                self.take_copy(pg, run, blocks);
            }
            (AskedWhat::Read(run), Reply::Refused(Refusal::Deleted)) => {
                self.no_layer_at_source(pg, run);
            }
            (AskedWhat::Read(run), Reply::Refused(Refusal::BadBlock)) if run.is_wide() => {
                self.copy_block_by_block(pg, run);
            }
            (_, Reply::Refused(refusal)) => {
                self.fail_join(pg, JoinFailure::SourceRefused { source: disk, refusal });
            }
            (_, _) => self.fail_join(pg, JoinFailure::SourceLeft { source: disk }),
        }
    }

    fn take_opened(
        &mut self,
        pg: PgId,
        mut heads: Vec<(VolumeId, HeadEpoch)>,
        layers: Vec<(VolumeId, LayerId)>,
        mut marks: Vec<(VolumeId, Version, Version)>,
    ) {
        let gone = self.gone_of(&layers);
        heads.retain(|(volume, _)| !gone.contains(volume));
        marks.retain(|(volume, ..)| !gone.contains(volume));
        let session = self.sessions.get_mut(&pg).expect("current");
        session.heads.extend(heads);
        session.layers.extend(layers);
        session.marks.extend(marks);
    }

    /// Volumes that the source did not know to be deleted when it answered.
    fn gone_of(&self, layers: &[(VolumeId, LayerId)]) -> FastSet<VolumeId> {
        let of = |is_gone: bool| {
            layers.iter().filter(move |(_, l)| self.gone.has(*l) == is_gone).map(|(v, _)| *v)
        };
        let mut gone: FastSet<VolumeId> = of(true).collect();
        for volume in of(false) {
            gone.remove(&volume);
        }
        gone
    }

    pub(super) fn is_current(&self, pg: PgId, join_at: PgEpoch) -> bool {
        self.sessions.get(&pg).is_some_and(|s| s.join_at == join_at && !s.failed)
    }

    /// Rule 21: the source's heads and the session's epoch, DURABLE HERE BEFORE ANY LIVE WRITE.
    fn begin_session(&mut self, pg: PgId) {
        self.set_phase(pg, JoinPhase::Listing);
        let layers = std::mem::take(&mut self.sessions.get_mut(&pg).expect("current").layers);
        if self.sessions[&pg].full {
            self.marks.retain(|(of, _), _| *of != pg);
            self.submit_step(pg, JoinStep::Begin, StoreOp::DropPg { pg });
        }
        for (volume, layer) in layers {
            if !self.layers.contains_key(&layer) && !self.gone.has(layer) {
                self.layers.insert(layer, volume);
                let op = StoreOp::OpenLayer { volume, layer };
                self.submit_step(pg, JoinStep::OpenLayer { layer }, op);
            }
        }
        let session = self.sessions.get_mut(&pg).expect("current");
        let (heads, join_at) = (std::mem::take(&mut session.heads), session.join_at);
        let newer = |(volume, he): &(VolumeId, _)| *he > self.head_epoch(*volume);
        let mut volumes: Vec<_> = heads.into_iter().filter(newer).collect();
        if is_planted(Bug::H11SessionWithoutHeads) {
            volumes.clear();
        }
        volumes.iter().for_each(|(volume, he)| self.raise_head(*volume, *he));
        self.raise_pg(pg, join_at);
        let pgs = vec![(pg, self.pg_epoch(pg))];
        let raise = Raise { volumes, pgs, ..Raise::default() };
        self.submit_raise(pg, JoinStep::Begin, raise);
    }

    /// A store takes no operation above half a batch of its log.
    fn submit_raise(&mut self, pg: PgId, step: JoinStep, raise: Raise) {
        for piece in raise.pieces(RAISE_ITEMS) {
            self.submit_step(pg, step, StoreOp::Raise(piece));
        }
    }

    pub(super) fn submit_step(&mut self, pg: PgId, step: JoinStep, op: StoreOp) {
        let session = self.sessions.get_mut(&pg).expect("current");
        session.open_steps += 1;
        let join_at = session.join_at;
        self.submit(Job::Join { pg, join_at, step }, op);
    }

    pub(super) fn join_step(
        &mut self,
        pg: PgId,
        join_at: PgEpoch,
        step: JoinStep,
        reply: StoreReply,
    ) {
        if !self.is_current(pg, join_at) {
            return;
        }
        self.sessions.get_mut(&pg).expect("current").open_steps -= 1;
        match (step, reply) {
            (JoinStep::Begin | JoinStep::OpenLayer { .. }, _) => {
                if self.sessions[&pg].open_steps == 0 {
                    self.list_leftovers(pg);
                }
            }
            (JoinStep::Leftovers { volume }, StoreReply::Unsettled { entries, more }) => {
                let after = entries.last().map(|e| (e.layer, e.block)).filter(|_| more);
                let session = self.sessions.get_mut(&pg).expect("current");
                for entry in entries {
                    session.flag(group_of(volume, entry.layer, entry.block));
                }
                if after.is_some() {
                    self.list_leftovers_of(pg, volume, after);
                }
                if self.sessions[&pg].open_steps == 0 {
                    self.accept_live_writes(pg);
                }
            }
            (JoinStep::OwnChanged, StoreReply::Changed { entries, more }) => {
                self.take_own_list(pg, entries, more);
            }
            (JoinStep::Marks, _) => self.copy_on(pg),
            (JoinStep::Copy { run, blocks }, _) => self.copy_ended(pg, run, blocks),
            (step, reply) => panic!("the store answered {step:?} with {reply:?}"),
        }
    }

    /// What this store holds unsettled in the PG, of every volume that it knows there.
    fn list_leftovers(&mut self, pg: PgId) {
        let known = self.marks.keys().filter(|(of, _)| *of == pg).map(|(_, volume)| *volume);
        let mut volumes: Vec<VolumeId> = known.collect();
        volumes.sort_unstable();
        if is_planted(Bug::H4StampsOnly) {
            volumes.clear();
        }
        for volume in &volumes {
            self.list_leftovers_of(pg, *volume, None);
        }
        if volumes.is_empty() {
            self.accept_live_writes(pg);
        }
    }

    fn list_leftovers_of(&mut self, pg: PgId, volume: VolumeId, after: Option<(LayerId, u64)>) {
        let op = StoreOp::Unsettled { volume, pg, after, limit: PAGE_ENTRIES };
        self.submit_step(pg, JoinStep::Leftovers { volume }, op);
    }

    /// Rule 22: from here on live writes are taken; first those that came early.
    fn accept_live_writes(&mut self, pg: PgId) {
        self.set_phase(pg, JoinPhase::Cleaning);
        let session = self.sessions.get_mut(&pg).expect("current");
        session.accepts = true;
        for (to, request) in std::mem::take(&mut session.parked) {
            self.on_request(to, request);
        }
        self.copy_on(pg);
    }

    /// Everything that was left over here is replaced durably by what the source holds. From here
    /// on no entry at or below a watermark can be a leftover, so watermarks may move (rule 5).
    pub(super) fn become_clean(&mut self, pg: PgId) {
        self.set_phase(pg, JoinPhase::Copying);
        let session = self.sessions.get_mut(&pg).expect("current");
        session.clean = true;
        let marks = std::mem::take(&mut session.marks);
        self.take_over_marks(pg, marks);
        if self.sessions[&pg].full || is_planted(Bug::H4StampsOnly) {
            self.sessions.get_mut(&pg).expect("current").own_done = true;
        } else {
            self.list_own(pg, None);
        }
        self.ask_list(pg);
    }

    /// The newest version as well (rule 31): zeros that left no entry come with no copy, and who is in
    /// sync without their number looks like one that lost them.
    fn take_over_marks(&mut self, pg: PgId, marks: Vec<(VolumeId, Version, Version)>) {
        let mut raise = Raise::default();
        for (volume, watermark, newest) in marks {
            let own = self.marks.entry((pg, volume)).or_default();
            if watermark > own.watermark {
                cover!("clean joiner takes over watermarks");
                own.watermark = watermark;
                raise.watermarks.push((volume, pg, watermark));
            }
            if newest > own.newest.max(own.watermark) {
                cover!("clean joiner takes over a newest version");
                own.newest = newest;
                raise.newest.push((volume, pg, newest));
            }
        }
        if raise != Raise::default() {
            self.submit_raise(pg, JoinStep::Marks, raise);
        }
    }

    pub(super) fn set_phase(&mut self, pg: PgId, phase: JoinPhase) {
        self.sessions.get_mut(&pg).expect("current").phase = phase;
    }

    /// The session cannot end well. Live writes are taken as before, so that no head waits for the
    /// next one to begin.
    pub(super) fn fail_join(&mut self, pg: PgId, reason: JoinFailure) {
        let Some(session) = self.sessions.get_mut(&pg).filter(|s| !s.failed) else { return };
        session.failed = true;
        session.queue.clear();
        let join_at = session.join_at;
        let parked = std::mem::take(&mut session.parked);
        self.pgs.entry(pg).or_default().failures += 1;
        for (to, _) in parked {
            self.refuse(to, Refusal::NoSession);
        }
        self.out.push(MemberOutput::JoinFailed { pg, join_at, reason });
    }

    pub(super) fn join_step_failed(
        &mut self,
        pg: PgId,
        join_at: PgEpoch,
        step: JoinStep,
        error: StoreError,
    ) {
        if let JoinStep::OpenLayer { layer } = step {
            self.layers.remove(&layer);
        }
        if !self.is_current(pg, join_at) {
            return;
        }
        self.sessions.get_mut(&pg).expect("current").open_steps -= 1;
        match (step, error) {
            // The layer was deleted meanwhile: its blocks need no copy. Any other that the store does not
            // know found no room when it was opened.
            (JoinStep::Copy { run, .. }, StoreError::NoLayer) if self.gone.has(run.layer) => {
                self.copy_ended(pg, run, 0);
            }
            // Its tables are full. Without marks more is listed at a take-over, no more than that.
            (JoinStep::Marks, StoreError::NoSpace) => self.copy_on(pg),
            _ => {
                cover!("join failed: store");
                self.fail_join(pg, JoinFailure::Store(error));
            }
        }
    }

    pub(super) fn fail_live_write(&mut self, pg: PgId, error: StoreError) {
        let accepts = |s: &&mut Session| s.accepts;
        if let Some(session) = self.sessions.get_mut(&pg).filter(accepts) {
            session.accepts = false;
            self.fail_join(pg, JoinFailure::Store(error));
        }
    }
}

pub(super) fn group_of(volume: VolumeId, layer: LayerId, block: u64) -> CopyRun {
    let mask = 1 << (block % GROUP_BLOCKS);
    CopyRun { volume, layer, group: block / GROUP_BLOCKS, mask }
}
