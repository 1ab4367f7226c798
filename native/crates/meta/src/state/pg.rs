//! The placement groups of one policy.

use serde::Serialize;
use shoal_engine::insync::{JoiningRecord, MemberRecord, PgRecord};
use shoal_types::{DiskId, PgEpoch, PgId, PolicyId};

use super::limits::{PG_COUNT_MAX, SHARDS_MAX};
use crate::codec::{Codec, DecodeError, Reader};

/// Members of one group while it moves: the old ones and their successors.
pub const PG_MEMBERS_MAX: usize = 2 * SHARDS_MAX as usize;

/// One slot per group; empty until placement gave it members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgTable {
    policy: PolicyId,
    slots: Vec<Option<PgRecord>>,
}

impl PgTable {
    pub fn new(policy: PolicyId, pg_count: u32) -> Self {
        Self { policy, slots: vec![None; pg_count as usize] }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn get(&self, index: u32) -> Option<&PgRecord> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut PgRecord> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// The new groups have no members yet.
    pub(super) fn grow(&mut self, pg_count: u32) {
        assert!(pg_count as usize >= self.slots.len(), "groups are split, never merged");
        self.slots.resize(pg_count as usize, None);
    }

    pub(super) fn set(&mut self, index: u32, record: PgRecord) {
        self.slots[index as usize] = Some(record);
    }

    /// Groups that have members, in order.
    pub fn records(&self) -> impl Iterator<Item = &PgRecord> {
        self.slots.iter().flatten()
    }

    pub(super) fn records_mut(&mut self) -> impl Iterator<Item = &mut PgRecord> {
        self.slots.iter_mut().flatten()
    }
}

/// `policy u32 | count u32 | count x (u8 0, or u8 members > 0 and the record)`; a record is
/// `epoch u32 | members x (disk u64, out_at u32, full u8) | in-sync mask u32 |
/// joiner position + 1 u8, 0: none | join_at u32 | last_full u32`.
impl Codec for PgTable {
    fn put(&self, out: &mut Vec<u8>) {
        self.policy.put(out);
        (self.slots.len() as u32).put(out);
        for slot in &self.slots {
            match slot {
                None => out.push(0),
                Some(record) => put_record(record, out),
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let policy = PolicyId::get(reader)?;
        let count = reader.count()? as u32;
        if count > PG_COUNT_MAX {
            let (value, max) = (u64::from(count), u64::from(PG_COUNT_MAX));
            return Err(DecodeError::TooLong { what: "pg_count", value, max });
        }
        let slot = |index| match u8::get(reader)? {
            0 => Ok(None),
            members => get_record(PgId { policy, index }, members as usize, reader).map(Some),
        };
        Ok(Self { policy, slots: (0..count).map(slot).collect::<Result<_, _>>()? })
    }
}

fn put_record(record: &PgRecord, out: &mut Vec<u8>) {
    out.push(record.members.len() as u8);
    record.epoch.put(out);
    let mut mask = 0u32;
    let mut joiner = 0u8;
    for (i, member) in record.members.iter().enumerate() {
        member.disk.put(out);
        member.out_at.put(out);
        member.full.put(out);
        mask |= u32::from(record.is_in_sync(member.disk)) << i;
        if record.joining.is_some_and(|j| j.disk == member.disk) {
            joiner = i as u8 + 1;
        }
    }
    mask.put(out);
    joiner.put(out);
    record.joining.map_or(PgEpoch::ZERO, |j| j.join_at).put(out);
    record.last_full.put(out);
}

fn get_record(pg: PgId, count: usize, reader: &mut Reader<'_>) -> Result<PgRecord, DecodeError> {
    let malformed = DecodeError::Malformed { what: "placement group" };
    if count > PG_MEMBERS_MAX {
        return Err(malformed);
    }
    let epoch = PgEpoch::get(reader)?;
    let mut members: Vec<MemberRecord> = Vec::with_capacity(count);
    for _ in 0..count {
        let (disk, out_at) = <(DiskId, PgEpoch)>::get(reader)?;
        if members.iter().any(|m| m.disk == disk) {
            return Err(malformed);
        }
        members.push(MemberRecord { disk, out_at, full: bool::get(reader)? });
    }
    let mask = u32::get(reader)?;
    let joiner = u8::get(reader)? as usize;
    let join_at = PgEpoch::get(reader)?;
    let last_full = PgEpoch::get(reader)?;
    let in_mask = |i: usize| mask >> i & 1 == 1;
    let fits = mask != 0
        && (count == 32 || mask >> count == 0)
        && joiner <= count
        && (joiner == 0 || !in_mask(joiner - 1))
        && (joiner == 0) == (join_at == PgEpoch::ZERO)
        && join_at <= epoch
        && last_full <= epoch;
    if !fits {
        return Err(malformed);
    }
    let in_sync = (0..count).filter(|i| in_mask(*i)).map(|i| members[i].disk).collect();
    let joining = (joiner > 0).then(|| JoiningRecord { disk: members[joiner - 1].disk, join_at });
    Ok(PgRecord { pg, epoch, members, in_sync, joining, last_full })
}

/// A group as JSON shows it.
#[derive(Clone, Debug, Serialize)]
pub struct PgJson {
    pub index: u32,
    pub epoch: PgEpoch,
    pub members: Vec<DiskId>,
    pub in_sync: Vec<DiskId>,
    pub joining: Option<JoiningJson>,
    /// Per member that is not in sync: since when, and whether its data is worth nothing.
    pub out: Vec<OutJson>,
}

#[derive(Clone, Debug, Serialize)]
pub struct JoiningJson {
    pub disk: DiskId,
    pub join_at: PgEpoch,
}

#[derive(Clone, Debug, Serialize)]
pub struct OutJson {
    pub disk: DiskId,
    pub out_at: PgEpoch,
    pub full: bool,
}

impl From<&PgRecord> for PgJson {
    fn from(record: &PgRecord) -> Self {
        let out = record.members.iter().filter(|m| !record.is_in_sync(m.disk) || m.full);
        Self {
            index: record.pg.index,
            epoch: record.epoch,
            members: record.members.iter().map(|m| m.disk).collect(),
            in_sync: record.in_sync.clone(),
            joining: record.joining.map(|j| JoiningJson { disk: j.disk, join_at: j.join_at }),
            out: out.map(|m| OutJson { disk: m.disk, out_at: m.out_at, full: m.full }).collect(),
        }
    }
}
