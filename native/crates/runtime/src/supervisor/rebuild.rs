//! A store whose metadata is damaged, or that lost writes, is made anew: what it held is on the other members, and comes
//! back by full resyncs. Never where it is the last one that is in sync: then people decide.
//!
//! ORDER: the cluster takes the disk out of all in-sync sets and marks it `full`, DURABLY; only then
//! is the store formatted, under its own name and with a log that begins beyond all that the
//! cluster ever heard of it (docs/protocol.md rule 30).

use std::path::{Path, PathBuf};

use serde_json::json;
use shoal_meta::local;
use shoal_meta::state::{Command, Outcome, Severity};
use shoal_store::Identity;
use shoal_types::DiskId;

use super::stores::{StoreEntry, StoreState, fail};
use super::{Inlet, Supervisor, disks};
use crate::meta_thread::MetaError;

/// The store of this disk cannot be opened: begin anew if nothing is lost by it.
pub(super) fn make_anew(disk: DiskId, path: &Path, reason: String, inlet: &Inlet) {
    let path = path.to_owned();
    inlet.go_on(move |supervisor| supervisor.mark_damaged(disk, path, reason));
}

/// The store of this disk lost writes, the cluster has marked it, and needs nothing of it. Only made
/// anew it gets a log that lies beyond the one that was lost, and is believed at the next start.
pub(super) fn fill_anew(disk: DiskId, path: &Path, inlet: &Inlet) {
    let path = path.to_owned();
    inlet.go_on(move |supervisor| {
        supervisor.format_anew(disk, path, "it lost writes, or is an older image".to_owned());
    });
}

impl Supervisor {
    fn mark_damaged(&mut self, disk: DiskId, path: PathBuf, reason: String) {
        let last = self.context.meta.read(|state| local::last_in_sync(state, disk)).unwrap_or(1);
        if last > 0 {
            let reason = format!("{reason}; it is the last copy of {last} placement groups");
            let message = format!("{disk} cannot be opened, and is left as it is: {reason}");
            self.note(Severity::Error, "store_damaged", message, format!("disk:{}", disk.0));
            return self.on_store_lost(disk, reason, false);
        }
        let command = Command::MarkStoreUnfit { disk };
        self.propose(command, move |supervisor, result| match is_out(&result) {
            true => supervisor.format_anew(disk, path, reason),
            false => supervisor.on_store_failed(disk, reason, true),
        });
    }

    fn format_anew(&mut self, disk: DiskId, path: PathBuf, reason: String) {
        let known = self.context.meta.read(|state| {
            let record = state.disks().get(&disk)?;
            let identity = Identity {
                cluster_id: state.cluster_id().0,
                disk,
                store_uuid: record.store.0,
                incarnation: u64::from(record.incarnation),
            };
            Some((identity, record.store_session))
        });
        let Some(Some((identity, session))) = known else {
            return self.on_store_failed(disk, reason, true);
        };
        let message = format!("{disk} is damaged ({reason}) and is filled anew from other copies");
        self.note(Severity::Error, "store_rebuilt", message, format!("disk:{}", disk.0));
        self.context.files.log_marks().forget(disk);
        let inlet = self.context.inlet.clone();
        std::thread::spawn(move || match disks::format(&path, identity, session) {
            Ok(()) => inlet.go_on(move |supervisor| supervisor.start_store(disk)),
            Err(error) => fail(&inlet, disk, format!("{reason}; {}", error.message), true),
        });
    }

    /// Those that were filled meanwhile are as good as any.
    pub(super) fn refit_stores(&mut self) {
        let unfit = |(_, entry): &(&DiskId, &StoreEntry)| {
            !entry.is_fit && matches!(entry.state, StoreState::Open)
        };
        let unfit: Vec<DiskId> = self.stores.iter().filter(unfit).map(|(disk, _)| *disk).collect();
        for disk in unfit.into_iter().filter(|disk| self.is_filled(*disk)).collect::<Vec<_>>() {
            if let Some(entry) = self.stores.get_mut(&disk) {
                entry.is_fit = true;
            }
            self.broadcast("store.changed", json!({ "disk_id": disk.0, "state": "open" }));
        }
    }

    /// No group waits to be filled anew here: then the store may serve wherever it is a member.
    pub(super) fn is_filled(&self, disk: DiskId) -> bool {
        self.context.meta.read(|state| local::is_filled(state, disk)) == Some(true)
    }
}

pub(super) fn is_out(result: &Result<Outcome, MetaError>) -> bool {
    result.as_ref().is_ok_and(local::is_out)
}
