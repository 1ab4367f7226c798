//! Which volumes this peer exports, for all NBD clients of all threads.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

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
    by_name: RwLock<BTreeMap<String, Served>>,
}

impl ExportDirectory {
    pub fn insert(&self, served: Served) {
        let mut table = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(served.export.name.clone(), served);
    }

    pub fn remove(&self, name: &str) {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    pub fn get(&self, name: &str) -> Option<Served> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl Exports for ExportDirectory {
    fn list(&self) -> Vec<ExportEntry> {
        let table = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let entry = |served: &Served| ExportEntry {
            name: served.export.name.clone(),
            description: served.export.description.clone(),
        };
        table.values().map(entry).collect()
    }

    /// The empty name means the only export, if there is one only.
    fn find(&self, name: &str) -> Result<Export, LookupError> {
        let table = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let found = match name {
            "" if table.len() == 1 => table.values().next(),
            _ => table.get(name),
        };
        found.map(|served| served.export.clone()).ok_or(LookupError::Unknown)
    }
}
