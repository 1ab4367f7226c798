//! How far the logs of this peer's stores are known to have come, kept apart from the disks.
//!
//! The cluster hears a log's position at every start and every orderly end. A disk whose image is
//! replaced by an older one of the same run shows there as nothing unusual: its log lies beyond the
//! position of its start. So the peer keeps a mark of its own, moved on every second. What was
//! durable is never less than the mark said, so a log that ends before it lost writes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shoal_meta::hex::Hex;
use shoal_meta::state::Command;
use shoal_types::DiskId;
use shoal_types::checksum::crc32c;

use super::Supervisor;
use super::stores::{StoreEntry, StoreState};
use crate::clock;

/// Time between two looks at how far the logs have come.
const MARK_EVERY_MS: u64 = 1_000;
/// `store uuid 16, position u64, CRC-32C u32`, little endian: one write within one sector.
const MARK_BYTES: usize = 28;

/// Where the marks lie.
#[derive(Clone, Debug)]
pub struct LogMarks {
    dir: PathBuf,
}

/// A store at work.
struct Watched {
    file: File,
    store: [u8; 16],
    position: Arc<AtomicU64>,
    marked: u64,
}

#[derive(Default)]
pub struct Watch {
    stores: HashMap<DiskId, Watched>,
    looked_ms: u64,
}

impl LogMarks {
    pub fn new(peer_dir: &Path) -> Self {
        Self { dir: peer_dir.join("log-marks") }
    }

    /// Position that the log of this store had reached. `None`: nothing is known of it.
    pub fn read(&self, disk: DiskId, store: &[u8; 16]) -> Option<u64> {
        let mut bytes = [0; MARK_BYTES];
        let file = File::open(self.path(disk)).ok()?;
        file.read_exact_at(&mut bytes, 0).ok()?;
        decode(&bytes, store)
    }

    /// A log that ended here is not all that this store had made durable.
    pub fn shows_loss(&self, disk: DiskId, store: &[u8; 16], log_end: u64) -> bool {
        self.read(disk, store).is_some_and(|mark| log_end < mark)
    }

    /// Before the store is made anew: what it had does not count any more.
    pub fn forget(&self, disk: DiskId) {
        let _there_may_be_none = fs::remove_file(self.path(disk));
    }

    fn open(&self, disk: DiskId) -> io::Result<File> {
        fs::create_dir_all(&self.dir)?;
        OpenOptions::new().write(true).create(true).truncate(false).open(self.path(disk))
    }

    fn path(&self, disk: DiskId) -> PathBuf {
        self.dir.join(disk.0.to_string())
    }
}

impl Watch {
    pub fn begin(
        &mut self,
        marks: &LogMarks,
        disk: DiskId,
        store: [u8; 16],
        position: Arc<AtomicU64>,
    ) -> io::Result<()> {
        let file = marks.open(disk)?;
        self.stores.insert(disk, Watched { file, store, position, marked: u64::MAX });
        Ok(())
    }

    /// The last mark of a store that is closed.
    pub fn end(&mut self, disk: DiskId) {
        if let Some(mut watched) = self.stores.remove(&disk) {
            watched.mark(disk);
        }
    }

    /// NOT SYNCED: it has to outlive the process alone, and what the kernel wrote of it by itself is
    /// true after a power cut as well. A sync would cost the peer's own disk something every second.
    pub fn look(&mut self, now_ms: u64) {
        if now_ms < self.looked_ms + MARK_EVERY_MS {
            return;
        }
        self.looked_ms = now_ms;
        for (disk, watched) in &mut self.stores {
            watched.mark(*disk);
        }
    }

    pub fn positions(&self) -> Vec<(DiskId, [u8; 16], u64)> {
        let position = |watched: &Watched| watched.position.load(Ordering::Relaxed);
        self.stores.iter().map(|(disk, w)| (*disk, w.store, position(w))).collect()
    }
}

impl Watched {
    fn mark(&mut self, disk: DiskId) {
        let position = self.position.load(Ordering::Relaxed);
        if position == self.marked {
            return;
        }
        match self.file.write_all_at(&encode(&self.store, position), 0) {
            Ok(()) => self.marked = position,
            Err(error) => eprintln!("the mark of {disk}'s log was not written: {error}"),
        }
    }
}

impl Supervisor {
    pub(super) fn mark_logs(&mut self) {
        self.log_watch.look(clock::now_ms());
    }

    pub(super) fn watch_log(&mut self, disk: DiskId, store: [u8; 16], position: Arc<AtomicU64>) {
        let marks = self.context.files.log_marks();
        if let Err(error) = self.log_watch.begin(&marks, disk, store, position) {
            eprintln!("{disk}'s log gets no mark: {error}");
        }
    }

    /// At an orderly end the cluster hears it too: then not even the peer's directory can be taken
    /// back together with its disks unnoticed.
    pub(super) fn announce_logs(&self) {
        for (disk, store, session) in self.log_watch.positions() {
            let is_open = |entry: &StoreEntry| {
                entry.is_fit && !matches!(entry.state, StoreState::Fenced | StoreState::Opening)
            };
            if self.stores.get(&disk).is_some_and(is_open) {
                let command = Command::AnnounceStore { disk, store: Hex(store), session };
                self.propose(command, |_, _| {});
            }
        }
    }
}

fn encode(store: &[u8; 16], position: u64) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..16].copy_from_slice(store);
    bytes[16..24].copy_from_slice(&position.to_le_bytes());
    let sum = crc32c(&bytes[..24]);
    bytes[24..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// What is torn or another store's says nothing.
fn decode(bytes: &[u8; MARK_BYTES], store: &[u8; 16]) -> Option<u64> {
    let sum = u32::from_le_bytes(bytes[24..].try_into().expect("four bytes"));
    let ours = bytes[..16] == store[..] && sum == crc32c(&bytes[..24]);
    ours.then(|| u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: DiskId = DiskId(7);
    const STORE: [u8; 16] = [3; 16];

    #[test]
    fn a_log_that_ends_before_its_mark_lost_writes() {
        let dir = std::env::temp_dir().join(format!("shoal-marks-{}", std::process::id()));
        let marks = LogMarks::new(&dir);
        assert!(!marks.shows_loss(DISK, &STORE, 0), "nothing is known yet");
        let (mut watch, position) = (Watch::default(), Arc::new(AtomicU64::new(500)));
        watch.begin(&marks, DISK, STORE, position.clone()).unwrap();
        watch.look(MARK_EVERY_MS);
        assert_eq!(marks.read(DISK, &STORE), Some(500));
        position.store(900, Ordering::Relaxed);
        watch.look(MARK_EVERY_MS + 1);
        assert_eq!(marks.read(DISK, &STORE), Some(500), "paced");
        watch.look(2 * MARK_EVERY_MS);
        // An image of the same run, and a log that only lost its last batch.
        assert!(marks.shows_loss(DISK, &STORE, 501) && marks.shows_loss(DISK, &STORE, 899));
        assert!(!marks.shows_loss(DISK, &STORE, 900) && !marks.shows_loss(DISK, &STORE, 901));
        // Filled anew under its own name, the store begins with a mark of its own.
        position.store(40, Ordering::Relaxed);
        watch.end(DISK);
        assert_eq!(marks.read(DISK, &STORE), Some(40), "the end is marked at once");
        marks.forget(DISK);
        assert_eq!(marks.read(DISK, &STORE), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_torn_or_anothers_says_nothing() {
        let whole = encode(&STORE, 77);
        assert_eq!(decode(&whole, &STORE), Some(77));
        assert_eq!(decode(&whole, &[4; 16]), None);
        for at in 0..MARK_BYTES {
            let mut torn = whole;
            torn[at] ^= 0x40;
            assert_eq!(decode(&torn, &STORE), None, "byte {at}");
        }
    }
}
