//! The source's side of a resync (rules 20, 23).

use std::collections::BTreeMap;

use shoal_types::message::CopyBlock;
use shoal_types::{
    BlockState, DiskId, HeadEpoch, LayerId, PgEpoch, PgId, Raise, Refusal, Reply, StoreOp, Version,
    VolumeId,
};

use super::job::Job;
use super::read::Run;
use super::{Marks, Member, ReplyTo};

/// Rows in one page of what a joiner begins with: at most 32 bytes each, in a message of 1 MiB.
const PAGE_ROWS: usize = 16_384;
/// Chunks in one page of a copy list.
const PAGE_CHUNKS: u32 = 1024;

impl Member {
    pub(super) fn on_join_open(
        &mut self,
        to: ReplyTo,
        pg: PgId,
        join_at: PgEpoch,
        joiner: DiskId,
        after: Option<VolumeId>,
    ) {
        let mut checked = self.check_source(pg, join_at);
        if joiner == self.config.disk {
            checked = Err(Refusal::NotMember);
        }
        if let Err(refusal) = checked {
            return self.refuse(to, refusal);
        }
        self.raise_pg(pg, join_at);
        let seen = self.pg_epoch(pg);
        let raise = Raise { pgs: vec![(pg, seen)], ..Raise::default() };
        self.submit(Job::JoinOpen { to, pg, after }, StoreOp::Raise(raise));
    }

    /// One that is itself not in sync, or whose store is worth nothing, is nobody's source.
    fn check_source(&self, pg: PgId, join_at: PgEpoch) -> Result<(), Refusal> {
        self.check_fit(pg)?;
        if self.sessions.contains_key(&pg) {
            return Err(Refusal::NoSession);
        }
        let view = self.pgs.get(&pg).and_then(|p| p.view.as_ref());
        match view {
            Some(view) if view.epoch >= join_at && !view.is_in_sync(self.config.disk) => {
                Err(Refusal::NotMember)
            }
            _ => Ok(()),
        }
    }

    /// The epoch is durable here: no write that leaves the joiner out is accepted any more.
    /// Of a deleted volume nothing is told: the joiner may have been told already to forget it.
    pub(super) fn join_opened_here(&mut self, to: ReplyTo, pg: PgId, after: Option<VolumeId>) {
        let mut gone = self.gone.volumes();
        for volume in self.layers.values() {
            gone.remove(volume);
        }
        let due = |volume: &VolumeId| Some(*volume) > after && !gone.contains(volume);
        let of_pg = self.marks.iter().filter(|((p, v), _)| *p == pg && due(v));
        let mark = |((_, volume), marks): (&(PgId, VolumeId), &Marks)| {
            (*volume, marks.watermark, marks.newest)
        };
        let heads = self.heads.iter().filter(|(v, _)| due(v)).map(|(v, h)| (*v, *h));
        let layers = self.layers.iter().filter(|(_, v)| due(v)).map(|(l, v)| (*v, *l));
        self.reply(to, opened_page(heads.collect(), layers.collect(), of_pg.map(mark).collect()));
    }

    pub(super) fn on_copy_list(
        &mut self,
        to: ReplyTo,
        pg: PgId,
        join_at: PgEpoch,
        since: PgEpoch,
        after: Option<(LayerId, u64)>,
    ) {
        if let Err(refusal) = self.check_copy(pg, join_at) {
            return self.refuse(to, refusal);
        }
        let op = StoreOp::Changed { pg, since, after, limit: PAGE_CHUNKS };
        self.submit(Job::CopyList { to }, op);
    }

    pub(super) fn on_copy_read(&mut self, to: ReplyTo, join_at: PgEpoch, run: Run) {
        let mut checked = self.check_copy(run.pg, join_at);
        if !self.layers.contains_key(&run.layer) {
            checked = checked.and(Err(Refusal::Deleted));
        }
        if !run.is_sound() {
            checked = Err(Refusal::NotFound);
        }
        if let Err(refusal) = checked {
            return self.refuse(to, refusal);
        }
        let Run { pg, layer, block, blocks } = run;
        let op = StoreOp::ReadVersioned { pg, layer, block, blocks };
        let for_repair = join_at == PgEpoch::ZERO;
        self.submit(Job::CopyRead { to, pg, layer, for_repair }, op);
    }

    /// Copies are served only under an epoch that was installed here (rule 23).
    fn check_copy(&self, pg: PgId, join_at: PgEpoch) -> Result<(), Refusal> {
        self.check_source(pg, join_at)?;
        if self.pg_epoch(pg) < join_at { Err(Refusal::NoSession) } else { Ok(()) }
    }

    pub(super) fn copy_read(&mut self, to: ReplyTo, blocks: Vec<(Version, PgEpoch, BlockState)>) {
        let block = |(version, stamp, state)| CopyBlock { version, stamp, state };
        self.reply(to, Reply::CopyBlocks { blocks: blocks.into_iter().map(block).collect() });
    }
}

/// As many volumes as one message holds, the lowest first; of each all there is.
fn opened_page(
    mut heads: Vec<(VolumeId, HeadEpoch)>,
    mut layers: Vec<(VolumeId, LayerId)>,
    mut marks: Vec<(VolumeId, Version, Version)>,
) -> Reply {
    let mut rows: BTreeMap<VolumeId, usize> = BTreeMap::new();
    let volumes = heads.iter().map(|(v, _)| v).chain(layers.iter().map(|(v, _)| v));
    for volume in volumes.chain(marks.iter().map(|(v, ..)| v)) {
        *rows.entry(*volume).or_default() += 1;
    }
    let mut sum = 0;
    let fits = |rows: &&usize| {
        sum += **rows;
        sum <= PAGE_ROWS
    };
    let count = rows.values().take_while(fits).count().max(1);
    let last = rows.keys().nth(count - 1).copied();
    let more = last != rows.keys().next_back().copied();
    heads.retain(|(volume, _)| Some(*volume) <= last);
    layers.retain(|(volume, _)| Some(*volume) <= last);
    marks.retain(|(volume, ..)| Some(*volume) <= last);
    heads.sort_unstable();
    layers.sort_unstable();
    marks.sort_unstable();
    Reply::JoinOpened { heads, layers, marks, more }
}
