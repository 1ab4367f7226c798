//! One append to a log: header cells with records, then the data cells of inline blocks.
//!
//! A batch is valid as a whole or not at all: header checksum, place, chain to the batch before
//! it, and the checksum of every inline block (checked by who reads the records).

use bytes::{BufMut, Bytes};

use crate::codec::{Reader, Seal};
use crate::layout::CELL_BYTES;

pub const MAGIC: [u8; 8] = *b"SHOAL\x01BA";
/// Bytes before the first record.
pub const FIXED_BYTES: usize = 72;
const CRC_AT: usize = 8;

/// Which of the two rings a batch belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    Data = 1,
    Meta = 2,
}

/// A point between two batches: where the next one goes, and what it must be chained to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LogPoint {
    /// Counts cells, never wraps; the place in the ring is lsn mod ring length.
    pub lsn: u64,
    /// Checksum of the header of the batch before this point.
    pub chain: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub kind: LogKind,
    pub at: LogPoint,
    pub header_cells: u32,
    /// Header and data cells.
    pub cells: u32,
    /// Of the run that wrote it.
    pub start_id: u64,
    /// The other log's durable end when this was written: shows if that log lost its end.
    pub other_head: u64,
    pub records: u32,
    pub record_bytes: u32,
}

impl BatchHeader {
    /// Where the next batch goes, given this one's checksum.
    pub fn next(&self, crc: u32) -> LogPoint {
        LogPoint { lsn: self.at.lsn + u64::from(self.cells), chain: crc }
    }
}

/// Cells that `record_bytes` of records need.
pub fn header_cells(record_bytes: usize) -> usize {
    (FIXED_BYTES + record_bytes).div_ceil(CELL_BYTES as usize)
}

/// Everything of a batch but its data cells.
pub struct BatchDraft<'a> {
    pub kind: LogKind,
    pub at: LogPoint,
    pub start_id: u64,
    pub other_head: u64,
    pub store_uuid: &'a [u8; 16],
    pub data_cells: u32,
    pub record_count: u32,
    pub records: &'a [u8],
}

impl BatchDraft<'_> {
    /// The header cells, and the point behind the batch.
    pub fn encode(&self, seal: Seal) -> (Bytes, LogPoint) {
        let header_cells = header_cells(self.records.len());
        let cells = header_cells as u32 + self.data_cells;
        let mut out = Vec::with_capacity(header_cells * CELL_BYTES as usize);
        out.put_slice(&MAGIC);
        out.put_u32_le(0);
        out.put_u16_le(self.kind as u16);
        out.put_u16_le(header_cells as u16);
        out.put_u64_le(self.at.lsn);
        out.put_u32_le(self.at.chain);
        out.put_u32_le(cells);
        out.put_u64_le(self.start_id);
        out.put_u64_le(self.other_head);
        out.put_slice(self.store_uuid);
        out.put_u32_le(self.record_count);
        out.put_u32_le(self.records.len() as u32);
        debug_assert_eq!(out.len(), FIXED_BYTES);
        out.put_slice(self.records);
        out.resize(header_cells * CELL_BYTES as usize, 0);
        let crc = seal.sum(&out);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        let next = LogPoint { lsn: self.at.lsn + u64::from(cells), chain: crc };
        (Bytes::from(out), next)
    }
}

/// Reads the fixed part alone; `crc_ok` still has to be asked with all header cells.
pub fn parse_fixed(cell: &[u8], store_uuid: &[u8; 16]) -> Option<BatchHeader> {
    if cell.get(..8)? != MAGIC {
        return None;
    }
    let mut r = Reader::new(cell.get(12..)?);
    let kind = match r.u16()? {
        1 => LogKind::Data,
        2 => LogKind::Meta,
        _ => return None,
    };
    let header_cells = u32::from(r.u16()?);
    let at = LogPoint { lsn: r.u64()?, chain: r.u32()? };
    let cells = r.u32()?;
    let (start_id, other_head) = (r.u64()?, r.u64()?);
    if r.array16()? != *store_uuid {
        return None;
    }
    let (records, record_bytes) = (r.u32()?, r.u32()?);
    let fits = header_cells as usize == self::header_cells(record_bytes as usize)
        && header_cells <= cells
        && at.lsn < u64::MAX / 2;
    let header =
        BatchHeader { kind, at, header_cells, cells, start_id, other_head, records, record_bytes };
    fits.then_some(header)
}

/// Checksum of whole header cells, if it is the one they carry.
pub fn crc_ok(header_cells: &[u8], seal: Seal) -> Option<u32> {
    let carried = u32::from_le_bytes(header_cells.get(CRC_AT..CRC_AT + 4)?.try_into().ok()?);
    let mut zeroed = header_cells.to_vec();
    zeroed[CRC_AT..CRC_AT + 4].fill(0);
    (seal.sum(&zeroed) == carried).then_some(carried)
}
