//! Reads: look up, fetch cells and checksums in parallel, verify, answer.
//!
//! A read waits for every change of its blocks that was submitted before it to be durable: it
//! never returns what a crash then loses. While it is out, a fold may overwrite its cells; its
//! checksums then fail, the look-up has changed, and it starts over.

use std::collections::BTreeMap;

use bytes::Bytes;
use shoal_types::checksum::block_crc;
use shoal_types::message::BlockState;
use shoal_types::{BLOCK_BYTES, LayerId, PgId, StoreError, StoreOp, StoreReply};

use crate::crc_table::CrcTable;
use crate::dirty::Content;
use crate::index::{Place, Stamp};
use crate::io::IoKind;
use crate::layout::{CELL_BYTES, SLOT_CELLS};
use crate::op::check_range;
use crate::repair::FoundBad;
use crate::state::{BlockAt, Newest};
use crate::store::{IoUse, Store};

/// Times that a read starts over because what it looked up has changed.
const RESTARTS_MAX: u32 = 8;

#[derive(Clone, Copy)]
struct Request {
    token: u64,
    pg: PgId,
    layer: LayerId,
    block: u64,
    blocks: u64,
    versioned: bool,
    /// To put `Reads::repairs` of this token in its place, if it is bad.
    repair: bool,
    restarts: u32,
}

/// What a read knows of one block.
enum Got {
    State(BlockState),
    /// On its way from this cell; its checksum too, if `None`.
    Cell {
        cell: u64,
        crc: Option<u32>,
    },
}

struct Part {
    /// Index of its first block within the read.
    first: usize,
    blocks: usize,
    data: Option<Bytes>,
}

struct Read {
    request: Request,
    stamps: Vec<Stamp>,
    got: Vec<Got>,
    parts: Vec<Part>,
    /// Parts and checksum pages that are out.
    left: u32,
    /// A block whose cell or checksum cannot be read.
    bad: Option<u64>,
}

enum Waiting {
    Read(Request),
    List(u64, StoreOp),
}

#[derive(Default)]
pub(crate) struct Reads {
    running: BTreeMap<u64, Read>,
    next: u64,
    /// After which op each may start.
    waiting: Vec<(u64, Waiting)>,
    /// Checksum pages on their way: the image that was asked for, and the reads that wait.
    pages: BTreeMap<u64, ((u64, u32), Vec<u64>)>,
    /// Bytes and checksums of repairs whose read is out, by token.
    pub(crate) repairs: BTreeMap<u64, (Bytes, u32)>,
}

impl Reads {
    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    pub fn drain_tokens(&mut self) -> Vec<u64> {
        self.repairs.clear();
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(_, w)| match w {
            Waiting::Read(request) => request.token,
            Waiting::List(token, _) => token,
        });
        let running = std::mem::take(&mut self.running);
        waiting.chain(running.into_values().map(|r| r.request.token)).collect()
    }
}

impl Store {
    pub(crate) fn submit_read(
        &mut self,
        token: u64,
        pg: PgId,
        layer: LayerId,
        block: u64,
        blocks: u32,
        versioned: bool,
    ) {
        let blocks = u64::from(blocks);
        if let Err(error) = check_range(block, blocks) {
            return self.done(token, Err(error));
        }
        let (repair, restarts) = (self.reads.repairs.contains_key(&token), 0);
        let request = Request { token, pg, layer, block, blocks, versioned, repair, restarts };
        self.start_or_wait(request);
    }

    /// Lists wait for everything before them.
    pub(crate) fn submit_list(&mut self, token: u64, op: StoreOp) {
        match self.commits.last() {
            Some(after) => self.reads.waiting.push((after, Waiting::List(token, op))),
            None => self.answer_list(token, op),
        }
    }

    /// Ops became durable or were refused: starts what waited for them.
    pub(crate) fn start_waiting_reads(&mut self) {
        let durable = self.commits.first();
        let ready = self.reads.waiting.extract_if(.., |(after, _)| *after < durable);
        for (_, waiting) in ready.collect::<Vec<_>>() {
            match waiting {
                Waiting::Read(request) => self.start_read(request),
                Waiting::List(token, op) => self.answer_list(token, op),
            }
        }
    }

    pub(crate) fn on_data(&mut self, number: u64, part: usize, data: Option<Bytes>) {
        let Some(read) = self.reads.running.get_mut(&number) else { return };
        let Part { first, blocks, .. } = read.parts[part];
        if data.is_none() && blocks > 1 {
            self.read_one_by_one(number, first, blocks);
        }
        let read = self.reads.running.get_mut(&number).expect("still running");
        if data.is_none() && blocks == 1 {
            read.bad.get_or_insert(read.request.block + first as u64);
            self.figures.read_errors += 1;
        }
        read.parts[part].data = data;
        read.left -= 1;
        self.finish_read_if_done(number);
    }

    pub(crate) fn on_crc_page(&mut self, page: u64, image: Option<Bytes>) {
        let Some((asked, readers)) = self.reads.pages.remove(&page) else { return };
        if self.state.crcs.page(page) != Some(asked) {
            // A checkpoint has moved it meanwhile.
            return self.fetch_crc_page(page, readers);
        }
        let image = image.filter(|i| self.seal.sum(i) == asked.1);
        for number in readers {
            self.take_crcs(number, page, image.as_deref());
            self.finish_read_if_done(number);
        }
    }

    /// One cell of a run is unreadable: finds out which.
    fn read_one_by_one(&mut self, number: u64, first: usize, blocks: usize) {
        for at in first..first + blocks {
            let read = self.reads.running.get_mut(&number).expect("still running");
            let Got::Cell { cell, .. } = read.got[at] else { unreachable!("a part is cells") };
            let part = read.parts.len();
            read.parts.push(Part { first: at, blocks: 1, data: None });
            read.left += 1;
            let kind = IoKind::Read { offset: cell * CELL_BYTES, len: CELL_BYTES };
            self.issue_for_read(number, part, kind);
        }
    }

    fn issue_for_read(&mut self, read: u64, part: usize, kind: IoKind) {
        self.issue(IoUse::Data { read, part }, kind);
    }

    fn start_or_wait(&mut self, request: Request) {
        let Request { pg, layer, block, blocks, .. } = request;
        match self.commits.last_touching(pg, layer, block, blocks) {
            Some(after) => self.reads.waiting.push((after, Waiting::Read(request))),
            None => self.start_read(request),
        }
    }

    fn start_read(&mut self, request: Request) {
        let tables = &self.state.tables;
        let Some(layer) = tables.live_layer(request.layer) else {
            self.reads.repairs.remove(&request.token);
            return self.done(request.token, Err(StoreError::NoLayer));
        };
        let pg = tables.pg_number(request.pg);
        let count = request.blocks as usize;
        let mut read = Read {
            request,
            stamps: Vec::with_capacity(if request.versioned { count } else { 0 }),
            got: Vec::with_capacity(count),
            parts: Vec::new(),
            left: 0,
            bad: None,
        };
        for block in request.block..request.block + request.blocks {
            let (stamp, got) = match pg {
                Some(pg) => self.look_up(BlockAt { pg, layer, block }),
                None => (Stamp::default(), Got::State(BlockState::Absent)),
            };
            read.got.push(got);
            if request.versioned {
                read.stamps.push(stamp);
            }
        }
        self.fetch(read);
    }

    fn look_up(&mut self, at: BlockAt) -> (Stamp, Got) {
        let (stamp, cell, crc) = match self.state.newest(at) {
            Newest::Dirty(block) => match &block.content {
                Content::Inline { data, crc } => {
                    let state = BlockState::Data { data: data.clone(), crc: *crc };
                    return (block.stamp, Got::State(state));
                }
                Content::Direct { cell, crc } => (block.stamp, *cell, Some(*crc)),
                Content::Zero => return (block.stamp, Got::State(BlockState::Zero)),
                Content::Absent => return (Stamp::default(), Got::State(BlockState::Absent)),
            },
            Newest::Indexed(found) => match found.place {
                Place::Cell(cell) => (found.stamp, cell, None),
                Place::Zero => return (found.stamp, Got::State(BlockState::Zero)),
                Place::Absent => return (Stamp::default(), Got::State(BlockState::Absent)),
            },
            Newest::Nothing => return (Stamp::default(), Got::State(BlockState::Absent)),
        };
        let crc = crc.or_else(|| self.state.crcs.get(cell));
        (stamp, Got::Cell { cell, crc })
    }

    /// Asks for all cells, a run of neighbours at once, and for checksums that memory lacks.
    fn fetch(&mut self, mut read: Read) {
        let number = self.reads.next;
        self.reads.next += 1;
        let mut pages = Vec::new();
        let mut next_cell = None;
        for (i, got) in read.got.iter().enumerate() {
            let Got::Cell { cell, crc } = *got else {
                next_cell = None;
                continue;
            };
            match read.parts.last_mut().filter(|_| next_cell == Some(cell)) {
                Some(part) => part.blocks += 1,
                None => read.parts.push(Part { first: i, blocks: 1, data: None }),
            }
            next_cell = Some(cell + 1);
            let page = CrcTable::page_number(cell);
            if crc.is_none() && !pages.contains(&page) {
                pages.push(page);
            }
        }
        read.left = (read.parts.len() + pages.len()) as u32;
        for (part, Part { first, blocks, .. }) in read.parts.iter().enumerate() {
            let Got::Cell { cell, .. } = read.got[*first] else { unreachable!("a part is cells") };
            let len = *blocks as u64 * CELL_BYTES;
            self.issue_for_read(number, part, IoKind::Read { offset: cell * CELL_BYTES, len });
        }
        self.reads.running.insert(number, read);
        pages.into_iter().for_each(|page| self.fetch_crc_page(page, vec![number]));
        self.finish_read_if_done(number);
    }

    fn fetch_crc_page(&mut self, page: u64, readers: Vec<u64>) {
        if let Some((_, waiting)) = self.reads.pages.get_mut(&page) {
            return waiting.extend(readers);
        }
        let image = self.state.crcs.page(page).expect("only known pages are asked for");
        self.reads.pages.insert(page, (image, readers));
        let kind = IoKind::Read { offset: image.0 * CELL_BYTES, len: CELL_BYTES };
        self.issue(IoUse::CrcPage(page), kind);
    }

    /// Hands the page's checksums to a read that lacks them.
    fn take_crcs(&mut self, number: u64, page: u64, image: Option<&[u8]>) {
        let Some(read) = self.reads.running.get_mut(&number) else { return };
        read.left -= 1;
        for (i, got) in read.got.iter_mut().enumerate() {
            let Got::Cell { cell, crc: crc @ None } = got else { continue };
            if CrcTable::page_number(*cell) != page {
                continue;
            }
            let Some(image) = image else {
                read.bad.get_or_insert(read.request.block + i as u64);
                continue;
            };
            if self.state.crcs.get(*cell).is_none() {
                self.state.crcs.fill(page, image, *cell / SLOT_CELLS);
            }
            *crc = self.state.crcs.get(*cell);
        }
    }

    fn finish_read_if_done(&mut self, number: u64) {
        if self.reads.running.get(&number).is_none_or(|r| r.left > 0) {
            return;
        }
        let mut read = self.reads.running.remove(&number).expect("just seen");
        let bad = verify(&mut read).or(read.bad);
        let Some(block) = bad else {
            if read.request.repair {
                return self.repair_is_needless(read.request.token);
            }
            let reply = answer(read);
            return self.done(reply.0, Ok(reply.1));
        };
        if read.request.restarts < RESTARTS_MAX && self.has_moved(&read, block) {
            read.request.restarts += 1;
            return self.start_or_wait(read.request);
        }
        if read.request.repair {
            return self.repair_found(read.request.token, found_bad(&read));
        }
        self.figures.bad_blocks += 1;
        self.done(read.request.token, Err(StoreError::BadBlock { block }));
    }

    /// What was looked up for this block is not what a look-up gives now.
    fn has_moved(&mut self, read: &Read, block: u64) -> bool {
        let tables = &self.state.tables;
        let numbers = tables.pg_number(read.request.pg).zip(tables.live_layer(read.request.layer));
        let Some((pg, layer)) = numbers else { return true };
        let used = &read.got[(block - read.request.block) as usize];
        let Got::Cell { cell, crc } = *used else { return true };
        match self.look_up(BlockAt { pg, layer, block }).1 {
            Got::Cell { cell: now, crc: crc_now } => {
                now != cell || (crc_now != crc && crc.is_some())
            }
            Got::State(_) => true,
        }
    }
}

/// Of the one block of a repair's read.
fn found_bad(read: &Read) -> FoundBad {
    let Got::Cell { cell, crc } = read.got[0] else { unreachable!("a bad block has a cell") };
    let stored = read.parts.iter().find_map(|part| part.data.clone());
    let Request { pg, layer, block, .. } = read.request;
    FoundBad { pg, layer, block, stamp: read.stamps[0], cell, crc, stored }
}

/// Puts bytes in place of cells; the first block that fails its checksum, if any does.
fn verify(read: &mut Read) -> Option<u64> {
    let mut bad = None;
    for part in &read.parts {
        let Some(data) = &part.data else { continue };
        for i in 0..part.blocks {
            let at = part.first + i;
            let Got::Cell { crc, .. } = read.got[at] else { continue };
            let block = read.request.block + at as u64;
            let bytes = data.slice(i * BLOCK_BYTES..(i + 1) * BLOCK_BYTES);
            match crc.filter(|crc| block_crc(read.request.layer, block, &bytes) == *crc) {
                Some(crc) => read.got[at] = Got::State(BlockState::Data { data: bytes, crc }),
                None => bad = bad.or(Some(block)),
            }
        }
    }
    bad
}

fn answer(read: Read) -> (u64, StoreReply) {
    let states = read.got.into_iter().map(|got| match got {
        Got::State(state) => state,
        Got::Cell { .. } => unreachable!("every cell was fetched and verified"),
    });
    let reply = if read.request.versioned {
        let versioned = read.stamps.into_iter().zip(states);
        StoreReply::Versioned(versioned.map(|(s, state)| (s.version, s.epoch, state)).collect())
    } else {
        StoreReply::Blocks(states.collect())
    };
    (read.request.token, reply)
}
