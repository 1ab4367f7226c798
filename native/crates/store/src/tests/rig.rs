//! A store on a simulated disk, and the check of what it holds against the model.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::message::{BlockState, EntryKind};
use shoal_types::{LayerId, PgEpoch, StoreError, StoreOp, StoreReply, Version, VolumeId};

use super::disk::{Disk, Image};
use super::model::{Held, Model, Value, fill, seed_of};
use super::rng::Rng;
use super::workload::{BLOCKS, pg_of, pgs};
use crate::{
    Budget, Figures, Format, FormatParams, Identity, LayerState, Output, Params, Recovery,
    RecoveryError, Store,
};

pub const DISK_BYTES: u64 = 8 << 20;
/// Answers that a run may take before it counts as stuck.
const PATIENCE: u64 = 2_000_000;

pub fn identity() -> Identity {
    Identity {
        cluster_id: [7; 16],
        disk: shoal_types::DiskId(5),
        store_uuid: [9; 16],
        incarnation: 1,
    }
}

pub fn params(image_bytes: u64, start_id: u64) -> Params {
    let budget = Budget {
        dirty_bytes: 1 << 20,
        crc_cache_bytes: 4096,
        index_bytes: 4 << 20,
        background_depth: 4,
    };
    let cluster_id = identity().cluster_id;
    Params { cluster_id, disk: None, device_bytes: image_bytes, start_id, budget }
}

pub fn formatted(bytes: u64) -> Image {
    let params = FormatParams { identity: identity(), device_bytes: bytes };
    let mut format = Format::new(params).expect("large enough");
    let mut disk = Disk::new(Image::blank(bytes));
    let mut rng = Rng::new(1);
    loop {
        while let Some(io) = format.poll() {
            disk.issue(io);
        }
        if let Some(outcome) = format.take() {
            outcome.expect("a healthy disk");
            return disk.settle();
        }
        let (id, bytes) = disk.answer_one(&mut rng).expect("a format that is not stuck");
        format.on_io(id, Ok(bytes));
    }
}

/// Recovers to the end; `at_step` sees the disk before each answer.
pub fn recover(
    mut disk: Disk,
    rng: &mut Rng,
    mut at_step: impl FnMut(&Disk, &mut Rng),
) -> (Disk, Result<(Box<Store>, Figures), RecoveryError>) {
    let mut recovery = Recovery::new(params(DISK_BYTES, rng.next()));
    loop {
        while let Some(io) = recovery.poll() {
            disk.issue(io);
        }
        at_step(&disk, rng);
        if let Some(outcome) = recovery.take() {
            return (disk, outcome);
        }
        let (id, bytes) = disk.answer_one(rng).expect("a recovery that is not stuck");
        recovery.on_io(id, Ok(bytes));
    }
}

/// A store at work, and what was asked of it since it was last known exactly.
pub struct Rig {
    pub disk: Disk,
    pub store: Box<Store>,
    pub base: Model,
    /// Mutations since `base`, with their results as far as they are known.
    pub ops: Vec<(StoreOp, Option<Result<(), StoreError>>)>,
    next_read: u64,
    pub replies: BTreeMap<u64, Result<StoreReply, StoreError>>,
}

/// Tokens of reads start here.
const READS: u64 = 1 << 40;

impl Rig {
    pub fn new(disk: Disk, store: Box<Store>, base: Model) -> Self {
        let replies = BTreeMap::new();
        Self { disk, store, base, ops: Vec::new(), next_read: READS, replies }
    }

    pub fn fresh(rng: &mut Rng) -> Self {
        let (disk, store) = recover(Disk::new(formatted(DISK_BYTES)), rng, |_, _| {});
        Self::new(disk, store.expect("a fresh store").0, Model::default())
    }

    /// A store with only about `free` cells left, so that what is freed is soon used again.
    pub fn crowded(free: u64, rng: &mut Rng) -> Self {
        let mut rig = Self::fresh(rng);
        let (volume, layer, pg) = (VolumeId(3), LayerId(99), shoal_types::PgId::new(9, 9));
        rig.submit(StoreOp::OpenLayer { volume, layer });
        let mut block = 0;
        while rig.store.state.space.free() > free + 40 {
            let body = super::workload::data(layer, block, &(0..32).collect::<Vec<_>>());
            let version = Version::new(1, block + 1);
            let (stamp, watermark) = (PgEpoch(1), Some(version));
            rig.submit(StoreOp::Write {
                volume,
                pg,
                layer,
                block,
                version,
                stamp,
                watermark,
                body,
            });
            block += 32;
            rig.settle(rng);
        }
        rig.store.fold();
        rig.settle(rng);
        rig.base.layers.insert(layer, volume);
        rig.ops.clear();
        rig
    }

    pub fn submit(&mut self, op: StoreOp) {
        self.store.submit(self.ops.len() as u64, op.clone());
        self.ops.push((op, None));
        self.drain();
    }

    pub fn outstanding(&self) -> usize {
        self.ops.iter().rev().take_while(|(_, r)| r.is_none()).count()
    }

    /// Takes everything that the store puts out.
    pub fn drain(&mut self) {
        while let Some(output) = self.store.poll() {
            match output {
                Output::Io(io) => self.disk.issue(io),
                Output::Done { token, result } if token >= READS => {
                    self.replies.insert(token, result);
                }
                Output::Done { token, result } => self.note(token as usize, result),
            }
        }
    }

    fn note(&mut self, op: usize, result: Result<StoreReply, StoreError>) {
        let slot = &mut self.ops[op].1;
        assert!(slot.is_none(), "an op is done once");
        *slot = Some(result.map(|_| ()));
        if slot == &Some(Ok(())) {
            let earlier = self.ops[..op].iter();
            assert!(earlier.clone().all(|(_, r)| r.is_some()), "done in order");
        }
    }

    /// Answers one disk command; false if none is out.
    pub fn step(&mut self, rng: &mut Rng) -> bool {
        let Some((id, bytes)) = self.disk.answer_one(rng) else { return false };
        self.store.on_io(id, Ok(bytes));
        self.drain();
        true
    }

    pub fn settle(&mut self, rng: &mut Rng) {
        self.drain();
        let mut patience = PATIENCE;
        while self.step(rng) {
            patience -= 1;
            assert!(patience > 0, "the store never comes to rest");
        }
        assert!(self.store.is_idle(), "nothing is out, so nothing waits: {:?}", self.store.stats());
        assert!(self.ops.iter().all(|(_, r)| r.is_some()), "every op is answered");
    }

    pub fn ask(&mut self, op: StoreOp) -> u64 {
        let token = self.next_read;
        self.next_read += 1;
        self.store.submit(token, op);
        self.drain();
        token
    }

    /// Runs a read or list to its end.
    pub fn read(&mut self, op: StoreOp, rng: &mut Rng) -> Result<StoreReply, StoreError> {
        let token = self.ask(op);
        while !self.replies.contains_key(&token) {
            assert!(self.step(rng), "the read is stuck");
        }
        self.replies.remove(&token).expect("just seen")
    }

    /// Ops that were acknowledged, as a prefix; all that were submitted.
    pub fn prefix(&self) -> (usize, usize) {
        let acked = self.ops.iter().rposition(|(_, r)| r == &Some(Ok(())));
        (acked.map_or(0, |i| i + 1), self.ops.len())
    }

    /// The model after the first `count` ops, without those that were refused.
    pub fn model_at(&self, count: usize) -> Model {
        let mut model = self.base.clone();
        for (op, result) in &self.ops[..count] {
            if !matches!(result, Some(Err(_))) {
                model.apply(op);
            }
        }
        model
    }
}

/// Everything that a store says it holds.
pub struct Snapshot {
    pub blocks: BTreeMap<(LayerId, u64), Held>,
    live: BTreeSet<LayerId>,
    marks: BTreeMap<(VolumeId, shoal_types::PgId), Version>,
    unsettled: BTreeMap<(VolumeId, shoal_types::PgId), BTreeMap<(LayerId, u64), Version>>,
    changed: BTreeSet<(LayerId, u64)>,
    since: PgEpoch,
    heads: BTreeMap<VolumeId, shoal_types::HeadEpoch>,
    pgs: BTreeMap<shoal_types::PgId, PgEpoch>,
}

impl Snapshot {
    pub fn take(rig: &mut Rig, layers: &[LayerId], rng: &mut Rng) -> Result<Self, StoreError> {
        let since = PgEpoch(rng.below(12) as u32);
        let live = rig.store.layers().into_iter().filter(|l| l.2 == LayerState::Live);
        let mut snapshot = Self {
            blocks: BTreeMap::new(),
            live: live.map(|l| l.0).collect(),
            marks: BTreeMap::new(),
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

    fn list_changed(
        &mut self,
        rig: &mut Rig,
        pg: shoal_types::PgId,
        rng: &mut Rng,
    ) -> Result<(), StoreError> {
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
        dropped: &BTreeSet<shoal_types::PgId>,
    ) -> Result<(), String> {
        for (volume, head) in &model.heads {
            let now = self.heads.get(volume).copied().unwrap_or_default();
            let most = all.heads.get(volume).copied().unwrap_or_default();
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
        dropped: &BTreeSet<shoal_types::PgId>,
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
    pg: shoal_types::PgId,
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
        model.pgs.extend(&self.pgs);
        model.marks =
            self.marks.iter().filter(|(_, m)| **m > Version::ZERO).map(|(k, m)| (*k, *m)).collect();
        let gone: Vec<LayerId> =
            model.layers.keys().copied().filter(|l| !self.live.contains(l)).collect();
        for layer in gone {
            model.apply(&StoreOp::DeleteLayer { layer });
        }
        model.blocks.retain(|key, _| self.blocks.contains_key(key));
        model
    }
}
