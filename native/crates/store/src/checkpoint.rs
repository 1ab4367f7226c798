//! Checkpoint: index and checksum pages that changed go to new cells; then a new root names them
//! and lets the metadata log start anew.
//!
//! ORDER: pages; sync; root, both copies, durable; only then are old images free and the
//! metadata log's tail moves. The older root and all it names are untouched until then.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::background::Job;
use crate::batch::LogPoint;
use crate::io::IoKind;
use crate::layout::CELL_BYTES;
use crate::planted::planted;
use crate::root::{CrcRef, IndexRef, Root};
use crate::store::{IoUse, Store};

/// Checksum pages that a checkpoint reads back at once.
const CRC_READS_MAX: usize = 32;
/// A checksum page that cannot be read is read again after so long, in milliseconds: a page lost is a
/// thousand sound blocks that read as bad, and a disk that answers slowly or is just coming back is not
/// a damaged one.
const READ_AGAIN_MS: [u64; 4] = [0, 100, 500, 1500];

enum Phase {
    Pages,
    Syncing,
    Root,
}

pub(crate) struct Checkpoint {
    phase: Phase,
    /// The root replays the metadata log from here: its head, at rest while we run.
    meta: LogPoint,
    pages: VecDeque<u32>,
    crc_pages: VecDeque<u64>,
    crc_reads: usize,
    /// Checksum pages that could not be read, how often that was tried, and when it is due again.
    unread: Vec<u64>,
    tries: usize,
    read_again_at: Option<u64>,
    /// (page, cell, crc) of new images.
    new_pages: Vec<(u32, u64, u32)>,
    new_crc_pages: Vec<(u64, u64, u32)>,
    root_len: u64,
    /// Freed with this root; what is retired later waits for the next.
    retired: Vec<u64>,
}

impl Store {
    pub(crate) fn begin_checkpoint(&mut self) -> Checkpoint {
        assert!(!self.meta_is_in_flight(), "the metadata log is at rest");
        Checkpoint {
            phase: Phase::Pages,
            meta: self.meta_log.head,
            pages: self.state.index.dirty_pages().into(),
            crc_pages: self.state.crcs.dirty_pages().into(),
            crc_reads: 0,
            unread: Vec::new(),
            tries: 0,
            read_again_at: None,
            new_pages: Vec::new(),
            new_crc_pages: Vec::new(),
            root_len: 0,
            retired: std::mem::take(&mut self.state.retired),
        }
    }

    /// True if something happened.
    pub(crate) fn step_checkpoint(&mut self, mut job: Checkpoint) -> bool {
        let stepped = match job.phase {
            Phase::Pages => self.step_pages(&mut job),
            Phase::Syncing if self.background.is_drained() => {
                if !self.write_root(&mut job) {
                    self.give_up_checkpoint(job);
                    return true;
                }
                job.phase = Phase::Root;
                true
            }
            Phase::Root if self.background.is_drained() => {
                self.end_checkpoint(job);
                return true;
            }
            _ => false,
        };
        self.background.job = Some(Job::Checkpoint(job));
        stepped
    }

    pub(crate) fn on_job_crc_page(&mut self, number: u64, image: Option<Bytes>) {
        let Some(Job::Checkpoint(mut job)) = self.background.job.take() else {
            unreachable!("only a checkpoint reads checksum pages here");
        };
        job.crc_reads -= 1;
        let known = self.state.crcs.page(number).expect("it was asked for");
        // Bytes that are wrong twice stay wrong; a disk that gives none may yet.
        let most_tries = if image.is_some() { 1 } else { READ_AGAIN_MS.len() };
        let image = image.filter(|i| self.seal.sum(i) == known.1);
        if image.is_none() && job.tries < most_tries {
            job.unread.push(number);
        } else {
            // A damaged page: the checksums that memory lacks are lost, and their blocks read as bad until
            // another copy vouches for them. It must not be waited for: without a checkpoint no fold ends.
            self.figures.bad_blocks += u64::from(image.is_none());
            self.write_crc_page(&mut job, number, image.as_deref());
        }
        self.background.job = Some(Job::Checkpoint(job));
    }

    /// Keeps a bounded number of images on their way.
    fn step_pages(&mut self, job: &mut Checkpoint) -> bool {
        let depth = self.budget.background_depth.max(1) as usize;
        let mut stepped = false;
        while self.background.writes.len() < depth
            && let Some(id) = job.pages.pop_front()
        {
            let (image, crc) = self.state.index.page_ref(id).page.image(self.seal);
            let old = self.state.index.page_ref(id).stored.filter(|_| planted!(PageInPlace));
            let cell = self.write_page(image, old.map(|o| o.0));
            job.new_pages.push((id, cell, crc));
            stepped = true;
        }
        while self.background.writes.len() < depth
            && job.crc_reads < CRC_READS_MAX
            && let Some(number) = job.crc_pages.pop_front()
        {
            stepped = true;
            let Some((cell, _)) = self.state.crcs.page(number) else {
                self.write_crc_page(job, number, None);
                continue;
            };
            job.crc_reads += 1;
            let kind = IoKind::Read { offset: cell * CELL_BYTES, len: CELL_BYTES };
            self.issue(IoUse::JobCrcPage(number), kind);
        }
        let all = job.pages.is_empty() && job.crc_pages.is_empty() && job.crc_reads == 0;
        if all && !job.unread.is_empty() {
            return job.read_again(self.now_ms()) || stepped;
        }
        if all && self.background.is_drained() {
            if !planted!(RootBeforePages) {
                self.issue_sync();
            }
            job.phase = Phase::Syncing;
            return true;
        }
        stepped
    }

    fn write_crc_page(&mut self, job: &mut Checkpoint, number: u64, base: Option<&[u8]>) {
        let image = self.state.crcs.merge(number, base);
        let crc = self.seal.sum(&image);
        let cell = self.write_page(image, None);
        job.new_crc_pages.push((number, cell, crc));
    }

    /// To a fresh cell; to a given one only when a test breaks the rule.
    fn write_page(&mut self, image: Vec<u8>, planted: Option<u64>) -> u64 {
        let fresh = |store: &mut Self| store.state.space.allocate(1);
        let cell = planted
            .or_else(|| fresh(self).map(|run| run.0))
            .expect("admission leaves room for pages");
        self.figures.checkpoint_bytes += CELL_BYTES;
        self.background.writes.push_back((cell * CELL_BYTES, vec![Bytes::from(image)]));
        cell
    }

    /// False if it does not fit: admission bounds a root, but what versions before wrote has no bound.
    fn write_root(&mut self, job: &mut Checkpoint) -> bool {
        let root = self.root_of(job);
        let bytes = root.encode(self.seal);
        job.root_len = bytes.len() as u64;
        if job.root_len > self.layout.root_bytes() {
            return false;
        }
        for copy in 0..2 {
            let region = self.layout.root_copy(root.generation, copy);
            self.figures.checkpoint_bytes += bytes.len() as u64;
            let bufs = vec![bytes.clone()];
            self.background.out += 1;
            let kind = IoKind::Write { offset: region.offset(), bufs, durable: true };
            self.issue(IoUse::Job, kind);
        }
        true
    }

    /// The older root and all it names stay, and so does the metadata log.
    fn give_up_checkpoint(&mut self, job: Checkpoint) {
        let state = &mut self.state;
        let images = job.new_pages.iter().map(|(_, cell, _)| *cell);
        images.for_each(|cell| state.space.release(cell));
        for (number, cell, _) in job.new_crc_pages {
            state.crcs.forget_merge(number);
            state.space.release(cell);
        }
        state.retired.extend(job.retired);
        self.background.bar_checkpoints();
    }

    fn root_of(&self, job: &Checkpoint) -> Root {
        let state = &self.state;
        let fresh: std::collections::BTreeMap<u32, (u64, u32)> =
            job.new_pages.iter().map(|(id, cell, crc)| (*id, (*cell, *crc))).collect();
        let index = state.index.all().map(|(id, page)| {
            let stored = fresh.get(&id).copied().or(page.stored);
            let (cell, crc) = stored.expect("a page that is not dirty has an image");
            let page = &page.page;
            IndexRef { pg: page.pg(), start: page.start(), depth: page.depth(), cell, crc }
        });
        let mut crcs: std::collections::BTreeMap<u64, (u64, u32)> = state.crcs.pages().collect();
        crcs.extend(job.new_crc_pages.iter().map(|(n, cell, crc)| (*n, (*cell, *crc))));
        let crcs = crcs.into_iter().map(|(number, (cell, crc))| CrcRef { number, cell, crc });
        Root {
            generation: self.root_generation + 1,
            meta: job.meta,
            data: self.data_log.tail,
            index: index.collect(),
            crcs: crcs.collect(),
            tables: state.tables.all(),
        }
    }

    fn end_checkpoint(&mut self, job: Checkpoint) {
        self.root_generation += 1;
        self.root_len = job.root_len;
        let state = &mut self.state;
        let mut old = job.retired;
        for (id, cell, crc) in job.new_pages {
            let image = state.index.stored(id, cell, crc);
            old.extend(image.filter(|old| *old != cell));
        }
        for (number, cell, crc) in job.new_crc_pages {
            old.extend(state.crcs.stored(number, cell, crc));
        }
        old.into_iter().for_each(|cell| state.space.release(cell));
        self.meta_log.tail = job.meta;
        self.figures.checkpoints += 1;
        self.end_job();
    }
}

impl Checkpoint {
    /// When it goes on with pages that could not be read; in milliseconds.
    pub fn read_again_at(&self) -> Option<u64> {
        self.read_again_at
    }

    /// True if it is time.
    fn read_again(&mut self, now_ms: u64) -> bool {
        let due = *self.read_again_at.get_or_insert(now_ms + READ_AGAIN_MS[self.tries]);
        if now_ms < due {
            return false;
        }
        self.tries += 1;
        self.read_again_at = None;
        self.crc_pages.extend(self.unread.drain(..));
        true
    }
}
