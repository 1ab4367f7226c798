//! Repair of single blocks that this store cannot read any more.
//!
//! The bytes come from any in-sync member, and the store takes them only if they fit the checksum
//! that it recorded for the block when it was written: so neither the asked member's epochs nor the
//! order of anything else matters, and versions and stamps stay what they are. A block that is
//! written meanwhile keeps the newer content (docs/protocol.md, "Bad blocks").

use shoal_types::{
    BlockState, DiskId, LayerId, PgId, Refusal, Reply, Request, StoreError, StoreOp, checksum,
};

use super::job::Job;
use super::session::{Asked, AskedWhat};
use super::{Member, MemberOutput, RepairOutcome};
use crate::common::Key;
use crate::cover::cover;

/// Blocks under repair at once; more are postponed.
pub(super) const REPAIRS_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BlockAt {
    pub(super) pg: PgId,
    pub(super) layer: LayerId,
    pub(super) block: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Repair {
    /// The question that is out.
    asked: Option<Key>,
    tried: Vec<DiskId>,
    /// So many of those said that their copy is bad, too.
    bad: usize,
}

impl Member {
    /// Room for more repairs.
    pub fn can_repair(&self) -> bool {
        self.repairs.len() < REPAIRS_MAX
    }

    /// Some are under way.
    pub fn is_repairing(&self) -> bool {
        !self.repairs.is_empty()
    }

    /// A read failed: its block is repaired, whoever asked.
    pub(super) fn repair_of(&mut self, job: &Job, block: u64) {
        match job {
            // WHAT A REPAIR ASKS FOR STARTS NONE: where all copies are bad the members would ask each
            // other for ever.
            Job::CopyRead { for_repair: true, .. } => {}
            Job::Read { pg, layer, .. } | Job::CopyRead { pg, layer, .. } => {
                self.repair(BlockAt { pg: *pg, layer: *layer, block });
            }
            Job::Entry { pg, entry, .. } => {
                self.repair(BlockAt { pg: *pg, layer: entry.layer, block });
            }
            _ => {}
        }
    }

    pub(super) fn repair(&mut self, at: BlockAt) {
        if self.repairs.contains_key(&at) {
            return;
        }
        if self.fenced || !self.can_repair() {
            return self.tell_repair(at, RepairOutcome::Postponed);
        }
        self.repairs.insert(at, Repair::default());
        self.ask_for_repair(at);
    }

    /// The next in-sync member that was not asked yet. A member that is not in sync itself waits:
    /// its resync brings what it needs, and only then are its bytes of use to anyone.
    fn ask_for_repair(&mut self, at: BlockAt) {
        let view = self.pgs.get(&at.pg).and_then(|p| p.view.as_ref());
        let Some(view) = view.filter(|view| view.is_in_sync(self.config.disk)) else {
            return self.repair_ended(at, RepairOutcome::Postponed);
        };
        let repair = &self.repairs[&at];
        let others = view.in_sync.iter().copied().filter(|d| *d != self.config.disk);
        let left: Vec<DiskId> = others.clone().filter(|d| !repair.tried.contains(d)).collect();
        let next = left.iter().copied().find(|d| !self.disconnected.contains(d));
        let Some(disk) = next else {
            let all_bad = left.is_empty() && repair.bad == others.count();
            let outcome = if all_bad { RepairOutcome::Lost } else { RepairOutcome::Postponed };
            return self.repair_ended(at, outcome);
        };
        // Of no epoch: whoever has bytes that fit will do.
        let (pg, join_at) = (at.pg, shoal_types::PgEpoch::ZERO);
        let (layer, block, blocks) = (at.layer, at.block, 1);
        let request = Request::CopyRead { pg, join_at, layer, block, blocks };
        let what = AskedWhat::Repair(at);
        let key = self.asks.insert(Asked { pg, join_at, disk, request: request.clone(), what });
        let repair = self.repairs.get_mut(&at).expect("just seen");
        repair.tried.push(disk);
        repair.asked = Some(key);
        self.out.push(MemberOutput::Ask { disk, request_id: key.0, request });
    }

    pub(super) fn take_repair(&mut self, at: BlockAt, reply: Reply) {
        let Some(repair) = self.repairs.get_mut(&at) else { return };
        repair.asked = None;
        match reply {
            Reply::CopyBlocks { mut blocks } if blocks.len() == 1 => {
                let BlockState::Data { data, crc } = blocks.remove(0).state else {
                    return self.ask_for_repair(at);
                };
                if checksum::block_crc(at.layer, at.block, &data) != crc {
                    return self.ask_for_repair(at);
                }
                let BlockAt { pg, layer, block } = at;
                cover!("repair from another copy");
                self.submit(Job::Repair(at), StoreOp::Repair { pg, layer, block, data, crc });
            }
            Reply::Refused(Refusal::BadBlock) => {
                repair.bad += 1;
                self.ask_for_repair(at);
            }
            _ => self.ask_for_repair(at),
        }
    }

    /// The store would not have the bytes.
    pub(super) fn repair_refused(&mut self, at: BlockAt, error: StoreError) {
        match error {
            // Not what was recorded here: another copy may be.
            StoreError::BadBlock { .. } => self.ask_for_repair(at),
            StoreError::NoLayer => self.repair_ended(at, RepairOutcome::Repaired),
            _ => self.repair_ended(at, RepairOutcome::Postponed),
        }
    }

    pub(super) fn repair_ended(&mut self, at: BlockAt, outcome: RepairOutcome) {
        self.repairs.remove(&at);
        self.tell_repair(at, outcome);
    }

    fn tell_repair(&mut self, at: BlockAt, outcome: RepairOutcome) {
        let BlockAt { pg, layer, block } = at;
        self.out.push(MemberOutput::RepairEnded { pg, layer, block, outcome });
    }

    /// What was asked of it is asked of another.
    pub(super) fn repairs_lost_with(&mut self, disk: DiskId) {
        let asked = self.repairs.iter().filter_map(|(at, repair)| Some((*at, repair.asked?)));
        let mut lost: Vec<(BlockAt, Key)> =
            asked.filter(|(_, key)| self.asks.get(*key).is_some_and(|a| a.disk == disk)).collect();
        lost.sort_unstable();
        for (at, key) in lost {
            self.asks.remove(key);
            self.repairs.get_mut(&at).expect("just listed").asked = None;
            self.ask_for_repair(at);
        }
    }
}
