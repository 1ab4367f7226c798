//! A volume that another peer has: claimed here, or lost to there.

use shoal_meta::hex::Hex;
use shoal_meta::local;
use shoal_meta::state::{Command, Via, Volume};
use shoal_types::{HeadEpoch, VolumeId};

use super::Supervisor;
use super::heads::HeadEntry;
use super::membership::settled;
use crate::control::ControlError;
use crate::io_thread::IoMessage;

/// Goes on once it is known whether the volume is free for this peer.
pub type Claimed = Box<dyn FnOnce(&mut Supervisor, Result<(), ControlError>) + Send>;

impl Supervisor {
    /// The generation to fence, if `takeover` was asked for and another peer has the volume.
    pub(super) fn generation_to_fence(&self, volume: VolumeId, takeover: bool) -> Option<u64> {
        let me = self.peer_id()?;
        let held = |v: &Volume| v.attachment.filter(|a| takeover && a.peer != me);
        let state = self.context.meta.read(|s| s.volumes().get(&volume).and_then(held));
        state.flatten().map(|attachment| attachment.generation)
    }

    /// Attach the volume for exports if another peer has it: with `takeover` that attachment is
    /// fenced. Without, the leader lets it pass only when that peer's lease is over.
    pub(super) fn claim(&mut self, volume: VolumeId, takeover: bool, then: Claimed) {
        let me = self.peer_id();
        let elsewhere = |v: &Volume| v.attachment.is_some_and(|a| Some(a.peer) != me);
        let held = self.context.meta.read(|s| s.volumes().get(&volume).is_some_and(elsewhere));
        let (Some(peer), Some(true)) = (me, held) else { return then(self, Ok(())) };
        let takeover = self.generation_to_fence(volume, takeover);
        let (via, read_only, queues) = (Via::Export, false, 0);
        let command = Command::Attach { volume, peer, via, read_only, queues, takeover };
        self.propose(command, move |supervisor, result| {
            then(supervisor, settled(result).map(|_| ()));
        });
    }

    /// Did another attachment begin since the one that the head here was taken under?
    pub(super) fn is_taken_over(&self, volume: VolumeId) -> bool {
        let Some(entry) = self.heads.get(&volume) else { return false };
        let (me, generation) = (self.peer_id(), entry.generation);
        let newer = |v: &Volume| local::is_taken_over(v, me, generation);
        self.context.meta.read(|s| s.volumes().get(&volume).is_some_and(newer)) == Some(true)
    }

    /// NO REQUEST OF AN OLD CLIENT IS SERVED ANY MORE: its connections end, the head stops at once
    /// and is given back, so that the new one need not wait for the lease. A device stays, fenced,
    /// until it is detached: the cluster remembers that.
    pub(super) fn on_taken_over(&mut self, volume: VolumeId) {
        let Some(entry) = self.heads.get(&volume) else { return };
        let (me, generation, key) = (self.peer_id(), entry.generation, entry.key);
        self.context.directory.remove(key);
        self.context.io_threads[entry.thread].send(IoMessage::CloseClients { key });
        let remembered = |v: &Volume| local::is_remembered_as_fenced(v, me, generation);
        let device = self.context.meta.read(|s| s.volumes().get(&volume).is_some_and(remembered));
        if device == Some(true) {
            return self.on_fenced(volume);
        }
        self.close_head(volume, 0, Box::new(|_| {}));
    }

    /// The volume came back: it is attached here anew, under `generation`. A head of an older
    /// attachment answers nothing any more, and once it has ended it makes room for another one. ITS
    /// DEVICE IS FENCED BEFORE THAT, so that no request of the old attachment gets to the new head.
    pub(super) fn end_stale_head(&mut self, volume: VolumeId, generation: u64) {
        if self.heads.get(&volume).is_none_or(|head| head.generation == generation) {
            return;
        }
        self.on_fenced(volume);
        let has_ended = self.heads.get(&volume).is_some_and(HeadEntry::has_ended);
        if has_ended && self.closing.is_none() {
            self.forget_head(volume);
        }
    }

    /// Heads that the cluster counts as ours, and nobody here has. Repeated until it knows.
    pub(super) fn give_back_orphans(&mut self) {
        let Some(me) = self.peer_id().filter(|_| self.giving_back == 0) else { return };
        let process = Hex(self.context.process);
        let has = |volume: VolumeId, head_epoch: HeadEpoch| {
            self.heads.get(&volume).is_some_and(|entry| entry.has(head_epoch))
        };
        let orphans =
            self.context.meta.read(|state| local::orphaned_heads(state, me, process, has));
        for command in orphans.unwrap_or_default() {
            self.giving_back += 1;
            self.propose(command, |supervisor, _| {
                supervisor.giving_back -= 1;
                supervisor.give_back_orphans();
            });
        }
    }

    /// Heads that waited for their old owner: it gave them back.
    pub(super) fn take_free_heads(&mut self) {
        let waiting = self.heads.iter().filter(|(_, entry)| entry.is_waiting()).map(|(v, _)| *v);
        let waiting: Vec<VolumeId> = waiting.collect();
        if waiting.is_empty() {
            return;
        }
        let free = self.context.meta.read(|state| {
            let free = |v: &VolumeId| {
                state.volumes().get(v).is_some_and(|volume| volume.head.owner.is_none())
            };
            waiting.into_iter().filter(free).collect::<Vec<_>>()
        });
        free.unwrap_or_default().into_iter().for_each(|volume| self.take(volume));
    }
}
