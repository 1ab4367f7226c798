//! One PG of the volume, as its head sees it.

use std::collections::VecDeque;

use shoal_types::{DiskId, PgEpoch, PgId, PgView, Role, Seq, Version};

use super::collect::Collect;
use super::roll::Roll;
use crate::common::{FastMap, Key};

/// Index into `PgTable`.
pub(super) type Slot = u32;

#[derive(Clone, Debug)]
pub(super) struct Pg {
    pub(super) id: PgId,
    pub(super) view: Option<PgView>,
    /// In-sync members, then the joiner: a write's acknowledgement bits follow this order.
    pub(super) targets: Vec<DiskId>,
    pub(super) phase: PgPhase,
    /// Newest epoch that a refusal named; newer than the view's: the view is waited for.
    pub(super) wanted: PgEpoch,
    pub(super) refresh_at_us: u64,
    /// Questions for the newest view so far; their numbers begin with 1.
    pub(super) asked: u64,
    /// The newest question that the view answers: nothing newer had been committed then.
    pub(super) answered: u64,
    /// Pieces that hold their blocks and wait for the PG to serve them.
    pub(super) parked: Vec<Key>,
    /// Pieces at work: fetching, confirming or writing.
    pub(super) active: Vec<Key>,
    pub(super) seqs: SeqWindow,
    /// Watermark as last sent by `Settle`.
    pub(super) settle_sent: Version,
    pub(super) settle_listed: bool,
    pub(super) written_at_us: u64,
}

#[derive(Clone, Debug)]
pub(super) enum PgPhase {
    Waiting,
    Collecting(Box<Collect>),
    Rolling(Box<Roll>),
    Active,
}

impl Pg {
    fn new(id: PgId) -> Self {
        Self {
            id,
            view: None,
            targets: Vec::new(),
            phase: PgPhase::Waiting,
            wanted: PgEpoch::ZERO,
            refresh_at_us: 0,
            asked: 0,
            answered: 0,
            parked: Vec::new(),
            active: Vec::new(),
            seqs: SeqWindow::default(),
            settle_sent: Version::ZERO,
            settle_listed: false,
            written_at_us: 0,
        }
    }

    /// Every member is in sync, and nobody joins.
    pub(super) fn is_whole(&self) -> bool {
        let whole = |v: &PgView| v.joining.is_none() && v.in_sync.len() == v.members.len();
        self.view.as_ref().is_some_and(whole)
    }

    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, PgPhase::Active)
    }

    /// Epoch of the view; `ZERO` without one.
    pub(super) fn epoch(&self) -> PgEpoch {
        self.view.as_ref().map_or(PgEpoch::ZERO, |v| v.epoch)
    }

    pub(super) fn in_sync(&self) -> &[DiskId] {
        self.view.as_ref().map_or(&[], |v| &v.in_sync)
    }

    /// In which role the view has this target (rules 4, 12).
    pub(super) fn role(&self, disk: DiskId) -> Role {
        let joining = self.view.as_ref().and_then(|v| v.joining);
        match joining.filter(|j| j.disk == disk) {
            Some(j) => Role::Joining { join_at: j.join_at },
            None => Role::InSync,
        }
    }

    pub(super) fn set_view(&mut self, view: PgView) {
        self.targets = view.targets().collect();
        self.view = Some(view);
    }
}

/// The PGs that the volume's extents fall into.
#[derive(Clone, Debug, Default)]
pub(super) struct PgTable {
    pgs: Vec<Pg>,
    slot_of: FastMap<u32, Slot>,
}

impl PgTable {
    /// Makes sure that the PG is there; says whether it is new.
    pub(super) fn add(&mut self, id: PgId) -> bool {
        if self.slot_of.contains_key(&id.index) {
            return false;
        }
        self.slot_of.insert(id.index, self.pgs.len() as Slot);
        self.pgs.push(Pg::new(id));
        true
    }

    pub(super) fn slot(&self, pg_index: u32) -> Option<Slot> {
        self.slot_of.get(&pg_index).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.pgs.len()
    }

    pub(super) fn slots(&self) -> std::ops::Range<Slot> {
        0..self.pgs.len() as Slot
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pg> {
        self.pgs.iter()
    }
}

impl std::ops::Index<Slot> for PgTable {
    type Output = Pg;

    fn index(&self, slot: Slot) -> &Pg {
        &self.pgs[slot as usize]
    }
}

impl std::ops::IndexMut<Slot> for PgTable {
    fn index_mut(&mut self, slot: Slot) -> &mut Pg {
        &mut self.pgs[slot as usize]
    }
}

/// Sequence numbers given out in one PG and not yet below its watermark (rule 10).
#[derive(Clone, Debug, Default)]
pub(super) struct SeqWindow {
    open: VecDeque<(Seq, bool)>,
    complete: Seq,
}

impl SeqWindow {
    /// Every write of this PG up to here is complete.
    pub(super) fn watermark(&self) -> Seq {
        self.complete
    }

    pub(super) fn assign(&mut self, seq: Seq) {
        debug_assert!(self.open.back().is_none_or(|(last, _)| *last < seq));
        self.open.push_back((seq, false));
    }

    pub(super) fn finish(&mut self, seq: Seq) {
        let at = self.open.binary_search_by_key(&seq, |(s, _)| *s);
        self.open[at.expect("a write in flight has an open number")].1 = true;
        self.move_on();
    }

    /// Not every member holds this number: THE WATERMARK NEVER STANDS ON IT, or a member that never
    /// had it would look as if it had lost it.
    pub(super) fn withdraw(&mut self, seq: Seq) {
        let at = self.open.binary_search_by_key(&seq, |(s, _)| *s);
        self.open.remove(at.expect("a write in flight has an open number"));
        self.move_on();
    }

    fn move_on(&mut self) {
        while let Some((seq, true)) = self.open.front() {
            self.complete = *seq;
            self.open.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.complete = Seq::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermark_stops_at_the_first_open_write() {
        let mut seqs = SeqWindow::default();
        for seq in [3, 5, 9] {
            seqs.assign(Seq(seq));
        }
        seqs.finish(Seq(5));
        assert_eq!(seqs.watermark(), Seq::ZERO);
        seqs.finish(Seq(3));
        assert_eq!(seqs.watermark(), Seq(5));
        seqs.finish(Seq(9));
        assert_eq!(seqs.watermark(), Seq(9));
    }

    #[test]
    fn watermark_steps_over_what_was_withdrawn() {
        let mut seqs = SeqWindow::default();
        for seq in [3, 5, 9] {
            seqs.assign(Seq(seq));
        }
        seqs.finish(Seq(5));
        seqs.withdraw(Seq(3));
        assert_eq!(seqs.watermark(), Seq(5));
        seqs.withdraw(Seq(9));
        assert_eq!(seqs.watermark(), Seq(5));
        seqs.assign(Seq(11));
        seqs.finish(Seq(11));
        assert_eq!(seqs.watermark(), Seq(11));
    }
}
