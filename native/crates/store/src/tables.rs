//! What the store knows beside blocks: volumes and their head epochs, PGs, layers, watermarks.
//!
//! Numbers only grow, so a table that is newer than the log's tail does no harm: replay repeats
//! what it already holds.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::{HeadEpoch, LayerId, PgEpoch, PgId, Version, VolumeId};

use crate::meta_record::TableItem;
use crate::op::Change;

/// Longest rows in a root, in bytes.
const VOLUME_BYTES: u64 = 13;
const PG_BYTES: u64 = 17;
const LAYER_BYTES: u64 = 22;
const MARK_BYTES: u64 = 33;
const NEXT_BYTES: u64 = 9;

/// Deleted layers stay known until they are forgotten, so that a late write finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    Live,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerRow {
    pub layer: LayerId,
    pub volume: VolumeId,
    pub deleted: bool,
    /// Drop the row once its blocks are gone.
    pub forget: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgRow {
    pub pg: PgId,
    pub epoch: PgEpoch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MarkRow {
    pub watermark: Version,
    /// Newest version ever stored.
    pub newest: Version,
}

/// Names a row whose newest state is not in the metadata log yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RowKey {
    Volume(VolumeId),
    Pg(u32),
    Layer(u32),
    Mark(VolumeId, u32),
    Next,
}

#[derive(Default)]
pub struct Tables {
    volumes: BTreeMap<VolumeId, HeadEpoch>,
    layers: BTreeMap<u32, LayerRow>,
    layer_numbers: BTreeMap<LayerId, u32>,
    pgs: BTreeMap<u32, PgRow>,
    pg_numbers: BTreeMap<PgId, u32>,
    marks: BTreeMap<(VolumeId, u32), MarkRow>,
    next_layer: u32,
    next_pg: u32,
    changed: BTreeSet<RowKey>,
    gone: Vec<TableItem>,
}

impl Tables {
    pub fn head_epoch(&self, volume: VolumeId) -> HeadEpoch {
        self.volumes.get(&volume).copied().unwrap_or_default()
    }

    pub fn pg_epoch(&self, pg: PgId) -> PgEpoch {
        self.pg_number(pg).map_or(PgEpoch::ZERO, |n| self.pgs[&n].epoch)
    }

    pub fn pg_number(&self, pg: PgId) -> Option<u32> {
        self.pg_numbers.get(&pg).copied()
    }

    /// The PG now known under this number; none if a drop gave it a new one.
    pub fn live_pg(&self, local: u32) -> Option<PgRow> {
        let row = self.pgs.get(&local)?;
        (self.pg_numbers.get(&row.pg) == Some(&local)).then_some(*row)
    }

    pub fn layer_number(&self, layer: LayerId) -> Option<u32> {
        self.layer_numbers.get(&layer).copied()
    }

    pub fn layer(&self, local: u32) -> Option<&LayerRow> {
        self.layers.get(&local)
    }

    pub fn live_layer(&self, layer: LayerId) -> Option<u32> {
        self.layer_number(layer).filter(|n| !self.layers[n].deleted)
    }

    pub fn is_live_layer(&self, local: u32) -> bool {
        self.layers.get(&local).is_some_and(|l| !l.deleted)
    }

    pub fn mark(&self, volume: VolumeId, pg: u32) -> MarkRow {
        self.marks.get(&(volume, pg)).copied().unwrap_or_default()
    }

    pub fn marks(&self) -> impl Iterator<Item = (VolumeId, u32, MarkRow)> + '_ {
        self.marks.iter().map(|((volume, pg), row)| (*volume, *pg, *row))
    }

    /// The number is in use, by a live PG or by one that was dropped and not yet purged.
    pub fn has_pg(&self, local: u32) -> bool {
        self.pgs.contains_key(&local)
    }

    pub fn volumes(&self) -> impl Iterator<Item = (VolumeId, HeadEpoch)> + '_ {
        self.volumes.iter().map(|(v, e)| (*v, *e))
    }

    pub fn pgs(&self) -> impl Iterator<Item = (PgId, PgEpoch)> + '_ {
        self.pg_numbers.iter().map(|(pg, n)| (*pg, self.pgs[n].epoch))
    }

    pub fn layers(&self) -> impl Iterator<Item = (u32, &LayerRow)> + '_ {
        self.layer_numbers.values().map(|n| (*n, &self.layers[n]))
    }

    pub fn next_layer(&self) -> u32 {
        self.next_layer
    }

    pub fn next_pg(&self) -> u32 {
        self.next_pg
    }

    /// True if that raised it.
    pub fn raise_head(&mut self, volume: VolumeId, epoch: HeadEpoch) -> bool {
        let old = self.volumes.insert(volume, epoch.max(self.head_epoch(volume)));
        let raised = old.is_none_or(|old| epoch > old);
        if raised {
            self.changed.insert(RowKey::Volume(volume));
        }
        raised
    }

    /// Makes the PG known under `local`, or raises its epoch. Another number than before: what
    /// the old one held is dead, the epoch stays.
    pub fn set_pg(&mut self, local: u32, pg: PgId, epoch: PgEpoch) {
        let before = self.pg_numbers.get(&pg).copied();
        if before.is_some_and(|b| b > local) {
            // Replay of a number that was dropped since.
            self.pgs.entry(local).or_insert(PgRow { pg, epoch });
            return;
        }
        let epoch = epoch.max(self.pg_epoch(pg));
        self.pg_numbers.insert(pg, local);
        self.pgs.insert(local, PgRow { pg, epoch });
        self.next_pg = self.next_pg.max(local + 1);
        self.changed.extend([RowKey::Pg(local), RowKey::Next]);
    }

    pub fn set_layer(&mut self, local: u32, row: LayerRow) {
        let old = self.layers.insert(local, row);
        let row = self.layers.get_mut(&local).expect("just inserted");
        // Deleted stays deleted when an older record is replayed.
        row.deleted |= old.is_some_and(|o| o.deleted);
        row.forget |= old.is_some_and(|o| o.forget);
        self.layer_numbers.insert(row.layer, local);
        self.next_layer = self.next_layer.max(local + 1);
        self.changed.extend([RowKey::Layer(local), RowKey::Next]);
    }

    pub fn delete_layer(&mut self, local: u32, forget: bool) {
        if let Some(row) = self.layers.get_mut(&local) {
            row.deleted = true;
            row.forget |= forget;
            self.changed.insert(RowKey::Layer(local));
        }
    }

    /// True if that raised it.
    pub fn raise_mark(&mut self, volume: VolumeId, pg: u32, watermark: Version) -> bool {
        let row = self.marks.entry((volume, pg)).or_default();
        let raised = watermark > row.watermark;
        if raised {
            row.watermark = watermark;
            self.changed.insert(RowKey::Mark(volume, pg));
        }
        raised
    }

    /// True if that raised it.
    pub fn raise_newest(&mut self, volume: VolumeId, pg: u32, version: Version) -> bool {
        let row = self.marks.entry((volume, pg)).or_default();
        let raised = version > row.newest;
        if raised {
            row.newest = version;
            self.changed.insert(RowKey::Mark(volume, pg));
        }
        raised
    }

    /// Drops the rows of a PG number whose blocks are gone.
    pub fn remove_pg(&mut self, local: u32) {
        if let Some(row) = self.pgs.remove(&local)
            && self.pg_numbers.get(&row.pg) == Some(&local)
        {
            self.pg_numbers.remove(&row.pg);
        }
        self.gone.push(TableItem::PgGone { local });
        self.marks.retain(|(_, pg), _| *pg != local);
        self.changed.remove(&RowKey::Pg(local));
        self.changed.retain(|k| !matches!(k, RowKey::Mark(_, pg) if *pg == local));
    }

    pub fn remove_layer(&mut self, local: u32) {
        if let Some(row) = self.layers.remove(&local)
            && self.layer_numbers.get(&row.layer) == Some(&local)
        {
            self.layer_numbers.remove(&row.layer);
        }
        self.gone.push(TableItem::LayerGone { local });
        self.changed.remove(&RowKey::Layer(local));
    }

    /// Drops what is known of volumes of which no layer is left.
    pub fn remove_volumes(&mut self, mut volumes: BTreeSet<VolumeId>) {
        for row in self.layers.values() {
            volumes.remove(&row.volume);
        }
        for volume in volumes {
            self.remove_volume(volume);
        }
    }

    fn remove_volume(&mut self, volume: VolumeId) {
        self.volumes.remove(&volume);
        self.changed.remove(&RowKey::Volume(volume));
        let of_volume = (volume, 0)..=(volume, u32::MAX);
        let pgs: Vec<u32> = self.marks.range(of_volume).map(|((_, pg), _)| *pg).collect();
        for pg in pgs {
            self.marks.remove(&(volume, pg));
            self.changed.remove(&RowKey::Mark(volume, pg));
        }
        self.gone.push(TableItem::VolumeGone { volume });
    }

    /// PG numbers that a drop left behind.
    pub fn dead_pgs(&self) -> Vec<u32> {
        self.pgs.keys().copied().filter(|n| self.live_pg(*n).is_none()).collect()
    }

    pub fn deleted_layers(&self) -> impl Iterator<Item = (u32, &LayerRow)> + '_ {
        self.layers.iter().filter(|(_, l)| l.deleted).map(|(n, l)| (*n, l))
    }

    /// Rows that changed since they were last taken, for the metadata log.
    pub fn take_changed(&mut self) -> Vec<TableItem> {
        let keys = std::mem::take(&mut self.changed);
        let mut items = std::mem::take(&mut self.gone);
        items.extend(keys.into_iter().filter_map(|key| self.item(key)));
        items
    }

    /// Nothing changed since rows were last taken: what a root or the logs hold is enough.
    pub fn forget_changes(&mut self) {
        self.changed.clear();
        self.gone.clear();
    }

    /// Every row, for the root.
    pub fn all(&self) -> Vec<TableItem> {
        let volumes = self.volumes.keys().map(|v| RowKey::Volume(*v));
        let pgs = self.pgs.keys().map(|n| RowKey::Pg(*n));
        let layers = self.layers.keys().map(|n| RowKey::Layer(*n));
        let marks = self.marks.keys().map(|(v, n)| RowKey::Mark(*v, *n));
        let rows = volumes.chain(pgs).chain(layers).chain(marks).chain([RowKey::Next]);
        rows.filter_map(|key| self.item(key)).collect()
    }

    /// Takes a row from root or metadata log.
    pub fn apply(&mut self, item: TableItem) {
        match item {
            TableItem::Volume { volume, epoch } => {
                self.raise_head(volume, epoch);
            }
            TableItem::Pg { local, pg, epoch } => self.set_pg(local, pg, epoch),
            TableItem::PgGone { local } => self.remove_pg(local),
            TableItem::Layer { local, layer, volume, deleted, forget } => {
                self.set_layer(local, LayerRow { layer, volume, deleted, forget });
            }
            TableItem::LayerGone { local } => self.remove_layer(local),
            TableItem::VolumeGone { volume } => self.remove_volume(volume),
            TableItem::Watermark { volume, pg, watermark, newest } => {
                self.raise_mark(volume, pg, watermark);
                self.raise_newest(volume, pg, newest);
            }
            TableItem::Next { layer, pg } => {
                self.next_layer = self.next_layer.max(layer);
                self.next_pg = self.next_pg.max(pg);
            }
        }
    }

    /// Upper bound of the bytes that all rows take in a root.
    pub fn bytes(&self) -> u64 {
        let volumes = self.volumes.len() as u64 * VOLUME_BYTES;
        let pgs = self.pgs.len() as u64 * PG_BYTES;
        let layers = self.layers.len() as u64 * LAYER_BYTES;
        volumes + pgs + layers + self.marks.len() as u64 * MARK_BYTES + NEXT_BYTES
    }

    /// Upper bound of what the rows that this change adds take in a root.
    pub fn growth(&self, change: &Change) -> u64 {
        match change {
            Change::Assign(assign) => self.pair_growth(assign.volume, assign.pg),
            Change::Raise(raise) => {
                let volumes = raise.volumes.iter().map(|(volume, _)| self.volume_growth(*volume));
                let pgs = raise.pgs.iter().map(|(pg, _)| self.pg_growth(*pg));
                let marks = raise.watermarks.iter().chain(&raise.newest);
                let marks = marks.map(|(v, pg, _)| self.pair_growth(*v, *pg));
                volumes.chain(pgs).chain(marks).sum()
            }
            Change::OpenLayer { volume, layer } => match self.layer_number(*layer) {
                Some(_) => 0,
                None => LAYER_BYTES + self.volume_growth(*volume),
            },
            Change::DropPg { .. } => PG_BYTES,
            Change::DeleteLayer { .. } | Change::ForgetLayer { .. } => 0,
        }
    }

    fn pair_growth(&self, volume: VolumeId, pg: PgId) -> u64 {
        let marked = |local| self.marks.contains_key(&(volume, local));
        match self.pg_number(pg) {
            Some(local) if marked(local) => 0,
            _ => MARK_BYTES + self.pg_growth(pg) + self.volume_growth(volume),
        }
    }

    fn pg_growth(&self, pg: PgId) -> u64 {
        if self.pg_numbers.contains_key(&pg) { 0 } else { PG_BYTES }
    }

    fn volume_growth(&self, volume: VolumeId) -> u64 {
        if self.volumes.contains_key(&volume) { 0 } else { VOLUME_BYTES }
    }

    fn item(&self, key: RowKey) -> Option<TableItem> {
        Some(match key {
            RowKey::Volume(volume) => {
                TableItem::Volume { volume, epoch: *self.volumes.get(&volume)? }
            }
            RowKey::Pg(local) => {
                let row = self.pgs.get(&local)?;
                TableItem::Pg { local, pg: row.pg, epoch: row.epoch }
            }
            RowKey::Layer(local) => {
                let LayerRow { layer, volume, deleted, forget } = *self.layers.get(&local)?;
                TableItem::Layer { local, layer, volume, deleted, forget }
            }
            RowKey::Mark(volume, pg) => {
                let row = self.marks.get(&(volume, pg))?;
                TableItem::Watermark { volume, pg, watermark: row.watermark, newest: row.newest }
            }
            RowKey::Next => TableItem::Next { layer: self.next_layer, pg: self.next_pg },
        })
    }
}
