//! Repair: a block that cannot be read any more gets its bytes back from another copy.
//!
//! The recorded checksum decides. It lies apart from the data, so bytes that fit it are exactly what
//! the store should hold, whoever they come from. Version and stamp stay as they are, and a newer
//! write always wins: the record is made only while the block still lies in the bad cell.

use bytes::Bytes;
use shoal_types::checksum::block_crc;
use shoal_types::{BLOCK_BYTES, LayerId, PgId, StoreError, StoreReply};

use crate::crc_table::UNKNOWN;
use crate::dirty::Content;
use crate::index::{Place, Stamp};
use crate::op::{Assign, Change, PendingBody, PendingRun};
use crate::state::{BlockAt, Newest};
use crate::store::Store;

/// A block that failed while a repair looked at it.
pub(crate) struct FoundBad {
    pub pg: PgId,
    pub layer: LayerId,
    pub block: u64,
    pub stamp: Stamp,
    pub cell: u64,
    /// As recorded; `None`: its page is damaged.
    pub crc: Option<u32>,
    /// What the cell holds; `None`: the disk does not say.
    pub stored: Option<Bytes>,
}

impl Store {
    /// Reads that the disk failed, and blocks that failed their checksum.
    pub fn read_failures(&self) -> (u64, u64) {
        (self.figures.read_errors, self.figures.bad_blocks)
    }

    pub(crate) fn submit_repair(
        &mut self,
        token: u64,
        (pg, layer, block): (PgId, LayerId, u64),
        data: Bytes,
        crc: u32,
    ) {
        if data.len() != BLOCK_BYTES {
            return self.done(token, Err(StoreError::Unsupported));
        }
        if block_crc(layer, block, &data) != crc {
            return self.done(token, Err(StoreError::BadBlock { block }));
        }
        self.reads.repairs.insert(token, (data, crc));
        self.submit_read(token, pg, layer, block, 1, true);
    }

    /// It was read: someone wrote or repaired it meanwhile.
    pub(crate) fn repair_is_needless(&mut self, token: u64) {
        self.reads.repairs.remove(&token);
        self.done(token, Ok(StoreReply::Done));
    }

    pub(crate) fn repair_found(&mut self, token: u64, bad: FoundBad) {
        let (data, crc) = self.reads.repairs.remove(&token).expect("kept until its read ends");
        let block = bad.block;
        match bad.crc.filter(|known| *known != UNKNOWN) {
            Some(known) if known == crc => self.rewrite(token, bad, data, crc),
            Some(_) => self.done(token, Err(StoreError::BadBlock { block })),
            // Only the checksum was lost: two equal copies vouch for each other.
            None if bad.stored.as_ref() == Some(&data) => {
                self.state.crcs.set(bad.cell, crc);
                self.figures.repaired_blocks += 1;
                self.done(token, Ok(StoreReply::Done));
            }
            None => self.done(token, Err(StoreError::BadBlock { block })),
        }
    }

    /// Through the log, as any write: the fold puts it over the bad cell.
    fn rewrite(&mut self, token: u64, bad: FoundBad, data: Bytes, crc: u32) {
        let number = self.state.tables.live_layer(bad.layer);
        let Some(row) = number.and_then(|n| self.state.tables.layer(n)) else {
            return self.done(token, Err(StoreError::NoLayer));
        };
        let body = PendingBody::Data { data, crcs: vec![crc] };
        let run = PendingRun { block: bad.block, stamp: bad.stamp, body };
        let assign = Assign {
            volume: row.volume,
            pg: bad.pg,
            layer: bad.layer,
            raise: None,
            forced: true,
            still_at: Some(bad.cell),
            runs: vec![run],
        };
        self.figures.repaired_blocks += 1;
        self.enqueue(token, Change::Assign(assign));
    }

    /// The block's newest state is this cell.
    pub(crate) fn lies_in(&self, at: BlockAt, cell: u64) -> bool {
        match self.state.newest(at) {
            Newest::Dirty(block) => {
                matches!(block.content, Content::Direct { cell: now, .. } if now == cell)
            }
            Newest::Indexed(found) => found.place == Place::Cell(cell),
            Newest::Nothing => false,
        }
    }
}
