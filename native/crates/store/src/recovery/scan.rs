//! Walks a log by its chain, and looks past its end.

use bytes::{Bytes, BytesMut};
use shoal_types::BLOCK_BYTES;
use shoal_types::checksum::block_crc;

use crate::batch::{BatchHeader, FIXED_BYTES, LogKind, LogPoint, crc_ok, parse_fixed};
use crate::codec::{Reader, Seal};
use crate::data_record::{DataRecord, RunBody};
use crate::error::{Damage, RecoveryError};
use crate::layout::{CELL_BYTES, Region, batch_cells_max};
use crate::planted::planted;
use crate::ring::Ring;
use crate::superblock::Superblock;
use crate::task::Disk;

/// Cells read at once.
const WINDOW_CELLS: u64 = 256;
/// How far to look past the end, in longest batches: damage to one batch, and to its neighbours.
const LOOK_PAST_BATCHES: u64 = 4;

/// A valid batch.
pub(super) struct Batch {
    pub header: BatchHeader,
    pub header_bytes: Bytes,
    /// The cells behind the header.
    pub data: Bytes,
}

impl Batch {
    pub fn records(&self) -> &[u8] {
        let end = FIXED_BYTES + self.header.record_bytes as usize;
        &self.header_bytes[FIXED_BYTES..end]
    }
}

/// How a log ended.
pub(super) struct Ended {
    pub end: LogPoint,
    /// Farthest end of the other log that any batch here has seen.
    pub other_head: u64,
    pub batches: u64,
    pub ends_in_open: bool,
}

pub(super) struct Scan<'a> {
    disk: &'a Disk,
    kind: LogKind,
    region: Region,
    seal: Seal,
    uuid: [u8; 16],
    start: u64,
    at: LogPoint,
    window: Bytes,
    window_lsn: u64,
    other_head: u64,
    batches: u64,
    ends_in_open: bool,
}

impl<'a> Scan<'a> {
    pub fn new(
        disk: &'a Disk,
        kind: LogKind,
        region: Region,
        superblock: &Superblock,
        at: LogPoint,
    ) -> Self {
        let uuid = superblock.identity.store_uuid;
        Self {
            disk,
            kind,
            region,
            seal: Seal::new(&uuid),
            uuid,
            start: at.lsn,
            at,
            window: Bytes::new(),
            window_lsn: at.lsn,
            other_head: 0,
            batches: 0,
            ends_in_open: false,
        }
    }

    /// The next batch of the chain; `None` where it ends.
    pub async fn next(&mut self) -> Result<Option<Batch>, RecoveryError> {
        let limit = self.start + self.region.cells;
        if self.at.lsn >= limit {
            return Ok(None);
        }
        let first = self.cells(self.at.lsn, 1).await?;
        let Some(header) = parse_fixed(&first, &self.uuid) else { return Ok(None) };
        let chained = header.at.chain == self.at.chain || planted!(NoChain);
        let room = limit - self.at.lsn;
        let most = batch_cells_max(self.region.cells).min(room);
        let fits = header.kind == self.kind
            && header.at.lsn == self.at.lsn
            && chained
            && u64::from(header.cells) <= most;
        if !fits {
            return Ok(None);
        }
        let whole = self.cells(self.at.lsn, u64::from(header.cells)).await?;
        let split = header.header_cells as usize * CELL_BYTES as usize;
        let header_bytes = whole.slice(..split);
        let Some(crc) = crc_ok(&header_bytes, self.seal) else { return Ok(None) };
        let batch = Batch { header, header_bytes, data: whole.slice(split..) };
        if self.kind == LogKind::Data && !planted!(NoDataCrc) && !self.data_is_whole(&batch)? {
            return Ok(None);
        }
        self.other_head = self.other_head.max(batch.header.other_head);
        self.batches += 1;
        self.at = batch.header.next(crc);
        Ok(Some(batch))
    }

    /// LOOKS PAST THE END: one batch at most is in flight, so a valid one behind the end proves
    /// that what lies between was durable once.
    pub async fn finish(mut self) -> Result<Ended, RecoveryError> {
        let end = self.at.lsn;
        let look = LOOK_PAST_BATCHES * batch_cells_max(self.region.cells);
        let limit = (end + look).min(self.start + self.region.cells);
        for lsn in end + 1..limit {
            let cell = self.cells(lsn, 1).await?;
            let Some(header) = parse_fixed(&cell, &self.uuid) else { continue };
            let cells = u64::from(header.header_cells);
            if header.kind != self.kind || header.at.lsn != lsn || lsn + cells > limit {
                continue;
            }
            let header = self.cells(lsn, cells).await?;
            if crc_ok(&header, self.seal).is_some() {
                return Err(RecoveryError::Damaged { what: self.middle(end, lsn) });
            }
        }
        Ok(Ended {
            end: self.at,
            other_head: self.other_head,
            batches: self.batches,
            ends_in_open: self.ends_in_open,
        })
    }

    fn middle(&self, end: u64, found: u64) -> Damage {
        match self.kind {
            LogKind::Data => Damage::DataLogMiddle { end, found },
            LogKind::Meta => Damage::MetaLogMiddle { end, found },
        }
    }

    /// Every inline block's checksum fits. A header that is whole but says nonsense is an error.
    fn data_is_whole(&mut self, batch: &Batch) -> Result<bool, RecoveryError> {
        let nonsense =
            || RecoveryError::Damaged { what: Damage::Record { lsn: batch.header.at.lsn } };
        let mut r = Reader::new(batch.records());
        let mut blocks = batch.data.chunks_exact(BLOCK_BYTES);
        let mut whole = true;
        self.ends_in_open = batch.header.records == 1;
        for _ in 0..batch.header.records {
            let record = DataRecord::decode(&mut r).ok_or_else(nonsense)?;
            self.ends_in_open &= matches!(record, DataRecord::Open { .. });
            let DataRecord::Run(run) = record else { continue };
            let RunBody::Inline { crcs } = run.body else { continue };
            for (crc, block) in crcs.iter().zip(run.block..) {
                let bytes = blocks.next().ok_or_else(nonsense)?;
                whole &= block_crc(run.layer, block, bytes) == *crc;
            }
        }
        if !r.is_empty() || blocks.next().is_some() {
            return Err(nonsense());
        }
        Ok(whole)
    }

    /// Cells of the log, wherever the ring wraps.
    async fn cells(&mut self, lsn: u64, count: u64) -> Result<Bytes, RecoveryError> {
        let have = self.window.len() as u64 / CELL_BYTES;
        if lsn < self.window_lsn || lsn + count > self.window_lsn + have {
            let want = count.max(WINDOW_CELLS).min(self.region.cells);
            self.window = self.read(lsn, want).await?;
            self.window_lsn = lsn;
        }
        let from = ((lsn - self.window_lsn) * CELL_BYTES) as usize;
        Ok(self.window.slice(from..from + (count * CELL_BYTES) as usize))
    }

    async fn read(&self, lsn: u64, count: u64) -> Result<Bytes, RecoveryError> {
        let (offset, before_wrap) = Ring::place(self.region, lsn);
        let first = count.min(before_wrap);
        let front = self.disk.read(offset, first * CELL_BYTES).await?;
        if first == count {
            return Ok(front);
        }
        let rest = (count - first) * CELL_BYTES;
        let back = self.disk.read(self.region.offset(), rest).await?;
        let mut joined = BytesMut::from(&front[..]);
        joined.extend_from_slice(&back);
        Ok(joined.freeze())
    }
}
