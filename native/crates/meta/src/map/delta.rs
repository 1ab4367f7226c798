//! What changed since an epoch: the new state of each changed part, so that a delta may be applied
//! to any map between its ends, and twice.

use std::collections::BTreeSet;
use std::fmt;

use shoal_types::{DiskId, MapEpoch, PeerId, PgEpoch, PgId, PgView, PolicyId};

use super::disk::MapDisk;
use super::table::{MapTable, get_sets, put_sets};
use super::topology::TopologyMap;
use crate::codec::{
    Codec, DecodeError, Envelope, Reader, codec_struct, decode, encode, open, seal,
};
use crate::hex::ClusterId;
use crate::state::limits::PG_COUNT_MAX;
use crate::state::{ClusterState, Peer, Policy, Touched};

/// Everything after `from`, up to and including `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDelta {
    pub cluster_id: ClusterId,
    pub incarnation: u32,
    pub level: u32,
    pub from: MapEpoch,
    pub to: MapEpoch,
    pub peers: Vec<Peer>,
    pub removed_peers: Vec<PeerId>,
    pub disks: Vec<MapDisk>,
    pub removed_disks: Vec<DiskId>,
    pub policies: Vec<Policy>,
    pub removed_policies: Vec<PolicyId>,
    pub pgs: Vec<PgPart>,
}

/// A group with its members by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgPart(pub PgView);

/// What a peer with an older map is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapUpdate {
    Whole(TopologyMap),
    Delta(MapDelta),
}

/// Why a delta does not fit a map. Fetch the whole map instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaError {
    OtherCluster,
    /// The map is older than the delta's beginning.
    Gap {
        map: MapEpoch,
        from: MapEpoch,
    },
    /// It names what neither of them holds.
    Inconsistent,
}

impl fmt::Display for DeltaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCluster => write!(f, "a delta of another cluster"),
            Self::Gap { map, from } => {
                write!(f, "the map is at {map:?}, the delta begins at {from:?}")
            }
            Self::Inconsistent => write!(f, "the delta names what the map does not hold"),
        }
    }
}

impl std::error::Error for DeltaError {}

const DELTA: Envelope = Envelope { magic: *b"SHMD", version: 1, body_max: 64 << 20 };

/// For a peer whose map is at `since`: the delta, or the whole map if that is too long ago (or the
/// smaller answer).
pub fn map_delta(state: &ClusterState, since: MapEpoch) -> MapUpdate {
    let whole = || MapUpdate::Whole(TopologyMap::of(state));
    let Some(touched) = state.changed_after(since) else { return whole() };
    let pgs: usize = state.tables().values().map(|table| table.len()).sum();
    let changed = touched.iter().filter(|t| matches!(t, Touched::Pg(_))).count();
    if since > state.map_epoch() || changed * 4 > pgs.max(256) {
        return whole();
    }
    MapUpdate::Delta(MapDelta::collect(state, since, &touched))
}

impl MapDelta {
    fn collect(state: &ClusterState, since: MapEpoch, touched: &BTreeSet<Touched>) -> Self {
        let mut delta = Self {
            cluster_id: state.cluster_id(),
            incarnation: state.incarnation(),
            level: state.level(),
            from: since,
            to: state.map_epoch(),
            peers: vec![],
            removed_peers: vec![],
            disks: vec![],
            removed_disks: vec![],
            policies: vec![],
            removed_policies: vec![],
            pgs: vec![],
        };
        touched.iter().for_each(|part| delta.add(state, *part));
        delta
    }

    fn add(&mut self, state: &ClusterState, part: Touched) {
        match part {
            Touched::Cluster => {}
            Touched::Peer(id) => match state.peers().get(&id) {
                Some(peer) => self.peers.push(peer.clone()),
                None => self.removed_peers.push(id),
            },
            Touched::Disk(id) => match state.disks().get(&id) {
                Some(disk) => self.disks.push(disk.into()),
                None => self.removed_disks.push(id),
            },
            Touched::Policy(id) => match state.policies().get(&id) {
                Some(policy) => self.policies.push(policy.clone()),
                None => self.removed_policies.push(id),
            },
            // Groups of a policy that is gone went with it.
            Touched::Pg(pg) => self.pgs.extend(state.pg(pg).map(|record| PgPart(record.view()))),
        }
    }

    /// All or nothing.
    pub fn apply(&self, map: &mut TopologyMap) -> Result<(), DeltaError> {
        if map.cluster_id != self.cluster_id {
            return Err(DeltaError::OtherCluster);
        }
        if map.epoch >= self.to {
            return Ok(());
        }
        if map.epoch < self.from {
            return Err(DeltaError::Gap { map: map.epoch, from: self.from });
        }
        let mut next = map.clone();
        self.merge(&mut next)?;
        *map = next;
        Ok(())
    }

    fn merge(&self, map: &mut TopologyMap) -> Result<(), DeltaError> {
        (map.incarnation, map.level, map.epoch) = (self.incarnation, self.level, self.to);
        map.peers.extend(self.peers.iter().map(|peer| (peer.id, peer.clone())));
        map.disks.extend(self.disks.iter().map(|disk| (disk.id, disk.clone())));
        for policy in &self.policies {
            if policy.pg_count > PG_COUNT_MAX {
                return Err(DeltaError::Inconsistent);
            }
            let table =
                map.tables.entry(policy.id).or_insert_with(|| MapTable::new(policy.pg_count));
            // Groups are split, never merged.
            if table.len() > policy.pg_count as usize {
                return Err(DeltaError::Inconsistent);
            }
            table.grow(policy.pg_count);
            map.policies.insert(policy.id, policy.clone());
        }
        for policy in &self.removed_policies {
            map.policies.remove(policy);
            map.tables.remove(policy);
        }
        for PgPart(view) in &self.pgs {
            let known = view.members.iter().all(|disk| map.disks.contains_key(disk));
            let table = map.tables.get_mut(&view.pg.policy).filter(|_| known);
            if !table.is_some_and(|table| table.set(view.clone())) {
                return Err(DeltaError::Inconsistent);
            }
        }
        for disk in &self.removed_disks {
            map.disks.remove(disk);
        }
        for peer in &self.removed_peers {
            map.peers.remove(peer);
        }
        let views = || map.tables.values().flat_map(MapTable::views);
        let gone = |view: &PgView| view.members.iter().any(|d| !map.disks.contains_key(d));
        if !self.removed_disks.is_empty() && views().any(gone) {
            return Err(DeltaError::Inconsistent);
        }
        Ok(())
    }
}

impl MapUpdate {
    pub fn epoch(&self) -> MapEpoch {
        match self {
            Self::Whole(map) => map.epoch,
            Self::Delta(delta) => delta.to,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Whole(map) => map.encode(),
            Self::Delta(delta) => seal(DELTA, &encode(delta)),
        }
    }

    /// Told apart by the magic number.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.starts_with(&DELTA.magic) {
            let (body, _) = open(DELTA, bytes)?;
            return decode(body).map(Self::Delta);
        }
        TopologyMap::decode(bytes).map(Self::Whole)
    }
}

codec_struct!(MapDelta {
    cluster_id,
    incarnation,
    level,
    from,
    to,
    peers,
    removed_peers,
    disks,
    removed_disks,
    policies,
    removed_policies,
    pgs,
});

/// `pg | epoch u32 | members u32 x disk u64 | in-sync mask and joiner as in the table`.
impl Codec for PgPart {
    fn put(&self, out: &mut Vec<u8>) {
        let view = &self.0;
        view.pg.put(out);
        view.epoch.put(out);
        view.members.put(out);
        put_sets(view, out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pg = PgId::get(reader)?;
        let epoch = PgEpoch::get(reader)?;
        let members: Vec<DiskId> = Codec::get(reader)?;
        let twice = members.iter().enumerate().any(|(i, disk)| members[..i].contains(disk));
        if members.is_empty() || members.len() > 32 || twice || epoch == PgEpoch::ZERO {
            return Err(DecodeError::Malformed { what: "group of a delta" });
        }
        let mut view = PgView { pg, epoch, in_sync: vec![], joining: None, members };
        get_sets(&mut view, reader)?;
        Ok(Self(view))
    }
}
