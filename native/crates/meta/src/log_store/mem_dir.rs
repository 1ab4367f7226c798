//! A directory in memory that remembers what a crash may lose. For tests and the simulator.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::dir::Dir;

/// Clones share one directory, as two opens of one path do.
#[derive(Clone, Debug, Default)]
pub struct MemDir(Rc<RefCell<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    files: Vec<Content>,
    /// As the running process sees it.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Renames and creations since the last `sync_dir`, in order.
    pending: Vec<BTreeMap<String, usize>>,
    /// Mutating operations until every further one fails.
    fail_after: Option<u64>,
    syncs: u64,
    /// A disk that lies: a sync is answered, and nothing is durable by it.
    ignores_syncs: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

impl MemDir {
    pub fn new() -> Self {
        Self::default()
    }

    /// Power is lost. `draw(n)` gives a number below n: how much of what was not synced survives.
    pub fn crash(&self, mut draw: impl FnMut(u64) -> u64) {
        let mut disk = self.0.borrow_mut();
        let kept = draw(disk.pending.len() as u64 + 1) as usize;
        if kept > 0 {
            disk.durable_names = disk.pending[kept - 1].clone();
        }
        disk.pending.clear();
        disk.names = disk.durable_names.clone();
        disk.fail_after = None;
        for file in &mut disk.files {
            file.tear(&mut draw);
        }
    }

    /// Renames and creations that a crash may lose.
    pub fn pending_names(&self) -> usize {
        self.0.borrow().pending.len()
    }

    /// Power is lost: the first `names` of the pending renames and creations survive, and of each
    /// file whose end was not synced what `tear(bytes, synced)` leaves; the rest as it was synced.
    pub fn crash_as(&self, names: usize, mut tear: impl FnMut(&mut Vec<u8>, usize)) {
        let mut disk = self.0.borrow_mut();
        if names > 0 {
            disk.durable_names = disk.pending[names - 1].clone();
        }
        disk.pending.clear();
        disk.names = disk.durable_names.clone();
        disk.fail_after = None;
        for file in &mut disk.files {
            let synced = file.durable.len();
            match file.bytes.len() > synced && file.bytes.starts_with(&file.durable) {
                true => tear(&mut file.bytes, synced),
                false => file.bytes = file.durable.clone(),
            }
            file.durable = file.bytes.clone();
        }
    }

    /// From the `operations`-th one on, every change fails: a disk that died.
    pub fn fail_after(&self, operations: u64) {
        self.0.borrow_mut().fail_after = Some(operations);
    }

    /// From now on its disk lies.
    pub fn ignore_syncs(&self) {
        self.0.borrow_mut().ignores_syncs = true;
    }

    /// Files synced so far.
    pub fn syncs(&self) -> u64 {
        self.0.borrow().syncs
    }

    /// Flips one bit of what is stored; the caller's idea of bit rot.
    pub fn flip(&self, name: &str, bit: usize) {
        let mut disk = self.0.borrow_mut();
        let file = disk.names[name];
        for bytes in [0, 1] {
            let content = &mut disk.files[file];
            let bytes = if bytes == 0 { &mut content.bytes } else { &mut content.durable };
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    pub fn len(&self, name: &str) -> usize {
        let disk = self.0.borrow();
        disk.names.get(name).map_or(0, |file| disk.files[*file].bytes.len())
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().names.is_empty()
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.0.borrow_mut();
        match &mut disk.fail_after {
            Some(0) => return Err(io::Error::other("the disk died")),
            Some(left) => *left -= 1,
            None => {}
        }
        change(&mut disk)
    }
}

impl Content {
    /// Appended bytes survive up to some point, and the last ones of them as anything.
    fn tear(&mut self, draw: &mut impl FnMut(u64) -> u64) {
        let synced = self.durable.len();
        if self.bytes.len() > synced && self.bytes.starts_with(&self.durable) {
            let kept = synced + draw((self.bytes.len() - synced) as u64 + 1) as usize;
            let torn = draw((kept - synced) as u64 + 1) as usize;
            self.bytes.truncate(kept);
            self.bytes[kept - torn..].iter_mut().for_each(|byte| *byte = draw(256) as u8);
        } else if draw(2) == 0 {
            self.bytes = self.durable.clone();
        }
        self.durable = self.bytes.clone();
    }
}

impl Disk {
    fn file(&mut self, name: &str) -> &mut Content {
        let file = *self.names.entry(name.to_owned()).or_insert(self.files.len());
        if file == self.files.len() {
            self.files.push(Content::default());
            self.pending.push(self.names.clone());
        }
        &mut self.files[file]
    }
}

impl Dir for MemDir {
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let disk = self.0.borrow();
        Ok(disk.names.get(name).map(|file| disk.files[*file].bytes.clone()))
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|disk| {
            disk.names.remove(name);
            disk.file(name).bytes = bytes.to_vec();
            Ok(())
        })
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|disk| {
            disk.file(name).bytes.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.change(|disk| {
            disk.file(name).bytes.truncate(len as usize);
            Ok(())
        })
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.change(|disk| {
            disk.syncs += 1;
            if !disk.ignores_syncs {
                let file = disk.file(name);
                file.durable.clone_from(&file.bytes);
            }
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.change(|disk| {
            let missing = || io::Error::from(io::ErrorKind::NotFound);
            let file = disk.names.remove(from).ok_or_else(missing)?;
            disk.names.insert(to.to_owned(), file);
            disk.pending.push(disk.names.clone());
            Ok(())
        })
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.change(|disk| {
            disk.durable_names = disk.names.clone();
            disk.pending.clear();
            Ok(())
        })
    }
}
