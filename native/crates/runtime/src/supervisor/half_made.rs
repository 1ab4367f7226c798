//! Disks whose adding or removing was cut short by the end of the process.
//!
//! `adding.json` in the peer's directory names each store that is being added and where, from before
//! the cluster hears of it until `disks.json` lists it. At the next start, once the newest state of
//! the cluster is known: a store that is registered is listed, and then made and opened as any
//! that is blank; one that is not registered keeps its name for the next try. What is listed and
//! the cluster does not know was removed: it is struck off, and what it holds is left as it is.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use shoal_meta::hex::Hex;
use shoal_types::DiskId;

use super::Supervisor;
use super::peer_files::AddingLine;

/// Disks that this process takes in.
#[derive(Default)]
pub(super) struct Adding {
    paths: HashSet<PathBuf>,
    /// From then on a disk may be listed that the state here does not name yet.
    has_begun: bool,
}

impl Adding {
    /// False: it is being added already.
    pub fn begin(&mut self, path: &Path) -> bool {
        self.has_begun = true;
        self.paths.insert(path.to_owned())
    }

    pub fn end(&mut self, path: &Path) {
        self.paths.remove(path);
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

impl Supervisor {
    /// From now on it is a disk of this peer, whatever happens.
    pub(super) fn list_disk(&self, disk: DiskId, path: &Path) -> Result<(), String> {
        self.context.files.add_disk(disk, path)?;
        self.context.files.adding().end(path)
    }

    /// What was registered before the last end of the process, and not listed.
    pub(super) fn list_added_disks(&self) {
        let lines = match self.context.files.adding().lines() {
            Ok(lines) => lines,
            Err(error) => return eprintln!("what was being added cannot be read: {error}"),
        };
        for AddingLine { store, path } in lines {
            let known = self.context.meta.read(|state| disk_of(state, store));
            let Some(Some(disk)) = known.filter(|_| !self.adding.contains(&path)) else { continue };
            if let Err(error) = self.list_disk(disk, &path) {
                eprintln!("{disk} at {} cannot be listed: {error}", path.display());
            }
        }
    }

    /// Asked once, of the first state that is known to be the newest.
    pub(super) fn strike_off_removed_disks(&mut self) {
        let Some(me) = self.peer_id() else { return };
        if self.adding.has_begun {
            return;
        }
        for line in self.context.files.disks().unwrap_or_default() {
            let disk = DiskId(line.disk_id);
            let is_gone = self.context.meta.read(|state| {
                state.peers().contains_key(&me) && !state.disks().contains_key(&disk)
            });
            if is_gone != Some(true) {
                continue;
            }
            eprintln!("{disk} at {} was removed from the cluster", line.path.display());
            self.close_store(disk);
            if let Err(error) = self.context.files.remove_disk(disk) {
                eprintln!("{disk} cannot be struck off: {error}");
            }
        }
    }
}

fn disk_of(state: &shoal_meta::state::ClusterState, store: Hex<16>) -> Option<DiskId> {
    state.disks().values().find(|disk| disk.store == store).map(|disk| disk.id)
}
