//! The log in a directory.
//!
//! `log`: records; the first is `Start`, the others are appends. `state`: the newest snapshot. Both
//! are replaced whole by renaming; the snapshot first, so that a crash in between leaves a log
//! that is merely longer than needed.

use std::fmt;

use super::dir::Dir;
use super::entry::{HardState, LogEntry, Position, Recovered, Snapshot};
use super::{LogStore, record};
use crate::codec::{DecodeError, Envelope, codec_enum, decode, encode, open, seal};
use crate::hex::ClusterId;

const LOG: &str = "log";
const STATE: &str = "state";
const STATE_KIND: Envelope = Envelope { magic: *b"SHSN", version: 1, body_max: 1 << 31 };
/// Of the log's first record: what of it this program writes, and the newest it reads.
const LOG_VERSION: u16 = 1;

/// The body of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    Start { version: u16, incompat: u32, cluster_id: ClusterId, peer: u64, at: Position },
    Append { hard_state: HardState, entries: Vec<LogEntry> },
}

codec_enum!(Body: u8 {
    1 => Start { version, incompat, cluster_id, peer, at },
    2 => Append { hard_state, entries },
});

#[derive(Debug)]
pub enum LogError {
    /// A write or a sync failed, or one failed before. Stop; never retry.
    Io(std::io::Error),
    /// A good record follows a bad one, or a file that was replaced whole is bad.
    Damaged {
        file: &'static str,
        offset: u64,
        why: &'static str,
    },
    Decode {
        file: &'static str,
        error: DecodeError,
    },
    /// The directory belongs to another cluster or peer.
    Foreign {
        cluster_id: ClusterId,
        peer: u64,
    },
    /// Written by a newer version.
    Newer {
        version: u16,
        incompat: u32,
    },
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the consensus log cannot be written: {error}"),
            Self::Damaged { file, offset, why } => write!(
                f,
                "the consensus {file} is damaged at byte {offset} ({why}); this voter must be \
                 removed and added again under a new id"
            ),
            Self::Decode { file, error } => {
                write!(f, "the consensus {file} is unreadable: {error}")
            }
            Self::Foreign { cluster_id, peer } => {
                write!(f, "the consensus log belongs to peer {peer} of cluster {cluster_id}")
            }
            Self::Newer { version, .. } => {
                write!(f, "the consensus log was written by a newer version ({version})")
            }
        }
    }
}

impl std::error::Error for LogError {}

impl From<std::io::Error> for LogError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Of one peer of one cluster.
#[derive(Debug)]
pub struct DirLog<D> {
    dir: D,
    cluster_id: ClusterId,
    peer: u64,
    next_sequence: u64,
    failed: bool,
}

impl<D: Dir> DirLog<D> {
    /// Opens the log, or begins an empty one. `load` must come before anything is appended.
    pub fn open(dir: D, cluster_id: ClusterId, peer: u64) -> Self {
        Self { dir, cluster_id, peer, next_sequence: 0, failed: false }
    }

    /// Is there a log at all? Without one the peer never voted here.
    pub fn exists(&mut self) -> Result<bool, LogError> {
        Ok(self.dir.read(LOG)?.is_some() || self.dir.read(STATE)?.is_some())
    }

    fn write_log(
        &mut self,
        hard_state: HardState,
        at: Position,
        entries: &[LogEntry],
    ) -> Result<(), LogError> {
        let (cluster_id, peer) = (self.cluster_id, self.peer);
        let start = Body::Start { version: LOG_VERSION, incompat: 0, cluster_id, peer, at };
        let append = Body::Append { hard_state, entries: entries.to_vec() };
        let mut bytes = Vec::new();
        record::put(0, &encode(&start), &mut bytes);
        record::put(1, &encode(&append), &mut bytes);
        self.dir.replace(LOG, &bytes)?;
        self.next_sequence = 2;
        Ok(())
    }

    /// After one failure nothing is tried again: what the disk kept is unknown.
    fn guarded(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        if self.failed {
            return Err(LogError::Io(std::io::Error::other("an earlier write failed")));
        }
        let result = act(self);
        self.failed = result.is_err();
        result
    }

    fn read_snapshot(&mut self) -> Result<Option<Snapshot>, LogError> {
        let Some(bytes) = self.dir.read(STATE)? else { return Ok(None) };
        let unreadable = |error| LogError::Decode { file: STATE, error };
        let (body, _) = open(STATE_KIND, &bytes).map_err(unreadable)?;
        decode(body).map(Some).map_err(unreadable)
    }

    /// The log's records, cut where an append was torn.
    fn read_log(&mut self, recovered: &mut Recovered) -> Result<bool, LogError> {
        let Some(bytes) = self.dir.read(LOG)? else { return Ok(false) };
        let (mut offset, mut sequence) = (0, 0u64);
        while offset < bytes.len() {
            let rest = &bytes[offset..];
            let Some((_, body)) = record::get(rest).filter(|(found, _)| *found == sequence) else {
                self.cut_torn_tail(&bytes, offset, sequence)?;
                recovered.torn_bytes = (bytes.len() - offset) as u64;
                break;
            };
            let body = decode(body).map_err(|error| LogError::Decode { file: LOG, error })?;
            self.replay(body, sequence, offset, recovered)?;
            offset += record::HEADER_BYTES + encoded_len(rest);
            sequence += 1;
        }
        if sequence < 2 {
            return Err(damaged(0, "its beginning is missing"));
        }
        self.next_sequence = sequence;
        Ok(true)
    }

    fn cut_torn_tail(&mut self, bytes: &[u8], at: usize, sequence: u64) -> Result<(), LogError> {
        if sequence < 2 || record::any_after(&bytes[at..], sequence) {
            return Err(damaged(at, "a good record follows a bad one"));
        }
        self.dir.truncate(LOG, at as u64)?;
        self.dir.sync(LOG)?;
        Ok(())
    }

    fn replay(
        &self,
        body: Body,
        sequence: u64,
        offset: usize,
        recovered: &mut Recovered,
    ) -> Result<(), LogError> {
        match body {
            Body::Start { version, incompat, .. } if version > LOG_VERSION || incompat != 0 => {
                Err(LogError::Newer { version, incompat })
            }
            Body::Start { cluster_id, peer, .. }
                if (cluster_id, peer) != (self.cluster_id, self.peer) =>
            {
                Err(LogError::Foreign { cluster_id, peer })
            }
            Body::Start { at, .. } if sequence == 0 => {
                recovered.start = at;
                Ok(())
            }
            Body::Append { hard_state, entries } if sequence > 0 => {
                recovered.hard_state = hard_state;
                put_entries(recovered, entries, offset)
            }
            _ => Err(damaged(offset, "records out of order")),
        }
    }
}

impl<D: Dir> LogStore for DirLog<D> {
    fn append(&mut self, hard_state: HardState, entries: &[LogEntry]) -> Result<(), LogError> {
        self.guarded(|log| {
            assert!(log.next_sequence >= 2, "load comes before append");
            let append = Body::Append { hard_state, entries: entries.to_vec() };
            let mut bytes = Vec::new();
            record::put(log.next_sequence, &encode(&append), &mut bytes);
            log.dir.append(LOG, &bytes)?;
            log.dir.sync(LOG)?;
            log.next_sequence += 1;
            Ok(())
        })
    }

    fn replace(
        &mut self,
        snapshot: &Snapshot,
        hard_state: HardState,
        start: Position,
        entries: &[LogEntry],
    ) -> Result<(), LogError> {
        self.guarded(|log| {
            log.dir.replace(STATE, &seal(STATE_KIND, &encode(snapshot)))?;
            log.write_log(hard_state, start, entries)
        })
    }

    fn load(&mut self) -> Result<Recovered, LogError> {
        let mut recovered = Recovered { snapshot: self.read_snapshot()?, ..Recovered::default() };
        if !self.read_log(&mut recovered)? {
            // Nothing was ever promised here: the log is written before the first vote.
            let genesis = crate::state::ClusterState::GENESIS_INDEX;
            if recovered.snapshot.as_ref().is_some_and(|s| s.at.index != genesis) {
                return Err(damaged(0, "the log is missing"));
            }
            let at = recovered.snapshot.as_ref().map_or(Position::default(), |s| s.at);
            recovered.start = at;
            self.guarded(|log| log.write_log(HardState::default(), at, &[]))?;
        }
        if align(&mut recovered)? {
            // What follows is appended after the snapshot: the old entries must not stay before it.
            let (hard_state, at) = (recovered.hard_state, recovered.start);
            self.guarded(|log| log.write_log(hard_state, at, &[]))?;
        }
        Ok(recovered)
    }
}

/// A crash between the two files of `replace`: the log may end before the snapshot, or hold other
/// entries than those the snapshot is made of. Says whether it was given up for the snapshot.
fn align(recovered: &mut Recovered) -> Result<bool, LogError> {
    let Some(at) = recovered.snapshot.as_ref().map(|s| s.at) else {
        return match recovered.start.index {
            0 => Ok(false),
            _ => Err(LogError::Damaged { file: STATE, offset: 0, why: "the snapshot is missing" }),
        };
    };
    let start = recovered.start;
    if start.index > at.index {
        return Err(damaged(0, "it begins after the snapshot"));
    }
    let term = match at.index - start.index {
        0 => Some(start.term),
        n => recovered.entries.get(n as usize - 1).map(|entry| entry.term),
    };
    let replaced = term != Some(at.term);
    if replaced {
        recovered.start = at;
        recovered.entries.clear();
    }
    let last = recovered.start.index + recovered.entries.len() as u64;
    let hard_state = &mut recovered.hard_state;
    hard_state.commit = hard_state.commit.clamp(at.index, last.max(at.index));
    hard_state.term = hard_state.term.max(at.term);
    Ok(replaced)
}

fn put_entries(
    recovered: &mut Recovered,
    entries: Vec<LogEntry>,
    offset: usize,
) -> Result<(), LogError> {
    let Some(first) = entries.first() else { return Ok(()) };
    let next = recovered.start.index + recovered.entries.len() as u64 + 1;
    if first.index <= recovered.start.index || first.index > next {
        return Err(damaged(offset, "a gap between entries"));
    }
    recovered.entries.truncate((first.index - recovered.start.index - 1) as usize);
    let consecutive = entries.iter().zip(first.index..).all(|(entry, index)| entry.index == index);
    recovered.entries.extend(entries);
    if consecutive { Ok(()) } else { Err(damaged(offset, "a gap between entries")) }
}

fn encoded_len(record: &[u8]) -> usize {
    u32::from_le_bytes([record[4], record[5], record[6], record[7]]) as usize
}

fn damaged(offset: usize, why: &'static str) -> LogError {
    LogError::Damaged { file: LOG, offset: offset as u64, why }
}
