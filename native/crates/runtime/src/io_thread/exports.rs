//! Which volumes this peer exports, for all NBD clients of all threads.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use shoal_nbd::{Export, ExportEntry, Exports, LookupError};

use super::HeadKey;

/// An export and the place that serves it.
#[derive(Clone, Debug)]
pub struct Served {
    pub export: Export,
    /// Index of the I/O thread that has the volume's head.
    pub thread: usize,
    pub head: HeadKey,
}

#[derive(Debug, Default)]
pub struct ExportDirectory {
    table: RwLock<Table>,
}

/// A HEAD IS FOUND UNDER ONE NAME ONLY, AND A NAME LEADS TO ONE HEAD: a volume may get another name
/// while it is exported, and the old one may be a new volume's by then.
#[derive(Debug, Default)]
struct Table {
    by_name: BTreeMap<String, Served>,
    names: HashMap<HeadKey, String>,
}

impl Table {
    fn insert(&mut self, served: Served) {
        if self.names.get(&served.head) != Some(&served.export.name) {
            self.remove(served.head);
        }
        let name = served.export.name.clone();
        self.names.insert(served.head, name.clone());
        if let Some(other) = self.by_name.insert(name, served.clone())
            && other.head != served.head
        {
            self.names.remove(&other.head);
        }
    }

    fn remove(&mut self, head: HeadKey) -> bool {
        let name = self.names.remove(&head);
        name.is_some_and(|name| self.by_name.remove(&name).is_some())
    }
}

impl ExportDirectory {
    /// Also under a new name: the head's old one is gone.
    pub fn insert(&self, served: Served) {
        self.write().insert(served);
    }

    /// Whatever its name is. False: it was not there.
    pub fn remove(&self, head: HeadKey) -> bool {
        self.write().remove(head)
    }

    pub fn get(&self, name: &str) -> Option<Served> {
        self.read().by_name.get(name).cloned()
    }

    /// Is the head to be found?
    pub fn has(&self, head: HeadKey) -> bool {
        self.read().names.contains_key(&head)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exports for ExportDirectory {
    fn list(&self) -> Vec<ExportEntry> {
        let entry = |served: &Served| ExportEntry {
            name: served.export.name.clone(),
            description: served.export.description.clone(),
        };
        self.read().by_name.values().map(entry).collect()
    }

    /// The empty name means the only export, if there is one only.
    fn find(&self, name: &str) -> Result<Export, LookupError> {
        let by_name = &self.read().by_name;
        let found = match name {
            "" if by_name.len() == 1 => by_name.values().next(),
            _ => by_name.get(name),
        };
        found.map(|served| served.export.clone()).ok_or(LookupError::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use shoal_nbd::BlockSizes;

    use super::*;

    fn served(name: &str, head: HeadKey) -> Served {
        let (name, description) = (name.to_owned(), String::new());
        let blocks = BlockSizes::BLOCKS;
        let export = Export { name, description, size: 4096, blocks, read_only: false };
        Served { export, thread: 0, head }
    }

    /// Name and head of each.
    fn all(directory: &ExportDirectory) -> Vec<(String, HeadKey)> {
        let names = directory.list().into_iter().map(|entry| entry.name);
        names.map(|name| (name.clone(), directory.get(&name).unwrap().head)).collect()
    }

    #[test]
    fn a_renamed_head_is_found_under_its_new_name_only() {
        let directory = ExportDirectory::default();
        directory.insert(served("a", 1));
        directory.insert(served("a", 1));
        directory.insert(served("b", 1));
        assert_eq!(all(&directory), [("b".to_owned(), 1)]);
        assert!(directory.has(1));
        assert!(directory.remove(1));
        assert!(!directory.remove(1) && !directory.has(1));
        assert_eq!(all(&directory), []);
    }

    #[test]
    fn the_end_of_a_head_takes_no_other_one_away() {
        let directory = ExportDirectory::default();
        directory.insert(served("a", 1));
        // The new "a" may be told of before the old one's new name.
        directory.insert(served("a", 2));
        assert!(!directory.remove(1), "its name is another's");
        directory.insert(served("b", 1));
        assert_eq!(all(&directory), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert!(directory.remove(1));
        assert_eq!(all(&directory), [("a".to_owned(), 2)]);
    }

    #[test]
    fn two_heads_may_change_names() {
        let directory = ExportDirectory::default();
        directory.insert(served("a", 1));
        directory.insert(served("b", 2));
        directory.insert(served("b", 1));
        directory.insert(served("a", 2));
        assert_eq!(all(&directory), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert!(directory.remove(2) && directory.remove(1));
    }
}
