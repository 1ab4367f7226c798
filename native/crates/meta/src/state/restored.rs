//! A cluster whose peers lost their directories goes on from the state that its disks keep.
//!
//! THAT STATE MAY BE OLDER THAN WHAT WAS DECIDED LAST: a member that it counts as in sync may have
//! left, and lack writes that were acknowledged after that. So nobody who has not come back leaves
//! an in-sync set by himself, heads wait for all of it, and every store that comes back says which
//! epochs it had installed: where one is beyond the state, those in sync with less are not.

use std::collections::{BTreeMap, BTreeSet};

use shoal_engine::insync::PgRecord;
use shoal_types::{DiskId, PeerId, PgEpoch, PgId};

use super::cluster::ClusterState;
use super::event::Severity;
use super::limits::NAME_BYTES_MAX;
use super::outcome::{Kind, Rejection};
use super::peer::{NewPeer, Standing};
use crate::codec::{Codec, DecodeError, Reader};
use crate::hex::{Hex, PublicKey};

/// Of a peer whose directory is lost: its name is free for whoever comes in its place.
const LOST_SUFFIX: &str = ".lost";
/// Events that go along with the state on a disk.
const EVENTS_KEPT: usize = 64;

/// Since snapshot version 6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Disks that no peer has brought yet.
    pub missing: BTreeSet<DiskId>,
    /// Peers that are gone; forgotten with their last disk.
    pub lost: BTreeSet<PeerId>,
    /// Index of the state that the cluster goes on from.
    pub index: u64,
    /// Epochs of all groups in it.
    pub at: BTreeMap<PgId, PgEpoch>,
    /// Epochs beyond these, of stores that came back.
    pub beyond: BTreeMap<PgId, BTreeMap<DiskId, PgEpoch>>,
}

impl Restored {
    /// Epoch of the group that the store on this disk had installed, if it is beyond the state.
    pub fn beyond(&self, pg: PgId, disk: DiskId) -> Option<PgEpoch> {
        self.beyond.get(&pg)?.get(&disk).copied()
    }

    pub fn newest(&self, pg: PgId) -> Option<PgEpoch> {
        self.beyond.get(&pg)?.values().max().copied()
    }

    pub(super) fn forget_disk(&mut self, disk: DiskId) {
        self.missing.remove(&disk);
        for seen in self.beyond.values_mut() {
            seen.remove(&disk);
        }
        if self.missing.is_empty() {
            (self.at, self.beyond) = Default::default();
        }
    }
}

impl ClusterState {
    pub fn restored(&self) -> &Restored {
        &self.restored
    }

    /// What a disk keeps: the snapshot without the answers for retries (whoever asked is gone when
    /// it is needed), and with the newest events alone.
    pub fn encode_for_disk(&self) -> Vec<u8> {
        let mut kept = self.clone();
        kept.answers = Default::default();
        let old = kept.events.len().saturating_sub(EVENTS_KEPT);
        kept.events.drain(..old);
        kept.encode()
    }

    /// The state with which a new peer begins the next incarnation alone: all others are gone, and
    /// each disk has to come back first.
    pub fn restored_by(
        mut self,
        peer: NewPeer,
        authority_key: PublicKey,
        time_ms: u64,
    ) -> Result<(Self, PeerId), Rejection> {
        peer.check()?;
        self.time_ms = self.time_ms.max(time_ms);
        let records = self.tables.values().flat_map(|table| table.records());
        self.restored = Restored {
            missing: self.disks.keys().copied().collect(),
            lost: self.peers.keys().copied().collect(),
            index: self.index,
            at: records.map(|record| (record.pg, record.epoch)).collect(),
            beyond: BTreeMap::new(),
        };
        self.mark_lost_peers();
        self.end_all_attachments();
        let taken = |other: &&super::Peer| other.name == peer.name;
        if let Some(other) = self.peers.values().find(taken) {
            return Err(Rejection::Exists { what: Kind::Peer, id: other.id.0 });
        }
        // One more may have joined since.
        self.jump_ids();
        self.counters.peer += 1;
        let id = PeerId(self.counters.peer);
        self.peers.insert(id, peer.into_peer(id, self.time_ms));
        Ok((self.recovered(id, authority_key, time_ms), id))
    }

    fn mark_lost_peers(&mut self) {
        self.forget_lost_peers();
        let names: BTreeSet<String> = self.peers.values().map(|peer| peer.name.clone()).collect();
        let now_ms = self.time_ms;
        for peer in self.peers.values_mut() {
            peer.name = lost_name(&peer.name, peer.id, &names);
            peer.public_key = nobodys_key(peer.id);
            peer.state = Standing::Down;
            self.upkeep.peers_down.entry(peer.id).or_insert(now_ms);
            self.upkeep.left.remove(&peer.id);
            self.upkeep.never_vote.insert(peer.id);
        }
    }

    /// Devices and exports went with their peers; their generation never comes again.
    fn end_all_attachments(&mut self) {
        self.exports.clear();
        self.tokens.clear();
        for volume in self.volumes.values_mut() {
            volume.attachment = None;
            volume.fenced.clear();
            volume.head.owner = None;
        }
    }

    /// Peers that are gone and keep no disk any more.
    pub(super) fn forget_lost_peers(&mut self) -> Vec<PeerId> {
        let keeps = |peer: &PeerId| self.disks.values().any(|disk| disk.peer == *peer);
        let gone: Vec<PeerId> =
            self.restored.lost.iter().filter(|peer| !keeps(peer)).copied().collect();
        for peer in &gone {
            self.restored.lost.remove(peer);
            self.peers.remove(peer);
            self.upkeep.forget_peer(*peer);
        }
        gone
    }

    /// Groups of which no copy that counts has the newest epoch that a store had installed, or that
    /// changed more than once: then a member may have left and have been joining again, which its
    /// epoch does not tell.
    pub(super) fn groups_in_doubt(&self) -> usize {
        let restored = &self.restored;
        let in_doubt = |pg: &&PgId| {
            let newest = restored.newest(**pg);
            let has_it = |disk: &DiskId| restored.beyond(**pg, *disk) == newest;
            let next = restored.at.get(*pg).map(|at| at.next());
            let is_served = |record: &PgRecord| record.in_sync.iter().any(has_it);
            newest > next || !self.pg(**pg).is_some_and(is_served)
        };
        restored.beyond.keys().filter(in_doubt).count()
    }

    /// Those in sync that a store of their group was beyond, before all was lost.
    pub(super) fn take_out_stale(&mut self) -> Vec<PgId> {
        let restored = &self.restored;
        let mut stale = Vec::new();
        for pg in restored.beyond.keys() {
            let Some(record) = self.tables.get(&pg.policy).and_then(|t| t.get(pg.index)) else {
                continue;
            };
            let newest = restored.newest(*pg);
            let has_it = |disk: &&DiskId| restored.beyond(*pg, **disk) == newest;
            let is_back = |disk: &&DiskId| !restored.missing.contains(*disk);
            if !record.in_sync.iter().any(|disk| has_it(&disk)) {
                continue;
            }
            let old = record.in_sync.iter().filter(is_back).filter(|disk| !has_it(disk));
            stale.extend(old.map(|disk| (*pg, *disk)));
        }
        for (pg, disk) in &stale {
            let table = self.tables.get_mut(&pg.policy).expect("just seen");
            let record = table.get_mut(pg.index).expect("just seen");
            // Since when it is out nobody remembers: everything is copied.
            record.mark_full(*disk).expect("in sync is a member");
        }
        if !stale.is_empty() {
            let message = format!(
                "{} copies were out of date already when the cluster was lost: filled anew",
                stale.len()
            );
            self.note(Severity::Warn, "stale_copies", message, "cluster".into());
        }
        stale.into_iter().map(|(pg, _)| pg).collect()
    }
}

fn lost_name(name: &str, id: PeerId, taken: &BTreeSet<String>) -> String {
    if name.ends_with(LOST_SUFFIX) {
        return name.to_owned();
    }
    let cut = |suffix: &str| {
        let room = NAME_BYTES_MAX - suffix.len();
        format!("{}{suffix}", &name[..name.len().min(room)])
    };
    let lost = cut(LOST_SUFFIX);
    if taken.contains(&lost) { cut(&format!(".{}{LOST_SUFFIX}", id.0)) } else { lost }
}

/// Names no key that anybody holds: a peer that comes back from the dead is no member.
fn nobodys_key(peer: PeerId) -> PublicKey {
    let mut bytes = [0xff; 32];
    bytes[..8].copy_from_slice(&peer.0.to_le_bytes());
    Hex(bytes)
}

/// The last part of a snapshot; an older one ends before it.
impl Codec for Restored {
    fn put(&self, out: &mut Vec<u8>) {
        self.missing.put(out);
        self.lost.put(out);
        self.index.put(out);
        self.at.put(out);
        self.beyond.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self::default());
        }
        Ok(Self {
            missing: Codec::get(reader)?,
            lost: Codec::get(reader)?,
            index: Codec::get(reader)?,
            at: Codec::get(reader)?,
            beyond: Codec::get(reader)?,
        })
    }
}

#[cfg(test)]
#[path = "restored_tests.rs"]
mod tests;
