//! The whole map.

use std::collections::BTreeMap;

use shoal_types::{DiskId, MapEpoch, PeerId, PgId, PgView, PolicyId};

use super::disk::MapDisk;
use super::table::MapTable;
use crate::codec::{Codec, DecodeError, Envelope, Reader, open, seal};
use crate::hex::ClusterId;
use crate::state::limits::DISKS_MAX;
use crate::state::{ClusterState, Peer, Policy};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyMap {
    pub cluster_id: ClusterId,
    pub incarnation: u32,
    pub level: u32,
    pub epoch: MapEpoch,
    pub peers: BTreeMap<PeerId, Peer>,
    pub disks: BTreeMap<DiskId, MapDisk>,
    pub policies: BTreeMap<PolicyId, Policy>,
    pub tables: BTreeMap<PolicyId, MapTable>,
}

/// 4 MiB hold 10,000 disks and 262,144 placement groups; the limits of the state fit in 64 MiB.
pub(super) const MAP: Envelope = Envelope { magic: *b"SHMP", version: 1, body_max: 64 << 20 };

impl TopologyMap {
    pub fn of(state: &ClusterState) -> Self {
        let table =
            |(policy, table): (&PolicyId, &crate::state::PgTable)| (*policy, MapTable::of(table));
        Self {
            cluster_id: state.cluster_id(),
            incarnation: state.incarnation(),
            level: state.level(),
            epoch: state.map_epoch(),
            peers: state.peers().clone(),
            disks: state.disks().iter().map(|(id, disk)| (*id, disk.into())).collect(),
            policies: state.policies().clone(),
            tables: state.tables().iter().map(table).collect(),
        }
    }

    pub fn pg(&self, pg: PgId) -> Option<&PgView> {
        self.tables.get(&pg.policy)?.get(pg.index)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.cluster_id.put(&mut body);
        self.incarnation.put(&mut body);
        self.level.put(&mut body);
        self.epoch.put(&mut body);
        put_values(&self.peers, &mut body);
        put_values(&self.disks, &mut body);
        put_values(&self.policies, &mut body);
        let disks: Vec<DiskId> = self.disks.keys().copied().collect();
        for table in self.tables.values() {
            table.put(&disks, &mut body);
        }
        seal(MAP, &body)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (body, _) = open(MAP, bytes)?;
        let mut reader = Reader::new(body);
        let map = Self::get(&mut reader)?;
        reader.finish()?;
        Ok(map)
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut map = Self {
            cluster_id: Codec::get(reader)?,
            incarnation: Codec::get(reader)?,
            level: Codec::get(reader)?,
            epoch: Codec::get(reader)?,
            peers: get_values(reader, |peer: &Peer| peer.id)?,
            disks: get_values(reader, |disk: &MapDisk| disk.id)?,
            policies: get_values(reader, |policy: &Policy| policy.id)?,
            tables: BTreeMap::new(),
        };
        let disks: Vec<DiskId> = map.disks.keys().copied().collect();
        if disks.len() > DISKS_MAX {
            let (value, max) = (disks.len() as u64, DISKS_MAX as u64);
            return Err(DecodeError::TooLong { what: "disks", value, max });
        }
        for policy in map.policies.values() {
            let table = MapTable::read(policy.id, policy.pg_count, &disks, reader)?;
            map.tables.insert(policy.id, table);
        }
        Ok(map)
    }
}

/// The key is part of the value: it is not written twice.
pub(super) fn put_values<K, V: Codec>(map: &BTreeMap<K, V>, out: &mut Vec<u8>) {
    (map.len() as u32).put(out);
    map.values().for_each(|value| value.put(out));
}

fn get_values<K: Ord + Copy, V: Codec>(
    reader: &mut Reader<'_>,
    key: impl Fn(&V) -> K,
) -> Result<BTreeMap<K, V>, DecodeError> {
    let count = reader.count()?;
    let mut map = BTreeMap::new();
    for _ in 0..count {
        let value = V::get(reader)?;
        let id = key(&value);
        if map.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return Err(DecodeError::Malformed { what: "order of ids" });
        }
        map.insert(id, value);
    }
    Ok(map)
}
