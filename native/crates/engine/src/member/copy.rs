//! The copying itself (rules 23, 24): first what was left over here, then what the source changed.

use shoal_types::message::{CopyBlock, CopyEntry};
use shoal_types::{
    BLOCK_BYTES, BlockState, CopyItem, LayerId, PgEpoch, PgId, Refusal, Request, StoreOp, Version,
    checksum,
};

use super::api::{JoinFailure, JoinPhase};
use super::session::{AskedWhat, CopyRun, GROUP_BLOCKS, JoinStep};
use super::{Member, MemberOutput};
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

/// Chunks of this store listed at once.
const PAGE_CHUNKS: u32 = 1024;
/// The source's next page is asked for when so few groups are queued.
const QUEUE_LOW: usize = 512;

impl Member {
    /// Keeps the window full; goes to the next phase when there is nothing left in this one.
    pub(super) fn copy_on(&mut self, pg: PgId) {
        let window = u64::from(self.config.copy_window_bytes);
        loop {
            let session = self.sessions.get_mut(&pg).expect("current");
            let full = session.in_flight_bytes > 0 && session.in_flight_bytes >= window;
            if full {
                break;
            }
            let Some(run) = session.queue.pop_front() else { break };
            session.in_flight_bytes += run.bytes();
            let join_at = session.join_at;
            let (block, blocks) = run.span();
            let request = Request::CopyRead { pg, join_at, layer: run.layer, block, blocks };
            self.ask_source(pg, request, AskedWhat::Read(run));
        }
        let session = &self.sessions[&pg];
        let idle = session.is_idle();
        match session.phase {
            JoinPhase::Cleaning if idle => self.become_clean(pg),
            JoinPhase::Copying if idle && session.is_whole() => self.done(pg),
            JoinPhase::Copying if session.queue.len() <= QUEUE_LOW => self.ask_list(pg),
            _ => {}
        }
    }

    fn done(&mut self, pg: PgId) {
        self.set_phase(pg, JoinPhase::Done);
        let session = &self.sessions[&pg];
        let (join_at, source) = (session.join_at, session.source);
        self.out.push(MemberOutput::JoinDone { pg, join_at, source });
    }

    /// The source's list from its cursor on, one page at a time.
    pub(super) fn ask_list(&mut self, pg: PgId) {
        let session = self.sessions.get_mut(&pg).expect("current");
        if session.list_done || std::mem::replace(&mut session.list_asked, true) {
            return;
        }
        // A `full` join has nothing of its own: everything is asked for.
        let since = if session.full { PgEpoch::ZERO } else { session.changed_since() };
        let (join_at, after) = (session.join_at, session.list_after);
        self.ask_source(pg, Request::CopyList { pg, join_at, since, after }, AskedWhat::List);
    }

    pub(super) fn take_list(&mut self, pg: PgId, entries: Vec<CopyEntry>, more: bool) {
        let session = self.sessions.get_mut(&pg).expect("current");
        session.list_asked = false;
        let last = entries.last().map(|e| (e.layer, e.block));
        // A page that promises more must get further, or the copy would never end.
        session.list_done = !(more && last.is_some() && last > session.list_after);
        session.list_after = last;
        for entry in &entries {
            runs_of(entry).into_iter().flatten().for_each(|run| session.list(run));
        }
        self.copy_on(pg);
    }

    /// Margin: what this store itself holds with a stamp that the others may not have.
    pub(super) fn list_own(&mut self, pg: PgId, after: Option<(LayerId, u64)>) {
        let since = self.sessions[&pg].changed_since();
        let op = StoreOp::Changed { pg, since, after, limit: PAGE_CHUNKS };
        self.submit_step(pg, JoinStep::OwnChanged, op);
    }

    pub(super) fn take_own_list(&mut self, pg: PgId, entries: Vec<CopyEntry>, more: bool) {
        let session = self.sessions.get_mut(&pg).expect("current");
        for entry in &entries {
            runs_of(entry).into_iter().flatten().for_each(|run| session.flag(run));
        }
        match entries.last() {
            Some(last) if more => self.list_own(pg, Some((last.layer, last.block))),
            _ => session.own_done = true,
        }
        self.copy_on(pg);
    }

    pub(super) fn take_copy(&mut self, pg: PgId, run: CopyRun, blocks: Vec<CopyBlock>) {
        let (first, count) = run.span();
        let sound = |(i, b): (usize, &CopyBlock)| is_sound(run.layer, first + i as u64, &b.state);
        if blocks.len() != count as usize || !blocks.iter().enumerate().all(sound) {
            let source = self.sessions[&pg].source;
            let refusal = Refusal::BadBlock;
            return self.fail_join(pg, JoinFailure::SourceRefused { source, refusal });
        }
        let session = self.sessions.get_mut(&pg).expect("current");
        let mut items = Vec::with_capacity(blocks.len());
        for (i, copied) in blocks.into_iter().enumerate() {
            let block = first + i as u64;
            let wanted = run.mask & (1 << (block % GROUP_BLOCKS)) != 0;
            // WRITTEN LIVE UNDER THIS SESSION WINS: a later write of the block is on its way here
            // too, for every head's view names this joiner, so no copy can be the newer one.
            let live = session.is_live(run.layer, block) && !is_planted(Bug::H12CopyAlways);
            if wanted && live {
                cover!("copy passed over a live write");
                session.await_live();
            }
            if wanted && !live {
                let CopyBlock { version, stamp, state } = copied;
                let data = matches!(state, BlockState::Data { .. });
                if !data && is_planted(Bug::DiscardsMissed) {
                    continue;
                }
                items.push(CopyItem { block, version, stamp, state });
            }
        }
        if items.is_empty() {
            return self.copy_ended(pg, run, 0);
        }
        let newest = items.iter().map(|i| i.version).max().unwrap_or(Version::ZERO);
        let marks = self.marks.entry((pg, run.volume)).or_default();
        marks.newest = marks.newest.max(newest);
        let step = JoinStep::Copy { run, blocks: items.len() as u32 };
        let op = StoreOp::Copy { volume: run.volume, pg, layer: run.layer, items };
        self.submit_step(pg, step, op);
    }

    /// A source without room for the layer has zeros in it, and so must this store: what was left over here
    /// may be of a write that was refused.
    pub(super) fn no_layer_at_source(&mut self, pg: PgId, run: CopyRun) {
        if self.gone.has(run.layer) {
            return self.copy_ended(pg, run, 0);
        }
        let (version, stamp, state) = (Version::ZERO, PgEpoch::ZERO, BlockState::Absent);
        let nothing = CopyBlock { version, stamp, state };
        self.take_copy(pg, run, vec![nothing; run.span().1 as usize]);
    }

    /// One bad block at the source, wanted or only in between, does not keep the others from coming.
    pub(super) fn copy_block_by_block(&mut self, pg: PgId, run: CopyRun) {
        cover!("copied block by block");
        let session = self.sessions.get_mut(&pg).expect("current");
        session.in_flight_bytes -= run.bytes();
        session.queue.extend(run.each_block());
        self.copy_on(pg);
    }

    /// A run is durable here (or needs nothing).
    pub(super) fn copy_ended(&mut self, pg: PgId, run: CopyRun, blocks: u32) {
        let session = self.sessions.get_mut(&pg).expect("current");
        session.in_flight_bytes -= run.bytes();
        session.blocks_copied += u64::from(blocks);
        session.bytes_copied += u64::from(blocks) * BLOCK_BYTES as u64;
        self.copy_on(pg);
    }
}

impl CopyRun {
    /// From the first wanted block to the last.
    fn span(&self) -> (u64, u32) {
        let from = self.mask.trailing_zeros();
        let to = 32 - self.mask.leading_zeros();
        (self.group * GROUP_BLOCKS + u64::from(from), to - from)
    }

    /// More than one block is read for it.
    pub(super) fn is_wide(&self) -> bool {
        self.span().1 > 1
    }

    fn each_block(self) -> impl Iterator<Item = Self> {
        let bits = (0..GROUP_BLOCKS).map(move |i| self.mask & (1 << i)).filter(|mask| *mask != 0);
        bits.map(move |mask| Self { mask, ..self })
    }

    fn bytes(&self) -> u64 {
        u64::from(self.span().1) * BLOCK_BYTES as u64
    }
}

/// An entry's blocks by group: one group, or two where its first block is not a group's first.
fn runs_of(entry: &CopyEntry) -> [Option<CopyRun>; 2] {
    let shift = (entry.block % GROUP_BLOCKS) as u32;
    let group = entry.block / GROUP_BLOCKS;
    let wide = u64::from(entry.mask) << shift;
    let run = |group: u64, mask: u32| {
        let (volume, layer) = (entry.volume, entry.layer);
        (mask != 0).then_some(CopyRun { volume, layer, group, mask })
    };
    [run(group, wide as u32), run(group.wrapping_add(1), (wide >> 32) as u32)]
}

fn is_sound(layer: LayerId, block: u64, state: &BlockState) -> bool {
    match state {
        BlockState::Data { data, crc } => {
            data.len() == BLOCK_BYTES && checksum::block_crc(layer, block, data) == *crc
        }
        BlockState::Absent | BlockState::Zero => true,
    }
}
