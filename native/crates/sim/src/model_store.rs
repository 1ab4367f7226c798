//! A store in memory: what `StoreOp` means, without a disk. Ops become durable in order, after a
//! delay; a crash keeps some prefix of what was not durable yet, and nothing else.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use shoal_engine::member::Recovered;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::{
    BlockState, Body, DiskId, LayerId, PgId, StoreError, StoreOp, StoreReply, Version, VolumeId,
};

use crate::disk_fault::{DiskFault, OpenError};
use crate::model_image::{Image, Key};
use crate::rng::Rng;

#[derive(Clone, Debug)]
struct Pending {
    token: u64,
    op: StoreOp,
    reply: Result<StoreReply, StoreError>,
    changes: bool,
}

#[derive(Clone, Debug)]
pub struct ModelStore {
    /// As its superblock says; none: there is no store.
    disk: Option<DiskId>,
    durable: Image,
    /// With everything that was submitted.
    newest: Image,
    pending: VecDeque<Pending>,
    /// Data blocks that fit in.
    capacity: usize,
    /// Blocks whose bytes do not fit their checksum.
    bad: BTreeSet<Key>,
    armed: Vec<DiskFault>,
    fenced: bool,
}

impl ModelStore {
    pub fn new(disk: DiskId, capacity: usize) -> Self {
        let (durable, newest) = (Image::default(), Image::default());
        let (pending, bad, armed) = (VecDeque::new(), BTreeSet::new(), Vec::new());
        Self { disk: Some(disk), durable, newest, pending, capacity, bad, armed, fenced: false }
    }

    pub fn open(&mut self, id: DiskId) -> Result<Recovered, OpenError> {
        let found = self.disk.ok_or(OpenError::Damaged("no store".to_owned()))?;
        if found != id {
            return Err(OpenError::OtherDisk { found });
        }
        self.fenced = false;
        self.durable.position += 1;
        self.newest = self.durable.clone();
        Ok(self.recovered())
    }

    pub fn position(&self) -> u64 {
        self.durable.position
    }

    pub fn submit(&mut self, token: u64, op: StoreOp) {
        if self.fenced {
            let reply = Err(StoreError::Fenced);
            return self.pending.push_back(Pending { token, op, reply, changes: false });
        }
        let reply = match self.bad_block_of(&op) {
            Some(error) => Err(error),
            None => self.newest.apply(&op, self.capacity),
        };
        let reply = if self.bad.is_empty() { reply } else { self.as_read(&op, reply) };
        let done = reply.as_ref().is_ok_and(|r| *r == StoreReply::Done);
        let changes = done && !matches!(op, StoreOp::Repair { .. });
        if done && !self.bad.is_empty() {
            let newest = &self.newest;
            self.bad.retain(|key| !is_replaced_by(key, &op) && newest.holds_data(key));
        }
        self.pending.push_back(Pending { token, op, reply, changes });
    }

    /// What the medium gives: wrong bytes where a block is bad, if nobody looks.
    fn as_read(
        &self,
        op: &StoreOp,
        reply: Result<StoreReply, StoreError>,
    ) -> Result<StoreReply, StoreError> {
        let (StoreOp::Read { pg, layer, block, .. }, Ok(StoreReply::Blocks(mut blocks))) =
            (op, reply.clone())
        else {
            return reply;
        };
        for (i, state) in blocks.iter_mut().enumerate() {
            let bad = self.bad.contains(&(*pg, *layer, block + i as u64));
            if let BlockState::Data { data, .. } = state
                && bad
            {
                let mut bytes = data.to_vec();
                bytes[77] ^= 0x20;
                *data = Bytes::from(bytes);
            }
        }
        Ok(StoreReply::Blocks(blocks))
    }

    /// A read that meets a bad block, or a repair of one with bytes that do not fit.
    fn bad_block_of(&mut self, op: &StoreOp) -> Option<StoreError> {
        match op {
            StoreOp::Read { pg, layer, block, blocks }
            | StoreOp::ReadVersioned { pg, layer, block, blocks } => {
                let keys = || (*block..block + u64::from(*blocks)).map(|b| (*pg, *layer, b));
                let bad = keys().find(|key| self.bad.contains(key));
                if is_planted(Bug::ChecksumIgnored) {
                    return None;
                }
                let failed = keys().find(|key| self.newest.holds_data(key)).filter(|_| {
                    let at = self.armed.iter().position(|f| *f == DiskFault::ReadError);
                    at.map(|at| self.armed.remove(at)).is_some()
                });
                let block = bad.or(failed)?.2;
                Some(StoreError::BadBlock { block })
            }
            StoreOp::Repair { pg, layer, block, crc, .. } => {
                let key = (*pg, *layer, *block);
                let recorded = self.newest.blocks.get(&key).map(|e| &e.state);
                let fits = match recorded {
                    Some(BlockState::Data { crc: recorded, .. }) => recorded == crc,
                    _ => true,
                };
                let refused = self.bad.contains(&key) && !fits;
                refused.then_some(StoreError::BadBlock { block: *block })
            }
            _ => None,
        }
    }

    pub fn leak(&self) -> Option<String> {
        let wrong = !self.durable.holds_what_it_counts() || !self.newest.holds_what_it_counts();
        wrong.then(|| "counts blocks that it does not hold".to_owned())
    }

    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// The oldest `count` ops are durable now.
    pub fn commit(
        &mut self,
        count: usize,
        rng: &mut Rng,
    ) -> Vec<(u64, Result<StoreReply, StoreError>)> {
        let failing = self.armed.iter().position(|f| *f == DiskFault::WriteError);
        if let Some(at) = failing.filter(|_| self.pending.iter().any(|p| p.changes)) {
            self.armed.remove(at);
            if !is_planted(Bug::WriteErrorIgnored) {
                return self.fence(rng);
            }
            let pending = std::mem::take(&mut self.pending);
            return pending.into_iter().map(|p| (p.token, p.reply)).collect();
        }
        let mut done = Vec::new();
        for _ in 0..count {
            let Some(pending) = self.pending.pop_front() else { break };
            self.persist(&pending);
            self.lie_about(&pending.op, rng);
            done.push((pending.token, pending.reply));
        }
        done
    }

    /// A write failed: some of what was under way is stable, and nobody is told what.
    fn fence(&mut self, rng: &mut Rng) -> Vec<(u64, Result<StoreReply, StoreError>)> {
        self.fenced = true;
        let stable = rng.below(self.pending.len() as u64 + 1) as usize;
        let pending = std::mem::take(&mut self.pending);
        pending.iter().take(stable).for_each(|p| self.persist(p));
        self.newest = self.durable.clone();
        pending.iter().map(|p| (p.token, Err(StoreError::Fenced))).collect()
    }

    /// An armed lie hits the first block of this write.
    fn lie_about(&mut self, op: &StoreOp, rng: &mut Rng) {
        let StoreOp::Write { pg, layer, block, body: Body::Data { .. }, .. } = op else { return };
        let lie = |f: &DiskFault| !matches!(f, DiskFault::WriteError | DiskFault::ReadError);
        let Some(at) = self.armed.iter().position(lie) else { return };
        if self.armed.remove(at) == DiskFault::MisdirectedWrite {
            self.rot(rng);
        }
        self.spoil((*pg, *layer, *block));
    }

    fn rot(&mut self, rng: &mut Rng) {
        let keys: Vec<Key> = self.durable.blocks.keys().copied().collect();
        if let Some(key) = rng.pick(&keys) {
            self.spoil(*key);
        }
    }

    fn spoil(&mut self, key: Key) {
        if self.durable.holds_data(&key) && self.newest.holds_data(&key) {
            self.bad.insert(key);
        }
    }

    pub fn arm(&mut self, fault: DiskFault, rng: &mut Rng) {
        match fault {
            DiskFault::Rot => self.rot(rng),
            other => self.armed.push(other),
        }
    }

    pub fn is_damaged(&self) -> bool {
        !self.bad.is_empty() || self.armed.iter().any(|f| *f != DiskFault::WriteError)
    }

    pub fn undo_damage(&mut self) {
        self.bad.clear();
        self.armed.retain(|f| *f == DiskFault::WriteError);
    }

    fn persist(&mut self, pending: &Pending) {
        if pending.changes {
            let again = self.durable.apply(&pending.op, self.capacity);
            assert_eq!(again, pending.reply, "the same ops in the same order");
            self.durable.position += 1;
        }
    }

    pub fn crash(&mut self, rng: &mut Rng) {
        let kept = rng.below(self.pending.len() as u64 + 1) as usize;
        self.crash_after(kept);
    }

    /// The oldest `kept` ops of those under way are stable, and nothing else.
    pub fn crash_after(&mut self, kept: usize) {
        let pending = std::mem::take(&mut self.pending);
        pending.iter().take(kept).for_each(|p| self.persist(p));
        self.newest = self.durable.clone();
        self.armed.clear();
        let durable = &self.durable;
        self.bad.retain(|key| durable.holds_data(key));
    }

    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    pub fn wipe(&mut self) {
        *self = Self { disk: None, ..Self::new(DiskId(0), self.capacity) };
    }

    pub fn format(&mut self, id: DiskId, beyond: u64) {
        *self = Self::new(id, self.capacity);
        self.durable.position = beyond + 1;
    }

    pub fn read_now(&self, pg: PgId, layer: LayerId, block: u64) -> Result<BlockState, StoreError> {
        let key = (pg, layer, block);
        if self.bad.contains(&key) {
            return Err(StoreError::BadBlock { block });
        }
        let entry = self.durable.blocks.get(&key);
        Ok(entry.map_or(BlockState::Absent, |e| e.state.clone()))
    }

    pub fn durable(&self) -> &Image {
        &self.durable
    }

    pub fn free_blocks(&self) -> u32 {
        // The soft limit leaves room for what races past admission.
        self.capacity.saturating_sub(self.newest.data_blocks + self.capacity / 16) as u32
    }

    pub fn recovered(&self) -> Recovered {
        let image = &self.durable;
        let mark = |((pg, volume), (wm, newest)): (&(PgId, VolumeId), &(Version, Version))| {
            (*volume, *pg, *wm, *newest)
        };
        Recovered {
            heads: image.heads.iter().map(|(v, h)| (*v, *h)).collect(),
            pgs: image.pgs.iter().map(|(p, e)| (*p, *e)).collect(),
            watermarks: image.marks.iter().map(mark).collect(),
            layers: image.layers.iter().map(|(l, v)| (*v, *l)).collect(),
            deleted_layers: image.deleted.iter().map(|(l, v)| (*v, *l)).collect(),
        }
    }
}

/// The op puts other bytes, or the right ones, in the place of a bad block.
fn is_replaced_by(key: &Key, op: &StoreOp) -> bool {
    let (pg, layer, block) = *key;
    match op {
        StoreOp::Write { pg: p, layer: l, block: first, body, .. } => {
            let blocks = *first..first + u64::from(body.blocks());
            (pg, layer) == (*p, *l) && blocks.contains(&block)
        }
        StoreOp::Copy { pg: p, layer: l, items, .. } => {
            (pg, layer) == (*p, *l) && items.iter().any(|i| i.block == block)
        }
        StoreOp::Repair { pg: p, layer: l, block: b, .. } => *key == (*p, *l, *b),
        StoreOp::DropPg { pg: p } => pg == *p,
        _ => false,
    }
}
