//! The check of what a store keeps for itself: superblocks, root, images of index and checksum
//! pages. What is bad is written anew from memory, which has all of it: pages and roots with the
//! next two checkpoints, a superblock at once, the cluster state when it is offered again.

use std::collections::VecDeque;

use bytes::Bytes;
use shoal_types::{StoreError, StoreReply};

use crate::index::Page;
use crate::io::{IoError, IoKind};
use crate::layout::CELL_BYTES;
use crate::map::MapOrder;
use crate::root::{Root, RootHeader};
use crate::store::{IoUse, Store};

/// Parts read at once.
const DEPTH: u32 = 8;

/// What one disk command of a check was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// A superblock copy is read, or written back.
    Superblock {
        copy: u8,
    },
    SuperblockMended,
    /// A copy of the newest root.
    Root {
        generation: u64,
        copy: u64,
    },
    IndexPage {
        id: u32,
        stored: (u64, u32),
    },
    CrcPage {
        number: u64,
        stored: (u64, u32),
    },
    /// The newest cluster state.
    Map {
        slot: u64,
        order: MapOrder,
    },
}

pub(crate) struct MetadataCheck {
    pub token: u64,
    parts: VecDeque<Checked>,
    out: u32,
    bad: u64,
}

impl Store {
    /// Reads and verifies all metadata; `Done` when it is over. What it found is in
    /// `Stats::bad_metadata`, and is mended by the checkpoints that it asks for.
    pub fn check_metadata(&mut self, token: u64) {
        if self.is_fenced() || self.check.is_some() {
            let error = if self.is_fenced() { StoreError::Fenced } else { StoreError::Unsupported };
            return self.done(token, Err(error));
        }
        let mut parts: VecDeque<Checked> =
            (0..2).map(|copy| Checked::Superblock { copy }).collect();
        let generation = self.root_generation;
        parts.extend((0..2).map(|copy| Checked::Root { generation, copy }));
        let pages = self.state.index.all().filter_map(|(id, page)| Some((id, page.stored?)));
        parts.extend(pages.map(|(id, stored)| Checked::IndexPage { id, stored }));
        let pages = self.state.crcs.pages();
        parts.extend(pages.map(|(number, stored)| Checked::CrcPage { number, stored }));
        parts.extend(self.newest_map_slot().map(|(slot, order)| Checked::Map { slot, order }));
        self.check = Some(MetadataCheck { token, parts, out: 0, bad: 0 });
        self.check_on();
    }

    /// Keeps a few parts on their way; ends when there are none.
    fn check_on(&mut self) {
        while let Some(check) = &mut self.check
            && check.out < DEPTH
            && let Some(part) = check.parts.pop_front()
        {
            check.out += 1;
            let (offset, len) = self.place_of(part);
            self.issue(IoUse::Check(part), IoKind::Read { offset, len });
        }
        if self.check.as_ref().is_some_and(|check| check.out == 0) {
            self.end_check();
        }
    }

    fn end_check(&mut self) {
        let check = self.check.take().expect("just seen");
        if check.bad > 0 {
            self.figures.bad_metadata += check.bad;
            self.checkpoint_twice();
        }
        self.done(check.token, Ok(StoreReply::Done));
    }

    fn place_of(&self, part: Checked) -> (u64, u64) {
        match part {
            Checked::Superblock { copy: 0 } => (0, CELL_BYTES),
            Checked::Superblock { .. } | Checked::SuperblockMended => {
                ((self.layout.device_cells - 1) * CELL_BYTES, CELL_BYTES)
            }
            Checked::Root { generation, copy } => {
                let len = self.root_len.next_multiple_of(CELL_BYTES);
                (self.layout.root_copy(generation, copy).offset(), len)
            }
            Checked::IndexPage { stored, .. } | Checked::CrcPage { stored, .. } => {
                (stored.0 * CELL_BYTES, CELL_BYTES)
            }
            Checked::Map { slot, .. } => {
                let slot = self.layout.map_slot(slot);
                (slot.offset(), slot.cells * CELL_BYTES)
            }
        }
    }

    pub(crate) fn on_check_io(&mut self, part: Checked, result: Result<Option<Bytes>, IoError>) {
        let Some(check) = &mut self.check else { return };
        check.out -= 1;
        let image = match (part, result) {
            // Rule 7 of docs/store.md holds for this write, too.
            (Checked::SuperblockMended, Err(_)) => return self.fence(),
            (Checked::SuperblockMended, Ok(_)) => return self.check_on(),
            (_, result) => result.ok().flatten(),
        };
        if !image.is_some_and(|image| self.is_whole(part, &image)) && self.is_current(part) {
            self.check.as_mut().expect("just seen").bad += 1;
            self.mend(part);
        }
        self.check_on();
    }

    fn is_whole(&self, part: Checked, image: &[u8]) -> bool {
        match part {
            Checked::Superblock { .. } => image == self.superblock,
            Checked::Root { generation, .. } => self.root_is_whole(generation, image),
            Checked::IndexPage { stored, .. } => {
                Page::load(image, self.seal).is_some_and(|page| page.image(self.seal).1 == stored.1)
            }
            Checked::CrcPage { stored, .. } => self.seal.sum(image) == stored.1,
            Checked::Map { order, .. } => self.map_is_whole(order, image),
            Checked::SuperblockMended => true,
        }
    }

    fn root_is_whole(&self, generation: u64, image: &[u8]) -> bool {
        let (header, body) = image.split_at(CELL_BYTES as usize);
        let room = self.layout.root_bytes() - CELL_BYTES;
        let Some(header) = RootHeader::parse(header, self.seal, room) else { return false };
        let len = (header.body_bytes as u64).next_multiple_of(CELL_BYTES) as usize;
        let Some(body) = body.get(..len) else { return false };
        let body = Bytes::copy_from_slice(body);
        header.generation == generation && Root::decode(&header, &body, self.seal).is_some()
    }

    /// A checkpoint may have put another image in its place while it was read.
    fn is_current(&self, part: Checked) -> bool {
        match part {
            Checked::Superblock { .. } | Checked::SuperblockMended => true,
            Checked::Root { generation, .. } => generation == self.root_generation,
            Checked::IndexPage { id, stored } => {
                let mut pages = self.state.index.all();
                pages.any(|(other, page)| other == id && page.stored == Some(stored))
            }
            Checked::CrcPage { number, stored } => self.state.crcs.page(number) == Some(stored),
            Checked::Map { slot, order } => self.newest_map_slot() == Some((slot, order)),
        }
    }

    fn mend(&mut self, part: Checked) {
        match part {
            Checked::Superblock { .. } => {
                let (offset, _) = self.place_of(part);
                let bufs = vec![self.superblock.clone()];
                self.check.as_mut().expect("a check runs").out += 1;
                let kind = IoKind::Write { offset, bufs, durable: true };
                self.issue(IoUse::Check(Checked::SuperblockMended), kind);
            }
            Checked::IndexPage { id, .. } => self.state.index.write_anew(id),
            // Its blocks read as bad from now on, and get their checksums back one by one.
            Checked::CrcPage { .. } | Checked::Root { .. } | Checked::SuperblockMended => {}
            Checked::Map { .. } => self.forget_map(),
        }
    }
}
