//! Lists for take-over and resync, from memory alone.

use std::collections::BTreeMap;

use shoal_types::message::{CopyEntry, EntryInfo, EntryKind};
use shoal_types::{LayerId, PgEpoch, PgId, StoreOp, StoreReply, Version, VolumeId};

use crate::dirty::Content;
use crate::index::entry::bits;
use crate::index::{Entry, Place, Stamp};
use crate::state::{BlockAt, CHUNK};
use crate::store::Store;

/// The `limit` smallest keys behind the cursor.
struct Smallest<V> {
    after: Option<(LayerId, u64)>,
    limit: usize,
    kept: BTreeMap<(LayerId, u64), V>,
}

impl<V> Smallest<V> {
    fn new(after: Option<(LayerId, u64)>, limit: u32) -> Self {
        Self { after, limit: limit.max(1) as usize, kept: BTreeMap::new() }
    }

    fn wants(&self, key: (LayerId, u64)) -> bool {
        let full = self.kept.len() > self.limit;
        self.after.is_none_or(|after| key > after)
            && (!full || self.kept.last_key_value().is_some_and(|(last, _)| key <= *last))
    }

    fn slot(&mut self, key: (LayerId, u64), value: V, join: impl Fn(&mut V, &V)) {
        if !self.wants(key) {
            return;
        }
        self.kept.entry(key).and_modify(|old| join(old, &value)).or_insert(value);
        if self.kept.len() > self.limit + 1 {
            self.kept.pop_last();
        }
    }

    fn finish(mut self) -> (Vec<V>, bool) {
        let more = self.kept.len() > self.limit;
        if more {
            self.kept.pop_last();
        }
        (self.kept.into_values().collect(), more)
    }
}

impl Store {
    pub(crate) fn answer_list(&mut self, token: u64, op: StoreOp) {
        let reply = match op {
            StoreOp::Unsettled { volume, pg, after, limit } => {
                self.unsettled(volume, pg, Smallest::new(after, limit))
            }
            StoreOp::Changed { pg, since, after, limit } => {
                self.changed(pg, since, Smallest::new(after, limit))
            }
            _ => unreachable!("only lists come here"),
        };
        self.done(token, Ok(reply));
    }

    fn unsettled(&self, volume: VolumeId, pg: PgId, mut list: Smallest<EntryInfo>) -> StoreReply {
        if let Some(pg) = self.state.tables.pg_number(pg) {
            self.unsettled_dirty(volume, pg, &mut list);
            self.unsettled_indexed(volume, pg, &mut list);
        }
        let (entries, more) = list.finish();
        StoreReply::Unsettled { entries, more }
    }

    fn unsettled_dirty(&self, volume: VolumeId, pg: u32, list: &mut Smallest<EntryInfo>) {
        for (number, block) in self.state.unsettled.of(volume, pg) {
            let Some(row) = self.state.tables.layer(number).filter(|l| !l.deleted) else {
                continue;
            };
            let at = BlockAt { pg, layer: number, block };
            let Some(dirty) = self.state.dirty.get(at.key(), at.bit()) else { continue };
            let kind = match dirty.content {
                Content::Inline { .. } | Content::Direct { .. } => EntryKind::Data,
                Content::Zero => EntryKind::Zero,
                Content::Absent => continue,
            };
            let info = info(row.layer, block, dirty.stamp, kind);
            list.slot((row.layer, block), info, |_, _| {});
        }
    }

    /// What a fold moved here above the watermark.
    fn unsettled_indexed(&self, volume: VolumeId, pg: u32, list: &mut Smallest<EntryInfo>) {
        let watermark = self.state.tables.mark(volume, pg).watermark;
        let pages = self.state.index.pages_of(pg).filter(|p| p.maybe_unsettled());
        for entry in pages.flat_map(|p| p.entries()) {
            let row = self.state.tables.layer(entry.key.layer);
            let Some(row) = row.filter(|l| !l.deleted && l.volume == volume) else { continue };
            for bit in bits(unsettled_mask(&entry, watermark)) {
                let block = u64::from(entry.key.chunk) * CHUNK + bit as u64;
                let at = BlockAt { pg, layer: entry.key.layer, block };
                if self.state.dirty.get(at.key(), bit).is_some() {
                    continue;
                }
                let found = entry.found(bit);
                let kind =
                    if found.place == Place::Zero { EntryKind::Zero } else { EntryKind::Data };
                let info = info(row.layer, block, found.stamp, kind);
                list.slot((row.layer, block), info, |_, _| {});
            }
        }
    }

    fn changed(&self, pg: PgId, since: PgEpoch, mut list: Smallest<CopyEntry>) -> StoreReply {
        if let Some(pg) = self.state.tables.pg_number(pg) {
            let pages = self.state.index.pages_of(pg).filter(|p| p.epoch_max() >= since);
            for entry in pages.flat_map(|p| p.entries()).filter(|e| e.epoch_max() >= since) {
                let (mask, stamp) = changed_mask(&entry, since);
                self.list_chunk(entry.key.layer, entry.key.chunk, mask, stamp, &mut list);
            }
            for (key, chunk) in self.state.dirty.chunks_of_pg(pg) {
                let newer = chunk.iter().filter(|(_, b)| b.stamp.epoch >= since);
                let (mask, stamp) = newer.fold((0, PgEpoch::ZERO), |(mask, stamp), (bit, b)| {
                    (mask | 1 << bit, stamp.max(b.stamp.epoch))
                });
                self.list_chunk(key.chunk.layer, key.chunk.chunk, mask, stamp, &mut list);
            }
        }
        let (entries, more) = list.finish();
        StoreReply::Changed { entries, more }
    }

    fn list_chunk(
        &self,
        layer: u32,
        chunk: u32,
        mask: u32,
        stamp: PgEpoch,
        list: &mut Smallest<CopyEntry>,
    ) {
        let Some(row) = self.state.tables.layer(layer).filter(|l| !l.deleted && mask != 0) else {
            return;
        };
        let block = u64::from(chunk) * CHUNK;
        let entry = CopyEntry { volume: row.volume, layer: row.layer, block, mask, stamp };
        list.slot((row.layer, block), entry, |old, new| {
            old.mask |= new.mask;
            old.stamp = old.stamp.max(new.stamp);
        });
    }
}

/// Blocks of an entry that are exactly known to be above the watermark.
fn unsettled_mask(entry: &Entry, watermark: Version) -> u32 {
    let grouped = entry.groups.iter().fold(0, |mask, g| mask | g.mask);
    let above = entry.groups.iter().filter(|g| g.stamp.version > watermark);
    let base = entry.exact && entry.base.version > watermark;
    let rest = if base { entry.present_mask() & !grouped } else { 0 };
    above.fold(rest, |mask, g| mask | g.mask)
}

fn changed_mask(entry: &Entry, since: PgEpoch) -> (u32, PgEpoch) {
    let grouped = entry.groups.iter().fold(0, |mask, g| mask | g.mask);
    let base = entry.base.epoch >= since;
    let rest = if base { entry.present_mask() & !grouped } else { 0 };
    let stamp = if base { entry.base.epoch } else { PgEpoch::ZERO };
    let newer = entry.groups.iter().filter(|g| g.stamp.epoch >= since);
    newer.fold((rest, stamp), |(m, s), g| (m | g.mask, s.max(g.stamp.epoch)))
}

fn info(layer: LayerId, block: u64, stamp: Stamp, kind: EntryKind) -> EntryInfo {
    EntryInfo { layer, block, version: stamp.version, stamp: stamp.epoch, kind }
}
