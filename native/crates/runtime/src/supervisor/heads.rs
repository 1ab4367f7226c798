//! Heads of the volumes that are attached to this peer: made, granted, moved on, given up.

use std::sync::Arc;

use serde_json::json;
use shoal_engine::head::{HeadEvent, HeadTiming, ReadMode};
use shoal_meta::local;
use shoal_meta::state::{Applied, ClusterState, Rejection, Volume};
use shoal_types::{HeadEpoch, PgView, PolicyId, VolumeId};

use super::Supervisor;
use crate::clock;
use crate::io_thread::{HeadKey, IoMessage, NewHead};
use crate::meta_thread::{MetaError, Proposed};
use crate::metrics::VolumeMetrics;

/// Pause before a head that was not granted is asked for again.
const RETRY_MS: u64 = 500;

/// Goes on once a head is gone.
pub type Then = Box<dyn FnOnce(&mut Supervisor) + Send>;

pub enum HeadState {
    /// Asked for; the answer is under way.
    Taking,
    /// Not granted: asked for again at that time.
    Refused {
        retry_at_ms: u64,
        why: String,
    },
    Granted {
        epoch: HeadEpoch,
        is_active: bool,
    },
    /// Being released; then these go on.
    Closing {
        epoch: HeadEpoch,
        then: Vec<Then>,
    },
    /// Another attachment took over: it answers EIO until it is detached.
    Fenced,
}

pub struct HeadEntry {
    pub key: HeadKey,
    pub thread: usize,
    pub name: String,
    pub policy: PolicyId,
    pub generation: u64,
    pub size_bytes: u64,
    pub min_in_sync: u8,
    pub state: HeadState,
    /// As the cluster knows it, until it is given back.
    pub granted: Option<HeadEpoch>,
    pub metrics: Arc<VolumeMetrics>,
}

impl HeadEntry {
    /// It has this head, or will know soon whether it does.
    pub fn has(&self, head_epoch: HeadEpoch) -> bool {
        let is_asked_for = matches!(self.state, HeadState::Taking);
        is_asked_for || self.granted == Some(head_epoch)
    }

    /// Fenced, and nothing that it was granted is left to be given back.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, HeadState::Fenced) && self.granted.is_none()
    }

    /// It was refused: somebody else may still own the head.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, HeadState::Refused { .. })
    }
}

impl HeadState {
    /// Why it is not served yet, if that is known.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { why, .. } => Some(why),
            _ => None,
        }
    }

    /// For people and `device.list`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Taking => "collecting",
            Self::Refused { .. } => "waiting",
            Self::Granted { is_active: true, .. } => "active",
            Self::Granted { is_active: false, .. } => "collecting",
            Self::Closing { .. } => "closing",
            Self::Fenced => "fenced",
        }
    }
}

impl Supervisor {
    /// Make a head for a volume that is attached here, unless there is one.
    pub(super) fn want_head(&mut self, volume: VolumeId) {
        if self.heads.contains_key(&volume) || self.closing.is_some() {
            return;
        }
        let Some(Some(entry)) = self.context.meta.read(|state| self.new_entry(state, volume))
        else {
            return;
        };
        self.next_head_key += 1;
        self.heads.insert(volume, entry);
        self.take(volume);
    }

    /// Also tells the I/O thread to make the head; it waits there for its grant.
    fn new_entry(&self, state: &ClusterState, id: VolumeId) -> Option<HeadEntry> {
        let volume = state.volumes().get(&id).filter(|volume| volume.is_active())?;
        let policy = state.policies().get(&volume.policy)?;
        let attachment = volume.attachment?;
        let local_disks = self.stores.keys().copied().collect();
        let config = local::head_config(state, volume, local_disks, HeadTiming::default())?;
        let (key, metrics) = (self.next_head_key, Arc::new(VolumeMetrics::default()));
        let thread = (id.0 % self.context.io_threads.len() as u64) as usize;
        let name = volume.name.clone();
        let new = NewHead { key, volume: id, name, config, metrics: metrics.clone() };
        self.context.io_threads[thread].send(IoMessage::AddHead(Box::new(new)));
        Some(HeadEntry {
            key,
            thread,
            name: volume.name.clone(),
            policy: policy.id,
            generation: attachment.generation,
            size_bytes: volume.size_bytes,
            min_in_sync: policy.min_in_sync,
            state: HeadState::Taking,
            granted: None,
            metrics,
        })
    }

    pub(super) fn take(&mut self, volume: VolumeId) {
        let Some(entry) = self.heads.get_mut(&volume) else { return };
        entry.state = HeadState::Taking;
        let (key, generation) = (entry.key, entry.generation);
        let expected = |state: &ClusterState| Some(state.volumes().get(&volume)?.head.epoch);
        let Some(Some(expected)) = self.context.meta.read(expected) else { return };
        let inlet = self.context.inlet.clone();
        self.context.meta.take_head(volume, generation, expected, move |result| {
            inlet.go_on(move |supervisor| supervisor.on_taken(volume, key, result));
        });
    }

    fn on_taken(&mut self, volume: VolumeId, key: HeadKey, result: Result<Proposed, MetaError>) {
        let known = self.heads.get(&volume).is_some_and(|entry| entry.key == key);
        let outcome = result.map(|proposed| proposed.outcome);
        let why = match outcome {
            Ok(Ok(Applied::Head { head_epoch })) if known => {
                return self.on_granted(volume, head_epoch);
            }
            Ok(Ok(Applied::Head { head_epoch })) => return self.give_back(volume, head_epoch),
            // The owner's lease has to run out first, or the state here was behind.
            Ok(Err(Rejection::NotAttached { .. })) if known => {
                return self.on_fenced(volume);
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{error:?}"),
        };
        if let Some(entry) = self.heads.get_mut(&volume)
            && known
            && matches!(entry.state, HeadState::Taking)
        {
            entry.state = HeadState::Refused { retry_at_ms: clock::now_ms() + RETRY_MS, why };
        }
    }

    /// RULE 12: the views are read after the grant was applied here.
    fn on_granted(&mut self, volume: VolumeId, head_epoch: HeadEpoch) {
        let Some(entry) = self.heads.get_mut(&volume) else { return };
        if matches!(entry.state, HeadState::Fenced) {
            // Taken over while it was asked for: this head never answered anything.
            return self.give_back(volume, head_epoch);
        }
        entry.granted = Some(head_epoch);
        if let HeadState::Closing { epoch, .. } = &mut entry.state {
            *epoch = head_epoch;
        } else {
            entry.state = HeadState::Granted { epoch: head_epoch, is_active: false };
        }
        let policy = entry.policy;
        let known = self.context.meta.read(|state| {
            (local::head_reads(state, volume, head_epoch), local::views_of(state, policy))
        });
        let (reads, views) = known.unwrap_or((ReadMode::Confirmed, vec![]));
        self.tell_head(volume, HeadEvent::Granted { head_epoch, reads, views });
        self.announce_head(volume);
        self.drive_device(volume);
    }

    /// A grant that came after its head was given up, or the head of one that was taken over.
    fn give_back(&self, volume: VolumeId, head_epoch: HeadEpoch) {
        self.release(volume, head_epoch, Box::new(|_| {}));
    }

    pub(super) fn on_active(&mut self, volume: VolumeId) {
        if let Some(entry) = self.heads.get_mut(&volume)
            && let HeadState::Granted { is_active, .. } = &mut entry.state
        {
            *is_active = true;
            self.announce_head(volume);
            self.drive_device(volume);
        }
    }

    pub(super) fn on_fenced(&mut self, volume: VolumeId) {
        let Some(entry) = self.heads.get_mut(&volume) else { return };
        // One that is being given up goes on to its end.
        if !matches!(entry.state, HeadState::Closing { .. }) {
            entry.state = HeadState::Fenced;
        }
        let generation = entry.generation;
        self.tell_head(volume, HeadEvent::Revoked);
        self.announce_head(volume);
        self.fence_device_of(volume, generation);
    }

    /// The head answers nothing any more. IT IS GIVEN BACK ONLY NOW, and always: whoever took over
    /// would wait for it as long as this peer lives.
    pub(super) fn on_head_ended(&mut self, volume: VolumeId) {
        self.on_fenced(volume);
        let Some(entry) = self.heads.get_mut(&volume) else { return };
        if matches!(entry.state, HeadState::Closing { .. }) {
            return self.on_released(volume);
        }
        if let Some(head_epoch) = entry.granted.take() {
            // The volume may be attached here anew: its next head waits for the end of this one.
            self.release(volume, head_epoch, Box::new(Self::sync));
        }
    }

    /// Give a head up in order: what is in flight is finished until `deadline_ms` from now. `then`
    /// goes on once the cluster knows that nobody owns the head.
    pub(super) fn close_head(&mut self, volume: VolumeId, deadline_ms: u64, then: Then) {
        let Some(entry) = self.heads.get_mut(&volume) else { return then(self) };
        let deadline_us = clock::now_us() + deadline_ms * 1_000;
        match &mut entry.state {
            HeadState::Closing { then: waiting, .. } => waiting.push(then),
            HeadState::Granted { epoch, .. } => {
                entry.state = HeadState::Closing { epoch: *epoch, then: vec![then] };
                self.tell_head(volume, HeadEvent::Close { deadline_us });
            }
            HeadState::Taking | HeadState::Refused { .. } | HeadState::Fenced => {
                self.forget_head(volume);
                then(self);
            }
        }
    }

    /// The head said that it ended in order: reads have stopped BEFORE the cluster is told.
    pub(super) fn on_released(&mut self, volume: VolumeId) {
        let Some(entry) = self.heads.get_mut(&volume) else { return };
        let HeadState::Closing { epoch, then } =
            std::mem::replace(&mut entry.state, HeadState::Fenced)
        else {
            return;
        };
        self.forget_head(volume);
        let all = move |supervisor: &mut Supervisor| {
            then.into_iter().for_each(|next| next(supervisor));
        };
        self.release(volume, epoch, Box::new(all));
    }

    fn release(&self, volume: VolumeId, head_epoch: HeadEpoch, then: Then) {
        let Some(peer) = self.peer_id() else { return };
        let process = shoal_meta::hex::Hex(self.context.process);
        let command = shoal_meta::state::Command::ReleaseHead { volume, peer, process, head_epoch };
        // Not released is no harm: the next head waits for the lease, or knows its own peer.
        self.propose(command, move |supervisor, _| then(supervisor));
    }

    pub(super) fn forget_head(&mut self, volume: VolumeId) {
        if let Some(entry) = self.heads.remove(&volume) {
            // Nobody finds it any more by the time when its clients are disconnected.
            self.context.directory.remove(entry.key);
            let message = IoMessage::RemoveHead { key: entry.key };
            self.context.io_threads[entry.thread].send(message);
            self.broadcast("head.changed", json!({ "volume": entry.name, "state": "gone" }));
        }
    }

    pub(super) fn retry_heads(&mut self) {
        let now_ms = clock::now_ms();
        let is_due = |entry: &HeadEntry| match entry.state {
            HeadState::Refused { retry_at_ms, .. } => retry_at_ms <= now_ms,
            _ => false,
        };
        let due: Vec<VolumeId> =
            self.heads.iter().filter(|(_, entry)| is_due(entry)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|volume| self.take(volume));
    }

    pub(super) fn tell_head(&self, volume: VolumeId, event: HeadEvent) {
        if let Some(entry) = self.heads.get(&volume) {
            let message = IoMessage::Head { key: entry.key, event };
            self.context.io_threads[entry.thread].send(message);
        }
    }

    /// Changed views, to the heads whose policy they belong to.
    pub(super) fn tell_heads(&self, views: &[PgView]) {
        for (volume, entry) in &self.heads {
            for view in views.iter().filter(|view| view.pg.policy == entry.policy) {
                self.tell_head(*volume, HeadEvent::View(view.clone()));
            }
        }
    }

    /// The policy of its volume asks for more members in sync, or for fewer.
    pub(super) fn sync_min_in_sync(&mut self, volume: VolumeId) {
        let Some(entry) = self.heads.get(&volume) else { return };
        let policy = entry.policy;
        let wanted = self.context.meta.read(|s| s.policies().get(&policy).map(|p| p.min_in_sync));
        let Some(Some(wanted)) = wanted.filter(|found| *found != Some(entry.min_in_sync)) else {
            return;
        };
        self.heads.get_mut(&volume).expect("just seen").min_in_sync = wanted;
        self.tell_head(volume, HeadEvent::MinInSync { count: u32::from(wanted) });
    }

    /// The volume was renamed.
    pub(super) fn sync_name(&mut self, volume: &Volume) {
        if let Some(entry) = self.heads.get_mut(&volume.id) {
            entry.name.clone_from(&volume.name);
        }
    }

    /// The volume was resized.
    pub(super) fn sync_size(&mut self, volume: &Volume) {
        let Some(entry) = self.heads.get_mut(&volume.id) else { return };
        if entry.size_bytes != volume.size_bytes {
            entry.size_bytes = volume.size_bytes;
            self.tell_head(volume.id, HeadEvent::Resize { size_bytes: volume.size_bytes });
        }
    }

    fn announce_head(&self, volume: VolumeId) {
        if let Some(entry) = self.heads.get(&volume) {
            let data = json!({ "volume": entry.name, "state": entry.state.name() });
            self.broadcast("head.changed", data);
        }
    }
}
