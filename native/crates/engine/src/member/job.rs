//! Store operations under way, and what their end means.

use shoal_types::message::EntryInfo;
use shoal_types::{
    HeadEpoch, LayerId, PgEpoch, PgId, Raise, Refusal, Reply, StoreError, StoreOp, StoreReply,
    Version, VolumeId,
};

use super::install::Round;
use super::repair::BlockAt;
use super::session::JoinStep;
use super::{Member, MemberOutput, RepairOutcome, ReplyTo};
use crate::common::Key;
use crate::planted::{Bug, is_planted};

#[derive(Clone, Debug)]
pub(super) enum Job {
    Write {
        to: ReplyTo,
        volume: VolumeId,
        pg: PgId,
        version: Version,
        stamp: PgEpoch,
        /// Not zeros.
        data: bool,
    },
    /// Answer with this once it is durable.
    Answer {
        to: ReplyTo,
        reply: Reply,
    },
    Read {
        to: ReplyTo,
        pg: PgId,
        layer: LayerId,
        pg_epoch: PgEpoch,
    },
    Install {
        to: ReplyTo,
        round: Round,
    },
    List {
        to: ReplyTo,
        volume: VolumeId,
        pg: PgId,
        head_epoch: HeadEpoch,
    },
    Entry {
        to: ReplyTo,
        pg: PgId,
        entry: EntryInfo,
    },
    JoinOpen {
        to: ReplyTo,
        pg: PgId,
        after: Option<VolumeId>,
    },
    CopyList {
        to: ReplyTo,
    },
    CopyRead {
        to: ReplyTo,
        pg: PgId,
        layer: LayerId,
        /// Asked by another member's repair.
        for_repair: bool,
    },
    Repair(BlockAt),
    OpenLayer {
        to: ReplyTo,
        layer: LayerId,
    },
    DeleteLayer {
        layer: LayerId,
    },
    Join {
        pg: PgId,
        join_at: PgEpoch,
        step: JoinStep,
    },
    /// Nobody waits for it.
    Silent,
}

impl Job {
    fn asker(&self) -> Option<ReplyTo> {
        match self {
            Self::Write { to, .. }
            | Self::Answer { to, .. }
            | Self::Read { to, .. }
            | Self::Install { to, .. }
            | Self::List { to, .. }
            | Self::Entry { to, .. }
            | Self::JoinOpen { to, .. }
            | Self::CopyList { to }
            | Self::CopyRead { to, .. }
            | Self::OpenLayer { to, .. } => Some(*to),
            Self::DeleteLayer { .. } | Self::Join { .. } | Self::Repair(_) | Self::Silent => None,
        }
    }
}

impl Member {
    pub(super) fn on_store(&mut self, token: u64, result: Result<StoreReply, StoreError>) {
        let key = Key(token);
        let job = self.jobs.remove(key).expect("the store answers each token once");
        match result {
            Ok(reply) => {
                let pg = if let Job::Write { pg, .. } = &job { Some(*pg) } else { None };
                self.job_done(job, reply);
                pg.into_iter().for_each(|pg| self.live_write_done(pg, key));
            }
            Err(error) => self.job_failed(job, error),
        }
    }

    fn live_write_done(&mut self, pg: PgId, key: Key) {
        if let Some(session) = self.sessions.get_mut(&pg)
            && session.live_ended(key)
            && !session.failed
        {
            self.copy_on(pg);
        }
    }

    fn job_done(&mut self, job: Job, result: StoreReply) {
        match (job, result) {
            (Job::Write { to, version, stamp, .. }, StoreReply::Done) => {
                let free_blocks = self.free_blocks;
                self.reply(to, Reply::Written { version, pg_epoch: stamp, free_blocks });
            }
            (Job::Answer { to, reply }, StoreReply::Done) => self.reply(to, reply),
            (Job::Read { to, .. }, StoreReply::Blocks(blocks)) => {
                self.reply(to, Reply::Blocks { blocks });
            }
            (Job::Install { to, round }, StoreReply::Done) => self.installed(to, round),
            (Job::List { to, volume, pg, head_epoch }, StoreReply::Unsettled { entries, more }) => {
                self.listed(to, (volume, pg, head_epoch), entries, more)
            }
            (Job::Entry { to, entry, .. }, StoreReply::Versioned(blocks)) => {
                self.entry_read(to, entry, blocks);
            }
            (Job::JoinOpen { to, pg, after }, StoreReply::Done) => {
                self.join_opened_here(to, pg, after);
            }
            (Job::CopyList { to }, StoreReply::Changed { entries, more }) => {
                self.reply(to, Reply::CopyList { entries, more });
            }
            (Job::Repair(at), StoreReply::Done) => self.repair_ended(at, RepairOutcome::Repaired),
            (Job::CopyRead { to, .. }, StoreReply::Versioned(blocks)) => self.copy_read(to, blocks),
            (Job::OpenLayer { to, .. }, StoreReply::Done) => self.reply(to, Reply::LayerOpened),
            (Job::DeleteLayer { layer }, StoreReply::Done) => {
                self.out.push(MemberOutput::LayerDeleted { layer });
            }
            (Job::Join { pg, join_at, step }, reply) => self.join_step(pg, join_at, step, reply),
            (Job::Silent, _) => {}
            (job, reply) => panic!("the store answered {job:?} with {reply:?}"),
        }
    }

    fn job_failed(&mut self, job: Job, error: StoreError) {
        if error == StoreError::Fenced && !self.fenced {
            self.fenced = true;
            self.out.push(MemberOutput::StoreLost { error });
        }
        if let StoreError::BadBlock { block } = error {
            self.repair_of(&job, block);
        }
        match job {
            Job::Repair(at) => self.repair_refused(at, error),
            Job::Join { pg, join_at, step } => self.join_step_failed(pg, join_at, step, error),
            Job::Write { to, volume, pg, version, stamp, data } => {
                // It was marked as written live, and is not: the session's memory is wrong.
                self.fail_live_write(pg, error);
                if error == StoreError::NoSpace {
                    if self.is_under_way(volume, pg, version, stamp) {
                        return self.refuse(to, Refusal::NoSession);
                    }
                    if data {
                        self.remember_refusal(volume, pg, version, stamp);
                    }
                    return self.refuse_no_space(to, volume, pg, version, stamp);
                }
                self.refuse(to, refusal_of(error));
            }
            Job::OpenLayer { layer, to } => {
                self.layers.remove(&layer);
                self.refuse(to, refusal_of(error));
            }
            Job::Read { to, pg, pg_epoch, .. } if matches!(error, StoreError::BadBlock { .. }) => {
                self.refuse_bad_read(to, pg, pg_epoch);
            }
            job => {
                if let Some(to) = job.asker() {
                    self.refuse(to, refusal_of(error));
                }
            }
        }
    }

    /// Zeros that come back do no harm: nothing was where they found no room.
    fn remember_refusal(&mut self, volume: VolumeId, pg: PgId, version: Version, stamp: PgEpoch) {
        let watermark = self.marks.get(&(pg, volume)).map_or(Version::ZERO, |m| m.watermark);
        self.refused.entry((pg, volume)).or_default().add(version, stamp, watermark);
    }

    /// A second copy of a write whose first one found no room: it decides. Until then the head tries
    /// again.
    fn is_under_way(&self, volume: VolumeId, pg: PgId, version: Version, stamp: PgEpoch) -> bool {
        let same = |job: &Job| {
            matches!(job, Job::Write { volume: v, pg: p, version: n, stamp: s, .. }
                if (*v, *p, *n, *s) == (volume, pg, version, stamp))
        };
        self.jobs.iter().any(|(_, job)| same(job)) && !is_planted(Bug::RefusedComesBack)
    }

    /// The epochs of a write that found no room are installed all the same, and durably, for this
    /// member judges by them already.
    pub(super) fn refuse_no_space(
        &mut self,
        to: ReplyTo,
        volume: VolumeId,
        pg: PgId,
        version: Version,
        stamp: PgEpoch,
    ) {
        let raise = Raise {
            volumes: vec![(volume, version.head_epoch)],
            pgs: vec![(pg, stamp)],
            ..Raise::default()
        };
        let reply = Reply::Refused(Refusal::NoSpace);
        self.submit(Job::Answer { to, reply }, StoreOp::Raise(raise));
    }
}

fn refusal_of(error: StoreError) -> Refusal {
    match error {
        StoreError::NoSpace => Refusal::NoSpace,
        StoreError::NoLayer => Refusal::Deleted,
        StoreError::BadBlock { .. } | StoreError::Unsupported => Refusal::BadBlock,
        StoreError::Fenced => Refusal::Fenced,
    }
}
