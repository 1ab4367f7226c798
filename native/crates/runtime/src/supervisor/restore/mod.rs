//! Beginning anew from what the disks keep, when the directories of all peers are lost.

mod choose;
mod read;

use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};
use shoal_meta::hex::Hex;
use shoal_meta::log_store::{DirLog, FsDir};
use shoal_meta::raft::refound;
use shoal_meta::state::{ClusterState, NewPeer, Severity};
use shoal_types::{DiskId, PeerId};
use shoal_wire::identity::{Membership, SecretKey};

use super::membership::{hex, meta_error, no_cluster, rejected};
use super::peer_files::ClusterFile;
use super::{Supervisor, params};
use crate::clock;
use crate::control::{ControlError, Responder};
use read::Found;

/// What the disks gave.
struct Survey {
    found: Vec<Found>,
    unreadable: Vec<String>,
}

impl Supervisor {
    /// Only on a peer that is in no cluster: whoever has a state goes on from that.
    pub(super) fn restore(&mut self, restore: params::Restore, responder: Responder) {
        if self.peer_id().is_some() {
            let message = "this peer belongs to a cluster, whose state it has: use 'shoal cluster \
                           recover' without --from-disks";
            return responder.answer(Err(ControlError::new("exists", message)));
        }
        let inlet = self.context.inlet.clone();
        // Reading disks blocks.
        thread::spawn(move || {
            let survey = look(&restore.disks);
            inlet.go_on(move |supervisor| supervisor.restore_from(&restore, survey, responder));
        });
    }

    fn restore_from(&mut self, restore: &params::Restore, survey: Survey, responder: Responder) {
        let Survey { found, unreadable } = survey;
        let state = match choose::choose(&found) {
            Ok(state) => state,
            Err(refused) => {
                let why = std::iter::once(refused.to_string()).chain(unreadable);
                let message = why.collect::<Vec<_>>().join("; ");
                return responder.answer(Err(ControlError::new("refused", message)));
            }
        };
        let view = choose::view(&found, state, &unreadable);
        if restore.dry_run {
            return responder.answer(Ok(view));
        }
        if restore.name.as_deref() != Some(state.name()) {
            let message = format!("these disks are of the cluster named {}", state.name());
            return responder.answer(Err(ControlError::bad_request(message)));
        }
        let disks: Vec<(DiskId, PathBuf)> = choose::usable(&found, state)
            .iter()
            .map(|one| (one.identity.disk, one.path.clone()))
            .collect();
        match self.begin_anew(state.clone(), restore, &disks) {
            Ok(peer) => self.answer_restored(view, peer, responder),
            Err(error) => responder.answer(Err(error)),
        }
    }

    /// THE CLUSTER FILE COMES LAST: without it this peer is in no cluster, and begins anew.
    fn begin_anew(
        &mut self,
        state: ClusterState,
        restore: &params::Restore,
        disks: &[(DiskId, PathBuf)],
    ) -> Result<PeerId, ControlError> {
        let internal = |error: String| ControlError::new("internal", error);
        let io = |error: &dyn std::fmt::Display| ControlError::new("io", error.to_string());
        let identity = self.context.files.identity().map_err(internal)?;
        let authority = SecretKey::generate()
            .map_err(|_| internal("the system gives no randomness".to_owned()))?;
        let peer = NewPeer {
            name: restore.peer_name.clone(),
            public_key: Hex(identity.public().0),
            addresses: restore.addresses.clone(),
            domains: restore.domains.clone(),
            witness: false,
        };
        let (state, me) = state
            .restored_by(peer, Hex(authority.public().0), clock::wall_ms())
            .map_err(|rejection| rejected(&rejection))?;
        // What was cut short before, a founding or another restore, is of no cluster.
        self.context.files.forget_cluster().map_err(|error| io(&error))?;
        self.context.files.replace_authority(&authority).map_err(internal)?;
        let dir = FsDir::open(self.context.files.meta_dir()).map_err(|error| io(&error))?;
        let mut log = DirLog::open(dir, state.cluster_id(), me.0);
        refound(&mut log, &state, 0).map_err(|error| io(&error))?;
        for (disk, path) in disks {
            self.context.files.add_disk(*disk, path).map_err(|error| io(&error))?;
        }
        let record = Membership {
            cluster: state.cluster_id().0,
            incarnation: u64::from(state.incarnation()),
            peer: me,
            key: identity.public(),
        };
        let file = ClusterFile {
            version: ClusterFile::VERSION,
            cluster_id: state.cluster_id(),
            peer_id: me.0,
            authority_key: Hex(authority.public().0),
            membership: hex(&record.sign(&authority)),
            contacts: Vec::new(),
        };
        self.enter(&file).map_err(internal)?;
        Ok(me)
    }

    fn answer_restored(&mut self, mut view: Value, peer: PeerId, responder: Responder) {
        let inlet = self.context.inlet.clone();
        self.context.meta.barrier(move |result| {
            inlet.go_on(move |supervisor| {
                supervisor.sync();
                let incarnation = supervisor.context.meta.read(ClusterState::incarnation);
                view["incarnation"] = json!(incarnation);
                view["peer_id"] = json!(peer.0);
                responder.answer(result.map(|()| view).map_err(|error| meta_error(&error)));
            });
        });
    }

    /// A disk of this cluster that its state waits for since it was restored: taken in as it is.
    pub(super) fn bring_disk(&mut self, path: PathBuf, responder: Responder) {
        let inlet = self.context.inlet.clone();
        thread::spawn(move || {
            let found = read::read(&path);
            inlet.go_on(move |supervisor| match found {
                Ok(found) => supervisor.take_in(&found, responder),
                Err(why) => responder.answer(Err(ControlError::new("refused", why))),
            });
        });
    }

    /// The cluster was restored from an older state than it might have been.
    fn note_newer_state(&self, found: &Found) {
        let Ok(kept) = &found.kept else { return };
        let restored =
            self.context.meta.read(|state| (state.incarnation(), state.restored().index));
        let Some((incarnation, index)) = restored else { return };
        if kept.incarnation() + 1 != incarnation || kept.index() <= index {
            return;
        }
        let disk = found.identity.disk;
        let message = format!(
            "{disk} keeps a newer state (index {}) than the one that the cluster was restored from \
             ({index}): what was decided between them is lost",
            kept.index()
        );
        self.note(Severity::Warn, "newer_state_seen", message, format!("disk:{}", disk.0));
    }

    fn take_in(&mut self, found: &Found, responder: Responder) {
        let disk = found.identity.disk;
        let known = self.context.meta.read(|state| {
            if state.cluster_id().0 != found.identity.cluster_id {
                return Err("it holds a store of another cluster");
            }
            let record = state.disks().get(&disk);
            let record = record.filter(|known| known.store.0 == found.identity.store_uuid);
            let size = record.ok_or("the cluster does not know the store on it")?.size_bytes;
            match state.restored().missing.contains(&disk) {
                true => Ok(size),
                false => Err("the cluster does not miss it: its peer has it"),
            }
        });
        let size = match known {
            None => return responder.answer(Err(no_cluster())),
            Some(Err(why)) => {
                let message = format!("{}: {why}", found.path.display());
                return responder.answer(Err(ControlError::new("refused", message)));
            }
            Some(Ok(size)) => size,
        };
        self.note_newer_state(found);
        if let Err(error) = self.context.files.add_disk(disk, &found.path) {
            return responder.answer(Err(ControlError::new("io", error)));
        }
        self.open_disk(disk, &found.path);
        let store = Hex(found.identity.store_uuid);
        let answer = json!({ "disk_id": disk.0, "store_uuid": store, "size": size });
        match self.stores.get_mut(&disk) {
            Some(entry) => entry.added = Some((responder, answer)),
            None => responder.answer(Ok(answer)),
        }
    }
}

fn look(paths: &[PathBuf]) -> Survey {
    let mut survey = Survey { found: Vec::new(), unreadable: Vec::new() };
    for path in paths {
        match read::read(Path::new(path)) {
            Ok(found) => survey.found.push(found),
            Err(why) => survey.unreadable.push(why),
        }
    }
    survey
}
