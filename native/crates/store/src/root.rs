//! The root: which pages make up index and checksum table, the tables, and where both logs are
//! to be replayed from. Two copies per generation; the older generation stays until the newer
//! one is durable.

use bytes::{BufMut, Bytes};

use crate::batch::LogPoint;
use crate::codec::{PutLe, Reader, Seal};
use crate::layout::CELL_BYTES;
use crate::meta_record::{MetaRecord, TableItem};

pub const MAGIC: [u8; 8] = *b"SHOAL\x01RT";
/// Unit of checksum of the root's body, in bytes.
const PIECE_BYTES: usize = 512 << 10;
const CRC_AT: usize = 8;
/// Bytes of the header before the piece checksums.
const FIXED_BYTES: usize = 64;
/// Bytes per page in the root: pg u32, start u64, depth u8, cell u40, crc u32.
pub const INDEX_REF_BYTES: u64 = 22;
/// Bytes per checksum page: number u32, cell u40, crc u32.
pub const CRC_REF_BYTES: u64 = 13;

/// Where the image of an index page lies, and which hashes it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRef {
    pub pg: u32,
    pub start: u64,
    pub depth: u8,
    pub cell: u64,
    pub crc: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrcRef {
    pub number: u64,
    pub cell: u64,
    pub crc: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    pub generation: u64,
    pub meta: LogPoint,
    pub data: LogPoint,
    pub index: Vec<IndexRef>,
    pub crcs: Vec<CrcRef>,
    pub tables: Vec<TableItem>,
}

/// The header, checked; the body has still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHeader {
    pub generation: u64,
    pub meta: LogPoint,
    pub data: LogPoint,
    pub body_bytes: usize,
    index: usize,
    crcs: usize,
    piece_crcs: Vec<u32>,
}

impl Root {
    /// Whole cells: header, then body.
    pub fn encode(&self, seal: Seal) -> Bytes {
        let body = self.encode_body();
        let pieces: Vec<u32> = body.chunks(PIECE_BYTES).map(|p| seal.sum(p)).collect();
        let mut out = Vec::with_capacity(CELL_BYTES as usize + body.len() + CELL_BYTES as usize);
        out.put_slice(&MAGIC);
        out.put_u32_le(0);
        out.put_u32_le(pieces.len() as u32);
        out.put_u64_le(self.generation);
        for point in [self.meta, self.data] {
            out.put_u64_le(point.lsn);
            out.put_u32_le(point.chain);
        }
        out.put_u64_le(body.len() as u64);
        out.put_u32_le(self.index.len() as u32);
        out.put_u32_le(self.crcs.len() as u32);
        debug_assert_eq!(out.len(), FIXED_BYTES);
        pieces.iter().for_each(|crc| out.put_u32_le(*crc));
        assert!(out.len() <= CELL_BYTES as usize, "the header is one cell");
        out.resize(CELL_BYTES as usize, 0);
        let crc = seal.sum(&out);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&body);
        out.resize(out.len().next_multiple_of(CELL_BYTES as usize), 0);
        Bytes::from(out)
    }

    /// `None` if the body is not the header's.
    pub fn decode(header: &RootHeader, body: &[u8], seal: Seal) -> Option<Self> {
        let body = body.get(..header.body_bytes)?;
        let sums = body.chunks(PIECE_BYTES).map(|p| seal.sum(p));
        if !sums.eq(header.piece_crcs.iter().copied()) {
            return None;
        }
        let mut r = Reader::new(body);
        let mut root = Self {
            generation: header.generation,
            meta: header.meta,
            data: header.data,
            ..Self::default()
        };
        for _ in 0..header.index {
            let (pg, start, depth) = (r.u32()?, r.u64()?, r.u8()?);
            root.index.push(IndexRef { pg, start, depth, cell: r.u40()?, crc: r.u32()? });
        }
        for _ in 0..header.crcs {
            let number = u64::from(r.u32()?);
            root.crcs.push(CrcRef { number, cell: r.u40()?, crc: r.u32()? });
        }
        while !r.is_empty() {
            let MetaRecord::Table(item) = MetaRecord::decode(&mut r)? else { return None };
            root.tables.push(item);
        }
        Some(root)
    }

    fn encode_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for page in &self.index {
            body.put_u32_le(page.pg);
            body.put_u64_le(page.start);
            body.put_u8(page.depth);
            body.put_u40(page.cell);
            body.put_u32_le(page.crc);
        }
        for page in &self.crcs {
            body.put_u32_le(page.number as u32);
            body.put_u40(page.cell);
            body.put_u32_le(page.crc);
        }
        self.tables.iter().for_each(|item| item.encode(&mut body));
        body
    }
}

impl RootHeader {
    /// `room`: bytes that the copy's region has behind the header.
    pub fn parse(cell: &[u8], seal: Seal, room: u64) -> Option<Self> {
        let cell = cell.get(..CELL_BYTES as usize)?;
        if cell[..8] != MAGIC {
            return None;
        }
        let mut zeroed = cell.to_vec();
        zeroed[CRC_AT..CRC_AT + 4].fill(0);
        if cell[CRC_AT..CRC_AT + 4] != seal.sum(&zeroed).to_le_bytes() {
            return None;
        }
        let mut r = Reader::new(&cell[CRC_AT + 4..]);
        let pieces = r.u32()? as usize;
        let generation = r.u64()?;
        let meta = LogPoint { lsn: r.u64()?, chain: r.u32()? };
        let data = LogPoint { lsn: r.u64()?, chain: r.u32()? };
        let body_bytes = r.u64()?;
        let (index, crcs) = (r.u32()? as usize, r.u32()? as usize);
        let body_bytes = usize::try_from(body_bytes).ok().filter(|b| *b as u64 <= room)?;
        let refs = index as u64 * INDEX_REF_BYTES + crcs as u64 * CRC_REF_BYTES;
        let fits = pieces == body_bytes.div_ceil(PIECE_BYTES) && refs <= body_bytes as u64;
        let piece_crcs = (0..pieces).map(|_| r.u32()).collect::<Option<Vec<u32>>>()?;
        fits.then_some(Self { generation, meta, data, body_bytes, index, crcs, piece_crcs })
    }
}
