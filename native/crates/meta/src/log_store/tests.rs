//! Crash states: whatever was acknowledged is there, whatever was not may be, nothing else is.

use bytes::Bytes;

use super::entry::ProposalBytes;
use super::*;
use crate::codec::{decode, encode};
use crate::hex::Hex;
use crate::seeded::Seeded;
use crate::state::{ClusterState, ConfChange, fixture};

const CLUSTER: crate::hex::ClusterId = Hex([7; 16]);

fn entry(random: &mut Seeded, index: u64, term: u64) -> LogEntry {
    let payload = match random.below(8) {
        0 => Payload::Empty,
        1 => Payload::Conf { change: ConfChange::AddLearner { peer: shoal_types::PeerId(2) } },
        _ => {
            let bytes = vec![random.next() as u8; 1 + random.below(300) as usize];
            Payload::Proposal { bytes: ProposalBytes(Bytes::from(bytes)) }
        }
    };
    LogEntry { index, term, payload }
}

fn snapshot(index: u64, term: u64) -> Snapshot {
    let state = ClusterState::genesis(fixture::genesis()).unwrap();
    Snapshot {
        at: Position { index, term },
        voters: state.voters().clone(),
        state: state.encode().into(),
    }
}

/// The same operations on a plain model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    hard_state: HardState,
    snapshot: Option<Snapshot>,
    start: Position,
    entries: Vec<LogEntry>,
}

impl Model {
    fn last(&self) -> u64 {
        self.start.index + self.entries.len() as u64
    }

    fn append(&mut self, hard_state: HardState, entries: &[LogEntry]) {
        if let Some(first) = entries.first() {
            self.entries.truncate((first.index - self.start.index - 1) as usize);
            self.entries.extend_from_slice(entries);
        }
        self.hard_state = hard_state;
    }

    fn position(&self, index: u64) -> Position {
        match index - self.start.index {
            0 => self.start,
            n => Position { index, term: self.entries[n as usize - 1].term },
        }
    }
}

/// What the recovered log must equal, apart from the commit index, which is only a hint.
fn matches(recovered: &Recovered, model: &Model) -> bool {
    let (a, b) = (recovered.hard_state, model.hard_state);
    (a.term, a.vote) == (b.term.max(model.snapshot.as_ref().map_or(0, |s| s.at.term)), b.vote)
        && recovered.snapshot == model.snapshot
        && recovered.start == model.start
        && recovered.entries == model.entries
}

fn open(dir: &MemDir) -> DirLog<MemDir> {
    DirLog::open(dir.clone(), CLUSTER, 1)
}

/// One operation on the log.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Append,
    /// Other entries in place of some that are there.
    Overwrite,
    Compact,
    /// A snapshot from the leader, beyond the log.
    Jump,
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Append, Self::Overwrite, Self::Compact, Self::Jump];
}

pub struct Run {
    random: Seeded,
    pub dir: MemDir,
    log: DirLog<MemDir>,
    acknowledged: Model,
    /// What the operation that was cut off would have made; any of them may be found.
    possible: Vec<Model>,
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let (random, dir) = (Seeded::new(seed), MemDir::new());
        let mut log = open(&dir);
        log.load().unwrap();
        Self { random, dir, log, acknowledged: Model::default(), possible: vec![] }
    }

    pub fn step(&mut self) -> Result<(), LogError> {
        if self.random.chance(12) { self.replace() } else { self.append() }
    }

    pub fn take(&mut self, step: Step) -> Result<(), LogError> {
        match step {
            Step::Append => self.append_from(0, 4),
            Step::Overwrite => self.append_from(2, 3),
            Step::Compact => self.replace_at(false),
            Step::Jump => self.replace_at(true),
        }
    }

    /// The step that was cut off was done before the cut.
    pub fn possible_is_done(&self) -> bool {
        self.possible.last() == Some(&self.acknowledged)
    }

    fn append(&mut self) -> Result<(), LogError> {
        let (back, count) = (self.random.below(4), self.random.below(4));
        self.append_from(back, count)
    }

    /// `back`: so many of the entries that may still change are written anew.
    fn append_from(&mut self, back: u64, count: u64) -> Result<(), LogError> {
        let model = &self.acknowledged;
        let settled = model.snapshot.as_ref().map_or(0, |s| s.at.index).max(model.start.index);
        let first = model.last() + 1 - back.min(model.last() - settled);
        let term = model.hard_state.term + self.random.below(2);
        let hard_state = HardState { term, vote: self.random.below(3), commit: 0 };
        let entries: Vec<LogEntry> =
            (0..count).map(|i| entry(&mut self.random, first + i, term)).collect();
        let mut next = model.clone();
        next.append(hard_state, &entries);
        self.possible = vec![next.clone()];
        self.log.append(hard_state, &entries)?;
        self.acknowledged = next;
        Ok(())
    }

    /// Compaction, or a snapshot from the leader that ends beyond the log.
    fn replace(&mut self) -> Result<(), LogError> {
        let far = self.random.chance(30);
        self.replace_at(far)
    }

    fn replace_at(&mut self, far: bool) -> Result<(), LogError> {
        let model = self.acknowledged.clone();
        let index = model.start.index + self.random.below(model.entries.len() as u64 + 1);
        let mut next = model.clone();
        if far || index == 0 {
            let at = Position { index: model.last() + 5, term: model.hard_state.term + 1 };
            (next.start, next.entries) = (at, vec![]);
            next.hard_state.term = at.term;
            next.snapshot = Some(snapshot(at.index, at.term));
        } else {
            let at = model.position(index);
            let older = model.snapshot.as_ref().map_or(0, |s| s.at.index);
            let at = if at.index < older { model.snapshot.as_ref().unwrap().at } else { at };
            next.snapshot = Some(snapshot(at.index, at.term));
            next.entries.drain(..(at.index - model.start.index) as usize);
            next.start = at;
        }
        let mut between = next.clone();
        if !(far || index == 0) {
            (between.start, between.entries) = (model.start, model.entries.clone());
        }
        between.hard_state = model.hard_state;
        self.possible = vec![between, next.clone()];
        let taken = next.snapshot.clone().unwrap();
        self.log.replace(&taken, next.hard_state, next.start, &next.entries)?;
        self.acknowledged = next;
        Ok(())
    }

    fn crash_and_check(&mut self) {
        let random = &mut self.random;
        self.dir.crash(|bound| random.below(bound));
        self.check_after_crash();
    }

    pub fn check_after_crash(&mut self) {
        self.log = open(&self.dir);
        let found = self.log.load().expect("a crash never damages");
        let whole = std::iter::once(&self.acknowledged).chain(&self.possible);
        let known = whole.into_iter().find(|model| matches(&found, model));
        let known = known.unwrap_or_else(|| panic!("neither old nor new: {found:?}"));
        self.acknowledged = known.clone();
        self.acknowledged.hard_state.term = found.hard_state.term;
        self.possible.clear();
        let again = open(&self.dir).load().unwrap();
        assert_eq!((again.torn_bytes, again.entries), (0, found.entries), "recovery is settled");
    }
}

#[test]
fn every_crash_leaves_the_acknowledged_log() {
    let mut torn = 0;
    for seed in 0..400 {
        let mut run = Run::new(seed);
        for _ in 0..6 {
            let until = run.random.below(30);
            run.dir.fail_after(until);
            while run.step().is_ok() {}
            torn += u32::from(!run.possible.is_empty());
            run.crash_and_check();
        }
    }
    assert!(torn > 500, "crashes must hit operations midway: {torn}");
}

#[test]
fn a_failed_sync_is_never_retried() {
    let mut run = Run::new(1);
    run.append().unwrap();
    run.dir.fail_after(1);
    assert!(matches!(run.append(), Err(LogError::Io(_))));
    run.dir.crash(|_| 0);
    assert!(matches!(run.append(), Err(LogError::Io(_))), "though the disk works again");
}

#[test]
fn damage_in_the_middle_is_refused() {
    for bit in [8 * 60, 8 * 100 + 3, 8 * 160 + 7] {
        let dir = MemDir::new();
        let mut log = open(&dir);
        log.load().unwrap();
        let mut random = Seeded::new(3);
        for index in 1..20 {
            log.append(HardState::default(), &[entry(&mut random, index, 1)]).unwrap();
        }
        dir.flip("log", bit);
        assert!(matches!(open(&dir).load(), Err(LogError::Damaged { .. })), "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_anywhere_loses_at_most_the_last_append_and_never_lies() {
    let dir = MemDir::new();
    let mut log = open(&dir);
    log.load().unwrap();
    let mut random = Seeded::new(5);
    let entries: Vec<LogEntry> = (1..6).map(|index| entry(&mut random, index, 1)).collect();
    for entry in &entries {
        log.append(HardState::default(), std::slice::from_ref(entry)).unwrap();
    }
    for bit in 0..dir.len("log") * 8 {
        let copy = MemDir::new();
        let mut writer = copy.clone();
        writer.create("log", &dir.clone().read("log").unwrap().unwrap()).unwrap();
        copy.flip("log", bit);
        if let Ok(found) = open(&copy).load() {
            assert_eq!(found.entries, entries[..4], "bit {bit}");
        }
    }
}

#[test]
fn another_peers_log_is_refused() {
    let dir = MemDir::new();
    open(&dir).load().unwrap();
    let mut other = DirLog::open(dir.clone(), CLUSTER, 2);
    assert!(matches!(other.load(), Err(LogError::Foreign { peer: 1, .. })));
    let mut other = DirLog::open(dir, Hex([8; 16]), 1);
    assert!(matches!(other.load(), Err(LogError::Foreign { .. })));
}

#[test]
fn a_lost_snapshot_is_refused() {
    let dir = MemDir::new();
    let mut log = open(&dir);
    log.load().unwrap();
    let at = Position { index: 9, term: 2 };
    log.replace(&snapshot(9, 2), HardState::default(), at, &[]).unwrap();
    dir.clone().rename("state", "gone").unwrap();
    assert!(matches!(open(&dir).load(), Err(LogError::Damaged { file: "state", .. })));
}

#[test]
fn the_real_directory_behaves_like_the_one_in_memory() {
    let path = std::env::temp_dir().join(format!("shoal-log-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let mut run = Run::new(9);
    let mut real = DirLog::open(FsDir::open(&path).unwrap(), CLUSTER, 1);
    assert!(!real.exists().unwrap());
    real.load().unwrap();
    for _ in 0..60 {
        run.step().unwrap();
        let model = &run.acknowledged;
        if let Some(snapshot) = model.snapshot.as_ref().filter(|s| s.at == model.start) {
            real.replace(snapshot, model.hard_state, model.start, &model.entries).unwrap();
        } else {
            real.append(model.hard_state, &model.entries).unwrap();
        }
    }
    let mut again = DirLog::open(FsDir::open(&path).unwrap(), CLUSTER, 1);
    assert!(matches(&again.load().unwrap(), &run.acknowledged));
    std::fs::OpenOptions::new()
        .append(true)
        .open(path.join("log"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"SHLRtorn"))
        .unwrap();
    let found = DirLog::open(FsDir::open(&path).unwrap(), CLUSTER, 1).load().unwrap();
    assert_eq!(found.torn_bytes, 8);
    assert!(matches(&found, &run.acknowledged));
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn damaged_entries_never_panic() {
    let mut random = Seeded::new(6);
    for _ in 0..20_000 {
        let entry = entry(&mut random, 3, 2);
        assert_eq!(decode::<LogEntry>(&encode(&entry)).unwrap(), entry);
        let mut bytes = encode(&entry);
        random.mutate(&mut bytes);
        let _ = decode::<LogEntry>(&bytes);
    }
}
