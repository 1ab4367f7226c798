//! What a fold does to one chunk.

use bytes::Bytes;
use shoal_types::Version;

use crate::codec::Reader;
use crate::dirty::{Content, DirtyBlock, DirtyKey};
use crate::index::entry::BLOCKS;
use crate::index::{Entry, Group, Place, Stamp};
use crate::meta_record::MetaRecord;
use crate::planted::planted;
use crate::state::State;
use crate::store::Store;

#[derive(Default)]
pub(crate) struct Plan {
    /// The encoded Set or Delete.
    pub record: Vec<u8>,
    key: Option<DirtyKey>,
    /// Cells that the entry gives up.
    freed: Vec<u64>,
    /// (bit, lsn) of the dirty blocks that it takes in.
    pub consumed: Vec<(u8, u64)>,
}

impl Store {
    /// `None` if all the chunk's blocks are newer than the cut.
    pub(super) fn plan_chunk(
        &mut self,
        key: DirtyKey,
        cut: u64,
        writes: &mut Vec<(u64, Bytes)>,
    ) -> Option<Plan> {
        let state = &mut self.state;
        let chunk = state.dirty.chunk(key)?;
        let due = |b: &DirtyBlock| b.lsn < cut;
        let blocks: Vec<(usize, DirtyBlock)> =
            chunk.iter().filter(|(_, b)| due(b)).map(|(bit, b)| (bit, b.clone())).collect();
        // A dead layer's or PG's blocks are the purge's.
        let row = *state.tables.layer(key.chunk.layer)?;
        let watermark = state.tables.mark(row.volume, key.pg).watermark;
        if blocks.is_empty() {
            return None;
        }
        let above = planted!(FoldAboveWatermark);
        let watermark = if above { Version::new(u32::MAX, 1 << 40) } else { watermark };
        let before = state.index.entry(key.pg, key.chunk);
        let before = before.unwrap_or_else(|| Entry::new(key.chunk));
        let mut entry = before.clone();
        let crcs = place_blocks(state, &mut entry, &blocks, writes);
        restamp(&mut entry, &before, &blocks, watermark);
        let kept: Vec<u64> = entry.cells().collect();
        let freed = before.cells().filter(|cell| !kept.contains(cell)).collect();
        let record = if entry.is_empty() {
            MetaRecord::Delete { pg: key.pg, key: key.chunk }
        } else {
            MetaRecord::Set { pg: key.pg, entry, crcs }
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let consumed = blocks.iter().map(|(bit, b)| (*bit as u8, b.lsn)).collect();
        Some(Plan { record: bytes, key: Some(key), freed, consumed })
    }

    /// The record is durable: memory follows.
    pub(super) fn apply_plan(&mut self, plan: Plan) {
        let key = plan.key.expect("a plan is applied once");
        match MetaRecord::decode(&mut Reader::new(&plan.record)) {
            Some(MetaRecord::Set { pg, entry, crcs }) => {
                self.state.set_entry(pg, &entry);
                crcs.iter().for_each(|(cell, crc)| self.state.crcs.set(*cell, *crc));
            }
            Some(MetaRecord::Delete { pg, key }) => self.state.remove_entry(pg, key),
            _ => unreachable!("a plan's record is one of these"),
        }
        plan.freed.iter().for_each(|cell| self.state.space.release(*cell));
        for (bit, lsn) in plan.consumed {
            let bit = usize::from(bit);
            // What was written over it meanwhile stays dirty.
            if self.state.dirty.get(key, bit).is_some_and(|b| b.lsn == lsn) {
                self.state.clean(key, bit);
            }
        }
    }
}

/// Overwrites in place where there is a cell; new blocks go to fresh cells, side by side.
/// Returns the checksums of all cells that changed.
fn place_blocks(
    state: &mut State,
    entry: &mut Entry,
    blocks: &[(usize, DirtyBlock)],
    writes: &mut Vec<(u64, Bytes)>,
) -> Vec<(u64, u32)> {
    let is_fresh = |entry: &Entry, bit: usize, b: &DirtyBlock| {
        matches!(b.content, Content::Inline { .. }) && !entry.has_cell(bit)
    };
    let fresh = blocks.iter().filter(|(bit, b)| is_fresh(entry, *bit, b)).count() as u64;
    let mut cells = allocate_all(state, fresh).into_iter();
    let mut crcs = Vec::new();
    for (bit, block) in blocks {
        entry.places[*bit] = match &block.content {
            Content::Zero => Place::Zero,
            Content::Absent => Place::Absent,
            Content::Direct { cell, crc } => {
                crcs.push((*cell, *crc));
                Place::Cell(*cell)
            }
            Content::Inline { data, crc } => {
                let cell = match entry.places[*bit] {
                    Place::Cell(cell) => cell,
                    _ => cells.next().expect("one cell per fresh block"),
                };
                crcs.push((cell, *crc));
                writes.push((cell, data.clone()));
                Place::Cell(cell)
            }
        };
    }
    crcs
}

fn allocate_all(state: &mut State, count: u64) -> Vec<u64> {
    let mut cells = Vec::with_capacity(count as usize);
    while (cells.len() as u64) < count {
        let left = count - cells.len() as u64;
        let (first, len) = state.space.allocate(left).expect("admission set cells aside");
        cells.extend(first..first + len);
    }
    cells
}

/// Blocks above the watermark keep their own version and stamp. The settled ones share one, and those
/// of the newest epoch another: whoever was away since the epoch before asks for these alone, not for
/// all of the chunk. Two are enough for that, and bound what an entry needs.
fn restamp(entry: &mut Entry, before: &Entry, blocks: &[(usize, DirtyBlock)], watermark: Version) {
    let mut exact: [Option<Stamp>; BLOCKS] = [None; BLOCKS];
    let mut settled: [Option<Stamp>; BLOCKS] = [None; BLOCKS];
    for bit in 0..BLOCKS {
        let found = before.found(bit);
        match blocks.iter().find(|(b, _)| *b == bit) {
            Some((_, block)) if block.stamp.version > watermark => exact[bit] = Some(block.stamp),
            Some((_, block)) => settled[bit] = Some(block.stamp),
            None if found.place == Place::Absent => {}
            None if found.exact && found.stamp.version > watermark => {
                exact[bit] = Some(found.stamp);
            }
            None => settled[bit] = Some(found.stamp),
        }
        if entry.places[bit] == Place::Absent {
            exact[bit] = None;
        }
    }
    let (base, newest) = share(&settled, |bit| entry.places[bit] != Place::Absent);
    entry.groups = group(&exact);
    entry.base = base;
    entry.exact = false;
    if settled.iter().all(Option::is_none) && !entry.groups.is_empty() {
        // No settled block: the first group needs no mask of its own.
        entry.base = entry.groups.remove(0).stamp;
        entry.exact = true;
    }
    entry.groups.extend(newest);
}

/// One stamp for the settled blocks, and one for those of them that have the newest epoch, where others
/// have an older one. What is absent has no bit in a group: its stamp goes to the base.
fn share(
    settled: &[Option<Stamp>; BLOCKS],
    is_present: impl Fn(usize) -> bool,
) -> (Stamp, Option<Group>) {
    let epoch = settled.iter().flatten().map(|s| s.epoch).max().unwrap_or_default();
    let (mut base, mut newest) = (Stamp::default(), Group { mask: 0, stamp: Stamp::default() });
    for (bit, stamp) in settled.iter().enumerate() {
        let Some(stamp) = *stamp else { continue };
        if stamp.epoch == epoch && is_present(bit) {
            newest.mask |= 1 << bit;
            newest.stamp = newest.stamp.join(stamp);
        } else {
            base = base.join(stamp);
        }
    }
    if base.epoch < epoch && base != Stamp::default() && newest.mask != 0 {
        return (base, Some(newest));
    }
    (base.join(newest.stamp), None)
}

fn group(exact: &[Option<Stamp>; BLOCKS]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (bit, stamp) in exact.iter().enumerate() {
        let Some(stamp) = *stamp else { continue };
        match groups.iter_mut().find(|g| g.stamp == stamp) {
            Some(group) => group.mask |= 1 << bit,
            None => groups.push(Group { mask: 1 << bit, stamp }),
        }
    }
    groups
}
