//! The log as the library reads it: in memory, from the newest retained entry on. What is durable
//! is the log store's business, before the library hears of it.

use std::cell::Cell;
use std::collections::VecDeque;

use raft::eraftpb::{self, Entry};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};
use shoal_types::PeerId;

use super::message::{conf_state, entry_from_library, entry_to_library, snapshot_to_library};
use crate::log_store::{HardState, LogEntry, Position, Snapshot};
use crate::state::Voters;

#[derive(Debug)]
pub struct LogCache {
    pub hard_state: HardState,
    /// Membership as of the applied index with which the library starts. NEVER THE NEWEST ONE: the
    /// library applies the later changes again.
    voters: Voters,
    /// The entry before the first one.
    start: Position,
    entries: VecDeque<Entry>,
    /// Bytes of the entries' data.
    bytes: usize,
    /// To be sent to a peer that is too far behind for entries.
    snapshot: Option<Snapshot>,
    /// The library asked for a snapshot that is not there: make one.
    wanted: Cell<bool>,
}

impl LogCache {
    pub fn new(
        hard_state: HardState,
        voters: Voters,
        start: Position,
        entries: &[LogEntry],
    ) -> Self {
        let mut cache = Self {
            hard_state,
            voters,
            start,
            entries: VecDeque::new(),
            bytes: 0,
            snapshot: None,
            wanted: Cell::new(false),
        };
        cache.append(entries.iter().map(entry_to_library));
        cache
    }

    pub fn start(&self) -> Position {
        self.start
    }

    pub fn last(&self) -> u64 {
        self.start.index + self.entries.len() as u64
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn append(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            assert!(entry.index > self.start.index && entry.index <= self.last() + 1, "a gap");
            while self.last() >= entry.index {
                let dropped = self.entries.pop_back().expect("not empty");
                self.bytes -= dropped.data.len();
            }
            self.bytes += entry.data.len();
            self.entries.push_back(entry);
        }
    }

    /// The log begins anew after `at`.
    pub fn reset(&mut self, at: Position, voters: Voters) {
        (self.start, self.bytes, self.voters) = (at, 0, voters);
        self.entries.clear();
        self.snapshot = None;
    }

    /// Forgets entries up to `index`.
    pub fn drop_until(&mut self, index: u64) {
        while self.start.index < index {
            let entry = self.entries.pop_front().expect("dropped entries exist");
            self.bytes -= entry.data.len();
            self.start = Position { index: entry.index, term: entry.term };
        }
    }

    pub fn position(&self, index: u64) -> Option<Position> {
        let term = self.term(index).ok()?;
        Some(Position { index, term })
    }

    /// Entries after `index`, at least one, further ones up to `bytes_max` of data; `None` if they
    /// are gone.
    pub fn after(&self, index: u64, until: u64, bytes_max: usize) -> Option<Vec<LogEntry>> {
        let skip = index.checked_sub(self.start.index)? as usize;
        let mut bytes = 0;
        let small = |entry: &&Entry| {
            bytes += entry.data.len();
            entry.index <= until && (bytes <= bytes_max || entry.index == index + 1)
        };
        let entries = self.entries.iter().skip(skip).take_while(small);
        Some(entries.map(entry_from_library).collect())
    }

    pub fn wants_snapshot(&self) -> bool {
        self.wanted.get()
    }

    pub fn offer(&mut self, snapshot: Snapshot) {
        self.wanted.set(false);
        self.snapshot = Some(snapshot);
    }
}

impl Storage for LogCache {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let mut hard_state = eraftpb::HardState::default();
        hard_state.term = self.hard_state.term;
        hard_state.vote = self.hard_state.vote;
        hard_state.commit = self.hard_state.commit;
        Ok(RaftState { hard_state, conf_state: conf_state(&self.voters) })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.start.index {
            return Err(Error::Store(StorageError::Compacted));
        }
        assert!(high <= self.last() + 1, "entries beyond the log");
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        let first = (low - self.start.index - 1) as usize;
        let (mut bytes, mut out) = (0u64, Vec::new());
        for entry in self.entries.range(first..first + (high - low) as usize) {
            bytes += entry.data.len() as u64;
            if bytes > bytes_max && !out.is_empty() {
                break;
            }
            out.push(entry.clone());
        }
        Ok(out)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.start.index {
            return Ok(self.start.term);
        }
        if index < self.start.index {
            return Err(Error::Store(StorageError::Compacted));
        }
        let entry = self.entries.get((index - self.start.index - 1) as usize);
        entry.map(|e| e.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.start.index + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// A SNAPSHOT WITHOUT ITS RECEIVER AMONG THE MEMBERS WOULD BE IGNORED FOR EVER: one that is too
    /// old for that, or for the entries which must follow it, is made anew.
    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<eraftpb::Snapshot> {
        let fits = |s: &&Snapshot| {
            s.at.index >= request_index.max(self.start.index) && s.includes(PeerId(to))
        };
        match self.snapshot.as_ref().filter(fits) {
            Some(snapshot) => Ok(snapshot_to_library(snapshot)),
            None => {
                self.wanted.set(true);
                Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}
