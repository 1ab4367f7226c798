//! A write that an in-sync member refused for space, while others may have taken it, is undone:
//! the old content, which the refusing member still has, is written everywhere under a newer
//! version, and only then does the client get `NoSpace`. So replicas never disagree about an
//! answered write, and no block waits for space. Zeros and blocks that exist need none.

use shoal_types::{BLOCK_BYTES, BlockState, Body, DiskId};

use super::Head;
use super::api::{ClientError, ReportReason};
use super::piece::{Stage, Undo, Work};
use super::roll::body_of;
use crate::common::Key;
use crate::cover::cover;

impl Head {
    pub(super) fn start_undo(&mut self, key: Key, holder: DiskId) {
        self.begin_undo(key, holder);
        self.try_fetch(key);
    }

    /// The member does not even know the layer: what it holds are zeros.
    pub(super) fn undo_to_zeros(&mut self, key: Key, holder: DiskId) {
        self.begin_undo(key, holder);
        let blocks = self.pieces.get(key).expect("a piece at work lives").blocks;
        self.undo_value(key, vec![BlockState::Absent; blocks as usize]);
    }

    fn begin_undo(&mut self, key: Key, holder: DiskId) {
        cover!("no space: undone");
        self.forget_requests(key);
        let piece = self.pieces.get_mut(key).expect("its answer just came");
        let undo = Undo { holder, wanted: Body::Zero { blocks: 0 }, runs: Default::default() };
        let work = std::mem::replace(&mut piece.work, Work::Undo(undo));
        let (Work::Write(body), Work::Undo(undo)) = (work, &mut piece.work) else {
            unreachable!("only a client's write is undone")
        };
        undo.wanted = body;
        piece.stage = Stage::Fetching;
        piece.fetch = Default::default();
    }

    /// The holder left the in-sync set before its content was read, or took the write after all: the
    /// others may all have taken it, so forward is the way that is left.
    pub(super) fn resume_write(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece at work lives");
        let Work::Undo(undo) = &mut piece.work else { unreachable!("resumes an undo") };
        cover!("no space: undo resumed");
        let wanted = std::mem::replace(&mut undo.wanted, Body::Zero { blocks: 0 });
        piece.work = Work::Write(wanted);
        // Its number is still open; the next one shadows it.
        piece.stage = Stage::Writing;
        self.send_new_version(key);
    }

    /// Nobody can read what the holder had, and the others may all have taken the write. It has to go, and
    /// the write is resumed without it.
    pub(super) fn give_up_old_content(&mut self, key: Key) {
        let piece = self.pieces.get(key).expect("a piece that fetches lives");
        let Work::Undo(Undo { holder, .. }) = piece.work else { return };
        cover!("no space: the old content is bad");
        self.report(holder, ReportReason::Unreadable);
    }

    /// The old content is there: write it back, run by run.
    pub(super) fn undo_value(&mut self, key: Key, states: Vec<BlockState>) {
        let piece = self.pieces.get_mut(key).expect("it was just fetched");
        let first = piece.block;
        let Work::Undo(undo) = &mut piece.work else { unreachable!("fetched for an undo") };
        if is_wanted(&undo.wanted, &states) {
            return self.resume_write(key);
        }
        for (i, state) in states.into_iter().enumerate() {
            let block = first + i as u64;
            match (undo.runs.back_mut(), body_of(state)) {
                (Some((_, Body::Zero { blocks })), Body::Zero { .. }) => *blocks += 1,
                (_, body) => undo.runs.push_back((block, body)),
            }
        }
        self.send_new_version(key);
    }

    pub(super) fn undo_run_done(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece at work lives");
        let Work::Undo(undo) = &mut piece.work else { unreachable!("an undo's run") };
        undo.runs.pop_front();
        if !undo.runs.is_empty() {
            return self.send_new_version(key);
        }
        self.finish_seqs(key);
        self.finish_piece(key, Err(ClientError::NoSpace));
    }
}

/// The holder has what it refused: a second copy of the request (sent again, or doubled on its way)
/// found room. Then nothing old is left to go back to, and going on needs no room any more.
fn is_wanted(wanted: &Body, states: &[BlockState]) -> bool {
    let bytes = |i: usize| match wanted {
        Body::Data { data, .. } => data.get(i * BLOCK_BYTES..(i + 1) * BLOCK_BYTES),
        Body::Zero { .. } | Body::Clear { .. } => None,
    };
    let same = |(i, state): (usize, &BlockState)| match state {
        BlockState::Data { data, .. } => bytes(i) == Some(&data[..]),
        BlockState::Zero | BlockState::Absent => matches!(wanted, Body::Zero { .. }),
    };
    states.iter().enumerate().all(same)
}
