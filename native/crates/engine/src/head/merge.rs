//! Sub-block writes: the block is read, patched and written while it is held alone.

use bytes::Bytes;
use shoal_types::buffer::AlignedBuf;
use shoal_types::{BLOCK_BYTES, BlockState};

use super::Head;
use super::piece::{Patch, Work};
use crate::common::Key;

impl Head {
    pub(super) fn merge(&mut self, key: Key) {
        let piece = self.pieces.get_mut(key).expect("a piece that fetched lives");
        let old = std::mem::take(&mut piece.fetch.found).remove(0);
        let Work::Merge(patch) = &piece.work else { unreachable!("fetched for a merge") };
        let (block, data) = (piece.block, patched(&old, patch));
        let body = self.data_body(block, data);
        self.pieces.get_mut(key).expect("just seen").work = Work::Write(body);
        self.send_first_version(key);
    }
}

fn patched(old: &BlockState, patch: &Patch) -> Bytes {
    let mut block = match old {
        BlockState::Data { data, .. } => AlignedBuf::from_slice(data),
        BlockState::Absent | BlockState::Zero => AlignedBuf::zeroed(BLOCK_BYTES),
    };
    match patch {
        Patch::Data { at, data } => block[*at..at + data.len()].copy_from_slice(data),
        Patch::Zeros { at, len } => block[*at..at + len].fill(0),
    }
    Bytes::from_owner(block)
}
