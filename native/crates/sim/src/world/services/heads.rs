//! Heads of the volumes that are attached to a peer: asked for, granted, given up. As the
//! supervisor of a data process does it.

use shoal_engine::head::{HeadEvent, HeadTiming};
use shoal_engine::planted::{Bug, is_planted};
use shoal_meta::local;
use shoal_meta::service::Unavailable;
use shoal_meta::state::{Applied, ClusterState, Outcome, Rejection};
use shoal_types::{HeadEpoch, PolicyId, VolumeId};

use super::station::After;
use super::{RecordEvent, id_of};
use crate::world::World;
use crate::world::event::ToCluster;
use crate::world::heads::Launch;

/// Of the attachment that it was taken under, while the process lives.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: u64,
    pub generation: u64,
    /// The attachment in whose name it was asked for.
    pub asked_as: u64,
    pub state: EntryState,
    /// Once it was granted, and as long as it lives.
    pub head: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Asked for; the answer is under way.
    Taking,
    /// Not granted: asked for again.
    Refused,
    Granted,
    /// Being given up in order.
    Closing,
    /// Another attachment took over: it answers nothing until it is detached.
    Fenced,
}

/// Heads that were not granted are asked for again so often.
const RETRY_PER_LEASE: u64 = 8;

impl World {
    pub(super) fn want_head(&mut self, peer: u64, volume: VolumeId, generation: u64) {
        let process = self.process(peer);
        if process.heads.contains_key(&volume) {
            return;
        }
        let key = process.next_key;
        process.next_key += 1;
        let entry =
            Entry { key, generation, asked_as: generation, state: EntryState::Taking, head: None };
        process.heads.insert(volume, entry);
        self.take(peer, volume);
    }

    pub(super) fn take(&mut self, peer: u64, volume: VolumeId) {
        let expected = |state: &ClusterState| Some(state.volumes().get(&volume)?.head.epoch);
        let Some(Some(expected)) = self.read(peer, expected) else { return };
        let id = self.services().fresh_id();
        let newest = |s: &ClusterState| s.volumes().get(&volume).map(|v| v.generation);
        let newest = self.read(peer, newest).flatten();
        let Some(entry) = self.process(peer).heads.get_mut(&volume) else { return };
        let taken_back = newest.filter(|_| is_planted(Bug::FencedTakenBack));
        let generation = taken_back.unwrap_or(entry.generation);
        (entry.state, entry.asked_as) = (EntryState::Taking, generation);
        let key = entry.key;
        self.process(peer).proposals.insert(id, After::Taken { volume, key });
        self.drive(peer, |service, now| service.take_head(id, volume, generation, expected, now));
    }

    pub(super) fn on_taken(
        &mut self,
        peer: u64,
        volume: VolumeId,
        key: u64,
        result: Result<Outcome, Unavailable>,
    ) {
        let known = self.process(peer).heads.get(&volume).is_some_and(|entry| entry.key == key);
        match result {
            Ok(Ok(Applied::Head { head_epoch })) if known => {
                return self.on_granted(peer, volume, head_epoch);
            }
            // A grant that came after its head was given up.
            Ok(Ok(Applied::Head { head_epoch })) => {
                return self.tell_cluster(peer, ToCluster::Released { volume, head_epoch });
            }
            Ok(Err(Rejection::NotAttached { .. })) if known => return self.on_fenced(peer, volume),
            _ => {}
        }
        let entry = self.process(peer).heads.get_mut(&volume).filter(|_| known);
        if let Some(entry) = entry.filter(|entry| entry.state == EntryState::Taking) {
            entry.state = EntryState::Refused;
            let wait = self.plan.lease_ms * 1000 / RETRY_PER_LEASE;
            self.record_soon(peer, wait, RecordEvent::Retry);
        }
    }

    pub(super) fn retry_heads(&mut self, peer: u64) {
        let heads = self.process(peer).heads.iter();
        let refused = heads.filter(|(_, entry)| entry.state == EntryState::Refused);
        for volume in refused.map(|(volume, _)| *volume).collect::<Vec<_>>() {
            self.take(peer, volume);
        }
    }

    /// RULE 12: the views are read after the grant was applied here.
    fn on_granted(&mut self, peer: u64, volume: VolumeId, head_epoch: HeadEpoch) {
        let local_disks = self.plan.disks_of(peer);
        let timing = HeadTiming {
            report_after_us: 400_000,
            read_retry_us: 150_000,
            ..HeadTiming::default()
        };
        let made = self.read(peer, |state| {
            let record = state.volumes().get(&volume)?;
            let config = local::head_config(state, record, local_disks, timing)?;
            let reads = local::head_reads(state, volume, head_epoch);
            Some((config, reads, local::views_of(state, PolicyId(1))))
        });
        let Some(Some((config, reads, views))) = made else { return };
        let valid_until_us = self.process(peer).lease_until_ms * 1000;
        let Some(entry) = self.process(peer).heads.get_mut(&volume) else { return };
        if entry.state == EntryState::Fenced {
            return self.tell_cluster(peer, ToCluster::Released { volume, head_epoch });
        }
        entry.state = EntryState::Granted;
        let (generation, old) = (entry.generation, entry.head);
        // Its own older head ended before this one was asked for, or ends now.
        if let Some(old) = old {
            self.head_event(old, HeadEvent::Revoked);
        }
        let used = self.used_of(config.size_bytes);
        let launch = Launch { peer, generation, head_epoch, reads, views, used, valid_until_us };
        let head = self.launch_head(config, launch);
        if let Some(entry) = self.process(peer).heads.get_mut(&volume) {
            entry.head = Some(head);
        }
    }

    /// THE PROMISE: no later head serves under an attachment older than one that was served under.
    pub fn head_serves(&mut self, volume: VolumeId, generation: u64, head_epoch: HeadEpoch) {
        let Some(services) = self.record.services_mut() else { return };
        let newest = services.served.entry(volume).or_insert((head_epoch, generation));
        if newest.0 >= head_epoch {
            // It was deposed while the last answers of its take-over were under way.
            return;
        }
        if newest.1 > generation {
            let why = format!("volume {volume} is served under attachment {generation} again");
            return self.fail(why);
        }
        *newest = (head_epoch, generation);
    }

    /// Also of one that is taken away while it is asked for.
    pub(super) fn on_fenced(&mut self, peer: u64, volume: VolumeId) {
        let Some(entry) = self.process(peer).heads.get_mut(&volume) else { return };
        if entry.state != EntryState::Closing {
            entry.state = EntryState::Fenced;
        }
        if let Some(head) = entry.head {
            self.head_event(head, HeadEvent::Revoked);
        }
    }

    pub(super) fn close_head(&mut self, peer: u64, volume: VolumeId, for_us: u64) {
        let local_us = self.peers[peer as usize].clock.local_us(self.now_us);
        let process = self.record.services_mut().expect("it has one");
        let process = &mut process.stations[peer as usize].process;
        let Some(entry) = process.heads.get_mut(&volume) else { return };
        match (entry.state, entry.head) {
            (EntryState::Closing, _) => {}
            (EntryState::Granted, Some(head)) => {
                entry.state = EntryState::Closing;
                self.head_event(head, HeadEvent::Close { deadline_us: local_us + for_us });
            }
            _ => drop(process.heads.remove(&volume)),
        }
    }

    /// Reads have stopped BEFORE the cluster is told.
    pub fn head_released(&mut self, peer: u64, id: u64, volume: VolumeId, head_epoch: HeadEpoch) {
        if let Some(process) = self.own_entry(peer, id, volume) {
            process.heads.remove(&volume);
        }
        self.tell_cluster(peer, ToCluster::Released { volume, head_epoch });
    }

    /// A member told it of a newer head, or its peer did. It answers nothing any more, AND ONLY NOW
    /// IS GIVEN BACK: whoever took over would wait for it as long as this peer lives.
    pub fn head_fenced(&mut self, peer: u64, id: u64, volume: VolumeId, head_epoch: HeadEpoch) {
        let Some(process) = self.own_entry(peer, id, volume) else { return };
        let entry = process.heads.get_mut(&volume).expect("its own");
        entry.head = None;
        match entry.state {
            EntryState::Closing => drop(process.heads.remove(&volume)),
            _ => entry.state = EntryState::Fenced,
        }
        if !is_planted(Bug::FencedNotGivenBack) {
            self.tell_cluster(peer, ToCluster::Released { volume, head_epoch });
        }
    }

    fn own_entry(
        &mut self,
        peer: u64,
        id: u64,
        volume: VolumeId,
    ) -> Option<&mut super::station::Process> {
        let services = self.record.services_mut()?;
        let process = &mut services.stations[peer as usize].process;
        let own = process.heads.get(&volume).is_some_and(|entry| entry.head == Some(id));
        own.then_some(process)
    }

    /// Blocks that are used in a volume of this size.
    pub(super) fn used_of(&self, size_bytes: u64) -> u64 {
        (size_bytes / 4096 - 1) / self.plan.stride + 1
    }

    pub(super) fn is_fenced_at(&self, peer: u64, volume: VolumeId) -> bool {
        let services = self.record.services().expect("asked for where there are some");
        let entry = services.stations[peer as usize].process.heads.get(&volume);
        entry.is_some_and(|entry| entry.state == EntryState::Fenced)
    }

    pub(super) fn me(peer: u64) -> Option<shoal_types::PeerId> {
        Some(id_of(peer))
    }
}
