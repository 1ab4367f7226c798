//! The source's side of a resync (rules 20, 23).

use shoal_types::message::CopyBlock;
use shoal_types::{
    BlockState, DiskId, LayerId, PgEpoch, PgId, Raise, Refusal, Reply, StoreOp, Version, VolumeId,
};

use super::job::Job;
use super::read::Run;
use super::{Marks, Member, ReplyTo};

/// Chunks in one page of a copy list.
const PAGE_CHUNKS: u32 = 1024;

impl Member {
    pub(super) fn on_join_open(&mut self, to: ReplyTo, pg: PgId, join_at: PgEpoch, joiner: DiskId) {
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
        self.submit(Job::JoinOpen { to, pg }, StoreOp::Raise(raise));
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
    pub(super) fn join_opened_here(&mut self, to: ReplyTo, pg: PgId) {
        let mut gone = self.gone.volumes();
        for volume in self.layers.values() {
            gone.remove(volume);
        }
        let heads = self.heads.iter().filter(|(v, _)| !gone.contains(v));
        let mut heads: Vec<_> = heads.map(|(v, h)| (*v, *h)).collect();
        let mut layers: Vec<_> = self.layers.iter().map(|(l, v)| (*v, *l)).collect();
        let of_pg = self.marks.iter().filter(|((p, v), _)| *p == pg && !gone.contains(v));
        let mark = |((_, volume), marks): (&(PgId, VolumeId), &Marks)| {
            (*volume, marks.watermark, marks.newest)
        };
        let mut marks: Vec<(VolumeId, Version, Version)> = of_pg.map(mark).collect();
        heads.sort_unstable();
        layers.sort_unstable();
        marks.sort_unstable();
        self.reply(to, Reply::JoinOpened { heads, layers, marks });
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
