//! What a store should hold: plain maps, changed by one op at a time.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::message::{BlockState, Body};
use shoal_types::{HeadEpoch, LayerId, PgEpoch, PgId, StoreOp, Version, VolumeId};

/// Content by the first bytes of its data: blocks are filled from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Zero,
    Data(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub value: Value,
    pub version: Version,
    pub epoch: PgEpoch,
}

#[derive(Clone, Default, Debug)]
pub struct Model {
    pub blocks: BTreeMap<(LayerId, u64), (PgId, Held)>,
    pub heads: BTreeMap<VolumeId, HeadEpoch>,
    pub pgs: BTreeMap<PgId, PgEpoch>,
    pub marks: BTreeMap<(VolumeId, PgId), Version>,
    /// Newest versions that were raised without a block.
    pub newest: BTreeMap<(VolumeId, PgId), Version>,
    pub layers: BTreeMap<LayerId, VolumeId>,
    pub deleted: BTreeSet<LayerId>,
    forgotten: BTreeSet<LayerId>,
    /// Also of volumes of which no layer is left: their rows go later.
    pub heads_ever: BTreeMap<VolumeId, HeadEpoch>,
}

impl Model {
    pub fn apply(&mut self, op: &StoreOp) {
        match op {
            StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body } => {
                if self.layers.get(layer) != Some(volume) || self.deleted.contains(layer) {
                    return;
                }
                self.write(*volume, *pg, *layer, *block, *version, *stamp, body);
                self.raise_head(*volume, version.head_epoch);
                self.raise_pg(*pg, *stamp);
                if let Some(watermark) = watermark {
                    self.raise_mark(*volume, *pg, *watermark);
                }
            }
            StoreOp::Copy { volume, pg, layer, items } => {
                if self.layers.get(layer) != Some(volume) || self.deleted.contains(layer) {
                    return;
                }
                self.raise_pg(*pg, PgEpoch::ZERO);
                for item in items {
                    let key = (*layer, item.block);
                    let value = match &item.state {
                        BlockState::Absent => {
                            self.blocks.remove(&key);
                            continue;
                        }
                        BlockState::Zero => Value::Zero,
                        BlockState::Data { data, .. } => Value::Data(seed_of(data)),
                    };
                    let held = Held { value, version: item.version, epoch: item.stamp };
                    self.blocks.insert(key, (*pg, held));
                }
            }
            StoreOp::Raise(raise) => {
                raise.volumes.iter().for_each(|(v, e)| self.raise_head(*v, *e));
                raise.pgs.iter().for_each(|(p, e)| self.raise_pg(*p, *e));
                raise.watermarks.iter().for_each(|(v, p, w)| self.raise_mark(*v, *p, *w));
                raise.newest.iter().for_each(|(v, p, n)| self.raise_newest(*v, *p, *n));
            }
            StoreOp::OpenLayer { volume, layer } => {
                self.layers.entry(*layer).or_insert(*volume);
            }
            StoreOp::DeleteLayer { layer } => self.delete(*layer),
            StoreOp::ForgetLayer { layer } => {
                self.delete(*layer);
                self.forget(*layer);
            }
            StoreOp::DropPg { pg } => {
                self.blocks.retain(|_, (p, _)| p != pg);
                self.marks.retain(|(_, p), _| p != pg);
                self.newest.retain(|(_, p), _| p != pg);
            }
            _ => {}
        }
    }

    fn write(
        &mut self,
        volume: VolumeId,
        pg: PgId,
        layer: LayerId,
        block: u64,
        version: Version,
        epoch: PgEpoch,
        body: &Body,
    ) {
        let mark = self.marks.get(&(volume, pg)).copied().unwrap_or_default();
        for i in 0..u64::from(body.blocks()) {
            let value = match body {
                Body::Zero { .. } | Body::Clear { .. } => Value::Zero,
                Body::Data { data, .. } => Value::Data(seed_of(&data[i as usize * 4096..])),
            };
            let key = (layer, block + i);
            let stored = self.blocks.get(&key).map(|(_, h)| (h.version, h.epoch));
            let takes = match stored {
                Some((v, e)) if v == version => epoch > e,
                Some((v, _)) => version > v,
                None => true,
            };
            // Nothing is kept where nothing was.
            let leaves = !matches!(body, Body::Clear { .. }) || stored.is_some();
            if takes && leaves && version > mark {
                self.blocks.insert(key, (pg, Held { value, version, epoch }));
            }
        }
    }

    fn delete(&mut self, layer: LayerId) {
        if self.layers.contains_key(&layer) {
            self.deleted.insert(layer);
            self.blocks.retain(|(l, _), _| *l != layer);
        }
    }

    fn forget(&mut self, layer: LayerId) {
        let Some(volume) = self.layers.get(&layer).copied() else { return };
        self.forgotten.insert(layer);
        let is_kept = |(l, v): (&LayerId, &VolumeId)| *v == volume && !self.forgotten.contains(l);
        if !self.layers.iter().any(is_kept) {
            self.heads.remove(&volume);
            self.marks.retain(|(of, _), _| *of != volume);
            self.newest.retain(|(of, _), _| *of != volume);
        }
    }

    fn raise_head(&mut self, volume: VolumeId, epoch: HeadEpoch) {
        for heads in [&mut self.heads, &mut self.heads_ever] {
            let seen = heads.entry(volume).or_default();
            *seen = epoch.max(*seen);
        }
    }

    fn raise_pg(&mut self, pg: PgId, epoch: PgEpoch) {
        let seen = self.pgs.entry(pg).or_default();
        *seen = epoch.max(*seen);
    }

    fn raise_mark(&mut self, volume: VolumeId, pg: PgId, watermark: Version) {
        self.raise_pg(pg, PgEpoch::ZERO);
        let seen = self.marks.entry((volume, pg)).or_default();
        *seen = watermark.max(*seen);
    }

    fn raise_newest(&mut self, volume: VolumeId, pg: PgId, version: Version) {
        let seen = self.newest.entry((volume, pg)).or_default();
        *seen = version.max(*seen);
    }
}

/// 4 KiB that belong to one seed.
pub fn fill(seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    let mut x = seed;
    for _ in 0..512 {
        out.extend_from_slice(&x.to_le_bytes());
        x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    }
    out
}

pub fn seed_of(data: &[u8]) -> u64 {
    u64::from_le_bytes(data[..8].try_into().expect("a block"))
}
