//! What a store says it holds, compared with the model.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::message::{BlockState, EntryKind};
use shoal_types::{LayerId, PgEpoch, PgId, StoreError, StoreOp, StoreReply, Version, VolumeId};

use super::model::{Held, Model, Value, fill, seed_of};
use super::rig::Rig;
use super::rng::Rng;
use super::workload::{BLOCKS, pg_of, pgs};
use crate::LayerState;

/// Everything that a store says it holds.
pub struct Snapshot {
    pub blocks: BTreeMap<(LayerId, u64), Held>,
    live: BTreeSet<LayerId>,
    marks: BTreeMap<(VolumeId, PgId), Version>,
    newest: BTreeMap<(VolumeId, PgId), Version>,
    unsettled: BTreeMap<(VolumeId, PgId), BTreeMap<(LayerId, u64), Version>>,
    changed: BTreeSet<(LayerId, u64)>,
    since: PgEpoch,
    heads: BTreeMap<VolumeId, shoal_types::HeadEpoch>,
    pgs: BTreeMap<PgId, PgEpoch>,
}

impl Snapshot {
    pub fn take(rig: &mut Rig, layers: &[LayerId], rng: &mut Rng) -> Result<Self, StoreError> {
        let since = PgEpoch(rng.below(12) as u32);
        let live = rig.store.layers().into_iter().filter(|l| l.2 == LayerState::Live);
        let mut snapshot = Self {
            blocks: BTreeMap::new(),
            live: live.map(|l| l.0).collect(),
            marks: BTreeMap::new(),
            newest: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            changed: BTreeSet::new(),
            since,
            heads: rig.store.volumes().into_iter().collect(),
            pgs: rig.store.pgs().into_iter().collect(),
        };
        for layer in layers {
            snapshot.read_layer(rig, *layer, rng)?;
        }
        for pg in pgs() {
            for volume in [VolumeId(1), VolumeId(2)] {
                snapshot.marks.insert((volume, pg), rig.store.watermark(volume, pg));
                snapshot.newest.insert((volume, pg), rig.store.newest_version(volume, pg));
                let list = list_unsettled(rig, volume, pg, rng)?;
                snapshot.unsettled.insert((volume, pg), list);
            }
            snapshot.list_changed(rig, pg, rng)?;
        }
        Ok(snapshot)
    }

    fn read_layer(
        &mut self,
        rig: &mut Rig,
        layer: LayerId,
        rng: &mut Rng,
    ) -> Result<(), StoreError> {
        for block in (0..BLOCKS).step_by(64) {
            let op = StoreOp::ReadVersioned { pg: pg_of(block), layer, block, blocks: 64 };
            let reply = match rig.read(op, rng) {
                Err(StoreError::NoLayer) if !self.live.contains(&layer) => return Ok(()),
                other => other?,
            };
            let StoreReply::Versioned(states) = reply else { panic!("{reply:?}") };
            for ((version, epoch, state), block) in states.into_iter().zip(block..) {
                let value = match state {
                    BlockState::Absent => continue,
                    BlockState::Zero => Value::Zero,
                    BlockState::Data { data, .. } => {
                        let seed = seed_of(&data);
                        let right = !rng.one_in(8) || data[..] == fill(seed)[..];
                        assert!(right, "wrong bytes were returned");
                        Value::Data(seed)
                    }
                };
                self.blocks.insert((layer, block), Held { value, version, epoch });
            }
        }
        Ok(())
    }

    fn list_changed(&mut self, rig: &mut Rig, pg: PgId, rng: &mut Rng) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let limit = 1 + rng.below(8) as u32;
            let reply = rig.read(StoreOp::Changed { pg, since: self.since, after, limit }, rng)?;
            let StoreReply::Changed { entries, more } = reply else { panic!("{reply:?}") };
            assert!(entries.len() <= limit as usize);
            for entry in &entries {
                assert!(after.is_none_or(|a| (entry.layer, entry.block) > a), "in order");
                after = Some((entry.layer, entry.block));
                for bit in crate::index::entry::bits(entry.mask) {
                    self.changed.insert((entry.layer, entry.block + bit as u64));
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Is this what the model says, given that anything up to `all` may have left its mark on the
    /// tables?
    pub fn matches(
        &self,
        model: &Model,
        all: &Model,
        dropped: &BTreeSet<PgId>,
    ) -> Result<(), String> {
        for (volume, head) in &model.heads {
            let now = self.heads.get(volume).copied().unwrap_or_default();
            let most = all.heads_ever.get(volume).copied().unwrap_or_default();
            if now < *head || now > most {
                return Err(format!("{volume:?} has {now:?}, not {head:?}..{most:?}"));
            }
        }
        for (pg, epoch) in &model.pgs {
            let now = self.pgs.get(pg).copied().unwrap_or_default();
            if now < *epoch || now > all.pgs.get(pg).copied().unwrap_or_default() {
                return Err(format!("{pg:?} has {now:?}, not {epoch:?}"));
            }
        }
        for ((volume, pg), mark) in &model.marks {
            let now = self.marks[&(*volume, *pg)];
            if now < *mark && !dropped.contains(pg) {
                return Err(format!("{volume:?} {pg:?} watermark {now:?}, not {mark:?}"));
            }
        }
        for ((volume, pg), newest) in &model.newest {
            let now = self.newest[&(*volume, *pg)];
            if now < *newest && !dropped.contains(pg) {
                return Err(format!("{volume:?} {pg:?} newest version {now:?}, not {newest:?}"));
            }
        }
        self.match_layers(model, all)?;
        self.match_blocks(model, all, dropped)?;
        self.match_lists(model)
    }

    fn match_layers(&self, model: &Model, all: &Model) -> Result<(), String> {
        for layer in model.layers.keys() {
            let live = self.live.contains(layer);
            let may_be_deleted = all.deleted.contains(layer);
            let must_be_deleted = model.deleted.contains(layer);
            if (live && must_be_deleted) || (!live && !may_be_deleted) {
                return Err(format!("{layer:?} live: {live}"));
            }
        }
        match self.live.iter().find(|l| !all.layers.contains_key(l)) {
            Some(layer) => Err(format!("{layer:?} was never opened")),
            None => Ok(()),
        }
    }

    fn match_blocks(
        &self,
        model: &Model,
        all: &Model,
        dropped: &BTreeSet<PgId>,
    ) -> Result<(), String> {
        for (key, (pg, held)) in &model.blocks {
            let Some(now) = self.blocks.get(key) else {
                if all.deleted.contains(&key.0) && !self.live.contains(&key.0) {
                    continue;
                }
                if dropped.contains(pg) && !self.blocks.keys().any(|k| pg_of(k.1) == *pg) {
                    continue;
                }
                return Err(format!("{key:?} is lost: {held:?}"));
            };
            let volume = model.layers[&key.0];
            let mark = self.marks[&(volume, *pg)];
            let exact = held.version > mark;
            let fits = now.value == held.value
                && if exact {
                    now.version == held.version && now.epoch == held.epoch
                } else {
                    now.version >= held.version && now.epoch >= held.epoch && now.version <= mark
                };
            if !fits {
                return Err(format!("{key:?} is {now:?}, not {held:?}, watermark {mark:?}"));
            }
        }
        match self.blocks.iter().find(|(key, _)| !model.blocks.contains_key(key)) {
            Some((key, now)) => Err(format!("{key:?} is {now:?}, not absent")),
            None => Ok(()),
        }
    }

    /// Lists hold what the blocks say: exactly the unsettled ones, at least the changed ones.
    fn match_lists(&self, model: &Model) -> Result<(), String> {
        let mut left: usize = self.unsettled.values().map(BTreeMap::len).sum();
        for (key, held) in &self.blocks {
            let volume = model.layers.get(&key.0).ok_or("a layer without volume")?;
            let pg = pg_of(key.1);
            let mark = self.marks[&(*volume, pg)];
            let listed = self.unsettled[&(*volume, pg)].get(key);
            left -= usize::from(listed.is_some());
            if listed.copied() != (held.version > mark).then_some(held.version) {
                return Err(format!(
                    "{key:?} {held:?} is listed as {listed:?}, watermark {mark:?}"
                ));
            }
            let truth = model.blocks.get(key).map(|b| b.1.epoch);
            if truth.is_some_and(|e| e >= self.since) && !self.changed.contains(key) {
                return Err(format!("{key:?} {held:?} is not listed since {:?}", self.since));
            }
        }
        if left == 0 { Ok(()) } else { Err(format!("{left} listed blocks do not exist")) }
    }
}

fn list_unsettled(
    rig: &mut Rig,
    volume: VolumeId,
    pg: PgId,
    rng: &mut Rng,
) -> Result<BTreeMap<(LayerId, u64), Version>, StoreError> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let limit = 1 + rng.below(20) as u32;
        let reply = rig.read(StoreOp::Unsettled { volume, pg, after, limit }, rng)?;
        let StoreReply::Unsettled { entries, more } = reply else { panic!("{reply:?}") };
        assert!(entries.len() <= limit as usize);
        for entry in &entries {
            assert!(entry.kind != EntryKind::Absent);
            assert!(after.is_none_or(|a| (entry.layer, entry.block) > a), "in order");
            after = Some((entry.layer, entry.block));
            found.insert((entry.layer, entry.block), entry.version);
        }
        if !more {
            return Ok(found);
        }
    }
}

/// Finds out which prefix of the ops a store holds. `Err` says why none fits.
pub fn identify(rig: &mut Rig, before: &Rig, rng: &mut Rng) -> Result<Model, String> {
    let layers: Vec<LayerId> = {
        let all = before.model_at(before.ops.len());
        all.layers.keys().copied().collect()
    };
    let snapshot = Snapshot::take(rig, &layers, rng).map_err(|e| format!("{e:?}"))?;
    let (acked, submitted) = before.prefix();
    let all = before.model_at(submitted);
    let later = before.ops[acked..].iter().filter_map(|(op, _)| match op {
        StoreOp::DropPg { pg } => Some(*pg),
        _ => None,
    });
    let dropped: BTreeSet<_> = later.collect();
    let mut why = String::new();
    for count in (acked..=submitted).rev() {
        let model = before.model_at(count);
        match snapshot.matches(&model, &all, &dropped) {
            Ok(()) => return Ok(snapshot.adopt(model)),
            Err(error) => why = format!("{why}\n after {count} of {acked}..{submitted}: {error}"),
        }
    }
    let ops = before.ops[acked..].iter().map(|(op, result)| format!("\n {} {result:?}", brief(op)));
    Err(format!("{why}{}", ops.collect::<String>()))
}

/// An op without its data.
fn brief(op: &StoreOp) -> String {
    match op {
        StoreOp::Write { pg, layer, block, version, stamp, watermark, body, .. } => {
            let blocks = body.blocks();
            format!("write {pg} {layer} {block}+{blocks} {version:?} {stamp:?} {watermark:?}")
        }
        StoreOp::Copy { layer, items, .. } => {
            let all = items.iter().map(|i| (i.block, i.version, i.stamp));
            format!("copy {layer} {:?}", all.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

impl Snapshot {
    /// The tables may be ahead of the prefix that the blocks hold: go on from there.
    fn adopt(&self, mut model: Model) -> Model {
        model.heads.extend(&self.heads);
        model.heads_ever.extend(&self.heads);
        model.pgs.extend(&self.pgs);
        model.marks =
            self.marks.iter().filter(|(_, m)| **m > Version::ZERO).map(|(k, m)| (*k, *m)).collect();
        let raised = self.newest.iter().filter(|(_, newest)| **newest > Version::ZERO);
        model.newest = raised.map(|(key, newest)| (*key, *newest)).collect();
        let gone: Vec<LayerId> =
            model.layers.keys().copied().filter(|l| !self.live.contains(l)).collect();
        for layer in gone {
            model.apply(&StoreOp::DeleteLayer { layer });
        }
        model.blocks.retain(|key, _| self.blocks.contains_key(key));
        model
    }
}
