//! Reads for heads (rule 27) and of single entries in a take-over.

use shoal_types::geometry::MESSAGE_BLOCKS_MAX;
use shoal_types::message::EntryInfo;
use shoal_types::{
    BlockState, HeadEpoch, LayerId, PgEpoch, PgId, Refusal, Reply, StoreOp, Version, VolumeId,
};

use super::job::Job;
use super::{Member, ReplyTo};
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// Consecutive blocks of one layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) pg: PgId,
    pub(super) layer: LayerId,
    pub(super) block: u64,
    pub(super) blocks: u32,
}

impl Run {
    pub(super) fn is_sound(&self) -> bool {
        (1..=MESSAGE_BLOCKS_MAX).contains(&self.blocks)
            && self.block.checked_add(u64::from(self.blocks)).is_some()
    }
}

impl Member {
    pub(super) fn on_read(
        &mut self,
        to: ReplyTo,
        volume: VolumeId,
        run: Run,
        head_epoch: HeadEpoch,
        pg_epoch: PgEpoch,
    ) {
        let checked = self
            .check_fit(run.pg)
            .and_then(|()| self.check_serves(volume, head_epoch))
            .and_then(|()| self.check_pg(run.pg, pg_epoch))
            .and_then(|()| self.check_in_sync(run.pg, pg_epoch))
            .and_then(|()| self.check_layer(volume, run.layer))
            .and_then(|()| if run.is_sound() { Ok(()) } else { Err(Refusal::NotFound) });
        if let Err(refusal) = checked {
            return self.refuse(to, refusal);
        }
        let Run { pg, layer, block, blocks } = run;
        let op = StoreOp::Read { pg, layer, block, blocks };
        self.submit(Job::Read { to, pg, layer, pg_epoch }, op);
    }

    /// The head may not know of a member that came in sync since and holds a good copy: it hears of
    /// the newer view first, and only then that this copy is bad.
    pub(super) fn refuse_bad_read(&mut self, to: ReplyTo, pg: PgId, pg_epoch: PgEpoch) {
        let view = self.pgs.get(&pg).and_then(|p| p.view.as_ref());
        match view.map(|view| view.epoch).filter(|seen| *seen > pg_epoch) {
            Some(seen) => {
                cover!("bad block under an older view");
                self.refuse(to, Refusal::StalePg { seen });
            }
            None => self.refuse(to, Refusal::BadBlock),
        }
    }

    /// Exactly the head's epoch, neither older nor newer.
    pub(super) fn check_serves(
        &self,
        volume: VolumeId,
        head_epoch: HeadEpoch,
    ) -> Result<(), Refusal> {
        self.check_head(volume, head_epoch)?;
        let installed = self.head_epoch(volume);
        if installed == head_epoch { Ok(()) } else { Err(Refusal::NotInstalled { installed }) }
    }

    /// Never by a joiner, nor by one that knows that it is out.
    fn check_in_sync(&self, pg: PgId, pg_epoch: PgEpoch) -> Result<(), Refusal> {
        let Some(view) = self.pgs.get(&pg).and_then(|p| p.view.as_ref()) else { return Ok(()) };
        if is_planted(Bug::JoinerServesReads)
            || view.epoch < pg_epoch
            || view.is_in_sync(self.config.disk)
        {
            return Ok(());
        }
        if view.epoch > pg_epoch {
            return Err(Refusal::StalePg { seen: view.epoch });
        }
        Err(Refusal::NotMember)
    }

    fn check_layer(&self, volume: VolumeId, layer: LayerId) -> Result<(), Refusal> {
        if self.layers.get(&layer) == Some(&volume) { Ok(()) } else { Err(Refusal::Deleted) }
    }

    pub(super) fn on_read_entry(
        &mut self,
        to: ReplyTo,
        volume: VolumeId,
        pg: PgId,
        head_epoch: HeadEpoch,
        entry: EntryInfo,
    ) {
        let checked = self
            .check_fit(pg)
            .and_then(|()| self.check_serves(volume, head_epoch))
            .and_then(|()| self.check_layer(volume, entry.layer));
        if let Err(refusal) = checked {
            return self.refuse(to, refusal);
        }
        let (layer, block) = (entry.layer, entry.block);
        let op = StoreOp::ReadVersioned { pg, layer, block, blocks: 1 };
        self.submit(Job::Entry { to, pg, entry }, op);
    }

    pub(super) fn entry_read(
        &mut self,
        to: ReplyTo,
        entry: EntryInfo,
        blocks: Vec<(Version, PgEpoch, BlockState)>,
    ) {
        match blocks.into_iter().next() {
            Some((version, _, state)) if version == entry.version => {
                self.reply(to, Reply::Entry { state });
            }
            _ => {
                cover!("entry gone before it was read");
                self.refuse(to, Refusal::NotFound);
            }
        }
    }
}
