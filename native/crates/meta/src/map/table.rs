//! A policy's placement groups: 5 bytes each, and 2 per member.
//!
//! ```text
//! per group   u32 epoch (0: no members yet)
//!             u8  bits 0..6 number of members, bit 7: listed below
//!             u16 per member: position in the map's list of disks
//! u32 number of groups that are not whole
//! per such    u32 index (ascending)   u32 in-sync mask, bit i: member i
//!             u8  joiner's position + 1, 0: none   u32 join_at   u32 out_at   u8 full
//! ```
//! A group that is not listed is whole: every member in sync, nobody joining.

use shoal_types::pg::Joining;
use shoal_types::{DiskId, PgEpoch, PgId, PgView, PolicyId};

use crate::codec::{Codec, DecodeError, Reader};
use crate::state::PgTable;

/// Members of one group; an in-sync mask has 32 bits.
const MEMBERS_MAX: usize = 32;
const LISTED: u8 = 0x80;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapTable {
    views: Vec<Option<PgView>>,
}

impl MapTable {
    pub fn new(pg_count: u32) -> Self {
        Self { views: vec![None; pg_count as usize] }
    }

    pub fn of(table: &PgTable) -> Self {
        let view = |index| table.get(index).map(|record| record.view());
        Self { views: (0..table.len() as u32).map(view).collect() }
    }

    pub fn get(&self, index: u32) -> Option<&PgView> {
        self.views.get(index as usize)?.as_ref()
    }

    pub(super) fn grow(&mut self, pg_count: u32) {
        self.views.resize(pg_count as usize, None);
    }

    pub fn len(&self) -> usize {
        self.views.len()
    }

    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    pub fn views(&self) -> impl Iterator<Item = &PgView> {
        self.views.iter().flatten()
    }

    /// False if the table has no such group.
    pub(super) fn set(&mut self, view: PgView) -> bool {
        match self.views.get_mut(view.pg.index as usize) {
            Some(slot) => {
                *slot = Some(view);
                true
            }
            None => false,
        }
    }

    pub(super) fn put(&self, disks: &[DiskId], out: &mut Vec<u8>) {
        let mut listed = Vec::new();
        for slot in &self.views {
            let Some(view) = slot else {
                out.extend_from_slice(&[0; 5]);
                continue;
            };
            let flag = if is_whole(view) { 0 } else { LISTED };
            if flag != 0 {
                listed.push(view);
            }
            view.epoch.put(out);
            out.push(view.members.len() as u8 | flag);
            for disk in &view.members {
                let position = disks.binary_search(disk).expect("members are disks of the map");
                (position as u16).put(out);
            }
        }
        (listed.len() as u32).put(out);
        listed.into_iter().for_each(|view| put_listed(view, out));
    }

    pub(super) fn read(
        policy: PolicyId,
        pg_count: u32,
        disks: &[DiskId],
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        let (mut views, mut to_list) = (Vec::new(), 0usize);
        for index in 0..pg_count {
            let (view, listed) = get_view(PgId { policy, index }, disks, reader)?;
            to_list += usize::from(listed);
            views.push(view);
        }
        let count = reader.count()?;
        let mut before = None;
        for _ in 0..count {
            let index = u32::get(reader)?;
            let slot = views.get_mut(index as usize).and_then(Option::as_mut);
            let Some(view) = slot.filter(|_| before.is_none_or(|b| b < index)) else {
                return Err(MALFORMED);
            };
            get_listed(view, reader)?;
            before = Some(index);
        }
        if count != to_list { Err(MALFORMED) } else { Ok(Self { views }) }
    }
}

const MALFORMED: DecodeError = DecodeError::Malformed { what: "table of a map" };

fn is_whole(view: &PgView) -> bool {
    view.joining.is_none() && view.in_sync == view.members
}

fn get_view(
    pg: PgId,
    disks: &[DiskId],
    reader: &mut Reader<'_>,
) -> Result<(Option<PgView>, bool), DecodeError> {
    let epoch = PgEpoch::get(reader)?;
    let byte = u8::get(reader)?;
    let count = (byte & !LISTED) as usize;
    if epoch == PgEpoch::ZERO {
        return if byte == 0 { Ok((None, false)) } else { Err(MALFORMED) };
    }
    if !(1..=MEMBERS_MAX).contains(&count) {
        return Err(MALFORMED);
    }
    let mut members: Vec<DiskId> = Vec::with_capacity(count);
    for _ in 0..count {
        let disk = *disks.get(u16::get(reader)? as usize).ok_or(MALFORMED)?;
        if members.contains(&disk) {
            return Err(MALFORMED);
        }
        members.push(disk);
    }
    let view = PgView { pg, epoch, in_sync: members.clone(), joining: None, members };
    Ok((Some(view), byte & LISTED != 0))
}

fn put_listed(view: &PgView, out: &mut Vec<u8>) {
    view.pg.index.put(out);
    put_sets(view, out);
}

fn get_listed(view: &mut PgView, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    get_sets(view, reader)?;
    if is_whole(view) { Err(MALFORMED) } else { Ok(()) }
}

/// In-sync mask and joiner, relative to the member list.
pub(super) fn put_sets(view: &PgView, out: &mut Vec<u8>) {
    let place =
        |disk: &DiskId| view.members.iter().position(|m| m == disk).expect("a part of the members");
    view.in_sync.iter().fold(0u32, |mask, disk| mask | 1 << place(disk)).put(out);
    out.push(view.joining.map_or(0, |j| place(&j.disk) as u8 + 1));
    view.joining.map_or(PgEpoch::ZERO, |j| j.join_at).put(out);
    view.joining.map_or(PgEpoch::ZERO, |j| j.out_at).put(out);
    view.joining.is_some_and(|j| j.full).put(out);
}

pub(super) fn get_sets(view: &mut PgView, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mask = u32::get(reader)?;
    let joiner = u8::get(reader)? as usize;
    let (join_at, out_at) = <(PgEpoch, PgEpoch)>::get(reader)?;
    let full = bool::get(reader)?;
    let count = view.members.len();
    let in_mask = |i: usize| mask >> i & 1 == 1;
    let no_joiner = joiner == 0 && join_at == PgEpoch::ZERO && out_at == PgEpoch::ZERO && !full;
    let good_joiner = (1..=count).contains(&joiner)
        && !in_mask(joiner - 1)
        && join_at > PgEpoch::ZERO
        && join_at <= view.epoch;
    if mask == 0 || (count < 32 && mask >> count != 0) || !(no_joiner || good_joiner) {
        return Err(MALFORMED);
    }
    view.in_sync = (0..count).filter(|i| in_mask(*i)).map(|i| view.members[i]).collect();
    view.joining = (joiner > 0).then(|| {
        let disk = view.members[joiner - 1];
        Joining { disk, join_at, out_at, full }
    });
    Ok(())
}
