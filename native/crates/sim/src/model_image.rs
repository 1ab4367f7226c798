//! What a model store holds, and what each operation does to it.

use std::collections::BTreeMap;

use shoal_engine::planted::{Bug, is_planted};
use shoal_types::message::{CopyEntry, EntryInfo, EntryKind};
use shoal_types::{
    BLOCK_BYTES, BlockState, Body, CopyItem, HeadEpoch, LayerId, PgEpoch, PgId, Raise, StoreError,
    StoreOp, StoreReply, Version, VolumeId,
};

pub type Key = (PgId, LayerId, u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub volume: VolumeId,
    pub version: Version,
    pub stamp: PgEpoch,
    pub state: BlockState,
}

/// What a store holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub heads: BTreeMap<VolumeId, HeadEpoch>,
    pub pgs: BTreeMap<PgId, PgEpoch>,
    pub marks: BTreeMap<(PgId, VolumeId), (Version, Version)>,
    pub blocks: BTreeMap<(PgId, LayerId, u64), Entry>,
    pub layers: BTreeMap<LayerId, VolumeId>,
    /// Gone, and not to come again by mistake.
    pub deleted: BTreeMap<LayerId, VolumeId>,
    pub data_blocks: usize,
    /// Counts changes and starts, as a log's end does.
    pub position: u64,
}

impl Image {
    pub fn apply(&mut self, op: &StoreOp, capacity: usize) -> Result<StoreReply, StoreError> {
        match op {
            StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body } => {
                let layer = self.known(*layer)?;
                self.admit(*pg, layer, *block, body, capacity)?;
                self.raise(&[(*volume, version.head_epoch)], &[(*pg, *stamp)]);
                if let Some(wm) = watermark {
                    self.raise_mark(*pg, *volume, *wm, Version::ZERO);
                }
                self.raise_mark(*pg, *volume, Version::ZERO, *version);
                for i in 0..body.blocks() as usize {
                    let at = (*pg, layer, block + i as u64);
                    let state = self.state_of(body, i, &at);
                    let entry = Entry { volume: *volume, version: *version, stamp: *stamp, state };
                    self.write_block(at, entry);
                }
                Ok(StoreReply::Done)
            }
            StoreOp::Raise(raise) => {
                self.raise(&raise.volumes, &raise.pgs);
                self.raise_marks(raise);
                Ok(StoreReply::Done)
            }
            StoreOp::Copy { volume, pg, layer, items } => {
                let layer = self.known(*layer)?;
                let is_new = |item: &&CopyItem| {
                    let held = self.blocks.get(&(*pg, layer, item.block)).map(|e| &e.state);
                    matches!(item.state, BlockState::Data { .. })
                        && !matches!(held, Some(BlockState::Data { .. }))
                };
                self.check_room(items.iter().filter(is_new).count(), capacity)?;
                for item in items {
                    let (version, stamp) = (item.version, item.stamp);
                    let state = item.state.clone();
                    self.raise_mark(*pg, *volume, Version::ZERO, version);
                    let entry = Entry { volume: *volume, version, stamp, state };
                    self.put((*pg, layer, item.block), Some(entry));
                }
                Ok(StoreReply::Done)
            }
            StoreOp::OpenLayer { volume, layer } => {
                self.layers.insert(*layer, *volume);
                Ok(StoreReply::Done)
            }
            // Which blocks are bad is kept beside the image.
            StoreOp::Repair { .. } => Ok(StoreReply::Done),
            StoreOp::DropPg { pg } => {
                let gone: Vec<_> = self.blocks.keys().filter(|k| k.0 == *pg).copied().collect();
                gone.into_iter().for_each(|key| self.put(key, None));
                self.marks.retain(|(of, _), _| of != pg);
                Ok(StoreReply::Done)
            }
            StoreOp::DeleteLayer { layer } => {
                if let Some(volume) = self.layers.remove(layer) {
                    self.deleted.insert(*layer, volume);
                }
                let gone: Vec<_> = self.blocks.keys().filter(|k| k.1 == *layer).copied().collect();
                gone.into_iter().for_each(|key| self.put(key, None));
                Ok(StoreReply::Done)
            }
            StoreOp::ForgetLayer { layer } => {
                if let Some(volume) = self.deleted.remove(layer) {
                    self.forget_volume(volume);
                }
                Ok(StoreReply::Done)
            }
            reading => self.read(reading),
        }
    }

    fn read(&self, op: &StoreOp) -> Result<StoreReply, StoreError> {
        match op {
            StoreOp::Read { pg, layer, block, blocks } => {
                let at = |b| self.versioned(*pg, *layer, b).2;
                Ok(StoreReply::Blocks((*block..block + u64::from(*blocks)).map(at).collect()))
            }
            StoreOp::ReadVersioned { pg, layer, block, blocks } => {
                let at = |b| self.versioned(*pg, *layer, b);
                Ok(StoreReply::Versioned((*block..block + u64::from(*blocks)).map(at).collect()))
            }
            StoreOp::Unsettled { volume, pg, after, limit } => {
                let wm = self.marks.get(&(*pg, *volume)).map_or(Version::ZERO, |m| m.0);
                let of =
                    |e: &(&(PgId, LayerId, u64), &Entry)| e.1.volume == *volume && e.1.version > wm;
                let found = self.after(*pg, *after).filter(of).map(|(key, e)| info(key, e));
                let (entries, more) = page(found, *limit as usize);
                Ok(StoreReply::Unsettled { entries, more })
            }
            StoreOp::Changed { pg, since, after, limit } => {
                let chunks = self.changed(*pg, *since, *after);
                let (entries, more) = page(chunks.into_iter(), *limit as usize);
                Ok(StoreReply::Changed { entries, more })
            }
            other => unreachable!("changes: {other:?}"),
        }
    }

    /// Room is given back for all that is gone.
    pub fn holds_what_it_counts(&self) -> bool {
        self.blocks.keys().filter(|key| self.holds_data(key)).count() == self.data_blocks
    }

    pub fn holds_data(&self, key: &Key) -> bool {
        matches!(self.blocks.get(key), Some(Entry { state: BlockState::Data { .. }, .. }))
    }

    fn known(&self, layer: LayerId) -> Result<LayerId, StoreError> {
        if self.layers.contains_key(&layer) { Ok(layer) } else { Err(StoreError::NoLayer) }
    }

    fn admit(
        &self,
        pg: PgId,
        layer: LayerId,
        block: u64,
        body: &Body,
        capacity: usize,
    ) -> Result<(), StoreError> {
        let Body::Data { crcs, .. } = body else { return Ok(()) };
        let held = |i: &usize| {
            let key = (pg, layer, block + *i as u64);
            matches!(self.blocks.get(&key), Some(Entry { state: BlockState::Data { .. }, .. }))
        };
        let need = crcs.len() - (0..crcs.len()).filter(held).count();
        self.check_room(need, capacity)
    }

    /// What needs no new room is always admitted.
    fn check_room(&self, need: usize, capacity: usize) -> Result<(), StoreError> {
        let full = need > 0 && self.data_blocks + need > capacity;
        if full { Err(StoreError::NoSpace) } else { Ok(()) }
    }

    fn raise(&mut self, volumes: &[(VolumeId, HeadEpoch)], pgs: &[(PgId, PgEpoch)]) {
        for (volume, he) in volumes {
            let kept = self.heads.entry(*volume).or_default();
            *kept = (*kept).max(*he);
        }
        for (pg, pe) in pgs {
            let kept = self.pgs.entry(*pg).or_default();
            *kept = (*kept).max(*pe);
        }
    }

    fn forget_volume(&mut self, volume: VolumeId) {
        if self.layers.values().chain(self.deleted.values()).all(|other| *other != volume) {
            self.heads.remove(&volume);
            self.marks.retain(|(_, of), _| *of != volume);
        }
    }

    fn raise_marks(&mut self, raise: &Raise) {
        for (volume, pg, watermark) in &raise.watermarks {
            self.raise_mark(*pg, *volume, *watermark, Version::ZERO);
        }
        for (volume, pg, newest) in &raise.newest {
            self.raise_mark(*pg, *volume, Version::ZERO, *newest);
        }
    }

    fn raise_mark(&mut self, pg: PgId, volume: VolumeId, watermark: Version, newest: Version) {
        let marks = self.marks.entry((pg, volume)).or_default();
        *marks = (marks.0.max(watermark), marks.1.max(newest));
    }

    fn state_of(&self, body: &Body, i: usize, at: &(PgId, LayerId, u64)) -> BlockState {
        match body {
            Body::Clear { .. } if !self.blocks.contains_key(at) => BlockState::Absent,
            Body::Zero { .. } | Body::Clear { .. } => BlockState::Zero,
            Body::Data { data, crcs, .. } => {
                let data = data.slice(i * BLOCK_BYTES..(i + 1) * BLOCK_BYTES);
                BlockState::Data { data, crc: crcs[i] }
            }
        }
    }

    fn write_block(&mut self, key: (PgId, LayerId, u64), entry: Entry) {
        match self.blocks.get_mut(&key) {
            Some(old) if old.version > entry.version => {}
            Some(old) if old.version == entry.version => {
                if !is_planted(Bug::H5StampNotStored) {
                    old.stamp = old.stamp.max(entry.stamp);
                }
            }
            _ => self.put(key, Some(entry)),
        }
    }

    fn put(&mut self, key: (PgId, LayerId, u64), entry: Option<Entry>) {
        let is_data =
            |e: &Option<Entry>| matches!(e, Some(Entry { state: BlockState::Data { .. }, .. }));
        self.data_blocks += usize::from(is_data(&entry));
        let old = match entry {
            Some(Entry { state: BlockState::Absent, .. }) | None => self.blocks.remove(&key),
            Some(entry) => self.blocks.insert(key, entry),
        };
        self.data_blocks -= usize::from(is_data(&old));
    }

    fn versioned(&self, pg: PgId, layer: LayerId, block: u64) -> (Version, PgEpoch, BlockState) {
        match self.blocks.get(&(pg, layer, block)) {
            Some(e) => (e.version, e.stamp, e.state.clone()),
            None => (Version::ZERO, PgEpoch::ZERO, BlockState::Absent),
        }
    }

    fn after(
        &self,
        pg: PgId,
        after: Option<(LayerId, u64)>,
    ) -> impl Iterator<Item = (&(PgId, LayerId, u64), &Entry)> {
        let start = after.map_or((pg, LayerId(0), 0), |(layer, block)| (pg, layer, block));
        self.blocks
            .range(start..)
            .take_while(move |(key, _)| key.0 == pg)
            .filter(move |(key, _)| after.is_none_or(|a| (key.1, key.2) > a))
    }

    fn changed(&self, pg: PgId, since: PgEpoch, after: Option<(LayerId, u64)>) -> Vec<CopyEntry> {
        let mut chunks: BTreeMap<(LayerId, u64), CopyEntry> = BTreeMap::new();
        for ((_, layer, block), e) in self.after(pg, None).filter(|(_, e)| e.stamp >= since) {
            let base = block / 32 * 32;
            if after.is_some_and(|a| (*layer, base) <= a) {
                continue;
            }
            let (volume, layer) = (e.volume, *layer);
            let fresh = CopyEntry { volume, layer, block: base, mask: 0, stamp: e.stamp };
            let chunk = chunks.entry((layer, base)).or_insert(fresh);
            chunk.mask |= 1 << (block - base);
            chunk.stamp = chunk.stamp.max(e.stamp);
        }
        chunks.into_values().collect()
    }
}

fn info((_, layer, block): &(PgId, LayerId, u64), e: &Entry) -> EntryInfo {
    let kind = match e.state {
        BlockState::Data { .. } => EntryKind::Data,
        BlockState::Zero | BlockState::Absent => EntryKind::Zero,
    };
    EntryInfo { layer: *layer, block: *block, version: e.version, stamp: e.stamp, kind }
}

fn page<T>(from: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    // Small pages, so that every run crosses their borders.
    let limit = limit.min(3);
    let mut found: Vec<T> = from.take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more)
}
