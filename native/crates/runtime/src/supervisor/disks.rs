//! Looking at disks, taking them in, letting them go.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shoal_meta::hex::Hex;
use shoal_meta::state::{Applied, Command, Kind, NewDisk, Outcome, Rejection};
use shoal_store::{FormatParams, Identity, PROBE_BYTES, Probe, probe};
use shoal_types::DiskId;

use super::membership::{meta_error, no_cluster, settled};
use super::{Inlet, Supervisor, params};
use crate::control::{ControlError, Responder};
use crate::disk::{DiskFile, DiskKind, prepare_file, read_edges};
use crate::meta_thread::MetaError;
use crate::store_thread;

/// Share of a disk that is kept for deletes, folds and metadata.
const RESERVE_DIVISOR: u64 = 50;
/// So long a disk that is removed may take to end what is under way.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// Smallest step between two progress events.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

impl Supervisor {
    pub(super) fn probe_disk(&self, probe: params::Probe, responder: Responder) {
        thread::spawn(move || responder.answer(look_at(&probe.path).map(|found| found.json())));
    }

    /// Refuse what is not ours to take; then fill, register, format and open. ORDER: what was begun is
    /// written down before the cluster hears of it, and the list names the disk before it is
    /// formatted; so whatever is cut short is gone through with at the next start.
    pub(super) fn add_disk(&mut self, add: params::AddDisk, responder: Responder) {
        let Some(peer) = self.peer_id() else { return responder.answer(Err(no_cluster())) };
        // Also one that is not open (yet): it holds a store of ours.
        let listed = match self.context.files.disks() {
            Ok(lines) => lines.iter().any(|line| line.path == add.path),
            Err(error) => return responder.answer(Err(ControlError::new("io", error))),
        };
        let is_used = listed || self.stores.values().any(|entry| entry.path == add.path);
        if !is_used && add.existing {
            return self.bring_disk(add.path, responder);
        }
        if is_used || !self.adding.begin(&add.path) {
            let error = ControlError::new("exists", "this disk is in use by this peer already");
            return responder.answer(Err(error));
        }
        let inlet = self.context.inlet.clone();
        thread::spawn(move || {
            let prepared = prepare(&add, &inlet);
            inlet.go_on(move |supervisor| match prepared {
                Ok(size_bytes) => supervisor.register_disk(&add, size_bytes, peer, responder),
                Err(error) => supervisor.not_added(&add.path, error, responder),
            });
        });
    }

    fn register_disk(
        &mut self,
        add: &params::AddDisk,
        size_bytes: u64,
        peer: shoal_types::PeerId,
        responder: Responder,
    ) {
        let path = add.path.clone();
        let store = match self.context.files.adding().begin(&path) {
            Ok(store) => store,
            Err(error) => {
                return self.not_added(&path, ControlError::new("io", error), responder);
            }
        };
        let disk = NewDisk {
            peer,
            store: Hex(store),
            path: path.display().to_string(),
            size_bytes,
            class: add.class,
            weight: (size_bytes >> 30).max(1).min(u64::from(u32::MAX >> 1)) as u32,
            reserve_bytes: size_bytes / RESERVE_DIVISOR,
        };
        self.propose(Command::AddDisk { disk }, move |supervisor, result| {
            match registered(result) {
                Ok(disk) => supervisor.enlist(disk, store, path, size_bytes, responder),
                Err(error) => supervisor.not_added(&path, error, responder),
            }
        });
    }

    fn enlist(
        &mut self,
        disk: DiskId,
        store_uuid: [u8; 16],
        path: PathBuf,
        size_bytes: u64,
        responder: Responder,
    ) {
        let read = self.context.meta.read(|state| (state.cluster_id(), state.incarnation()));
        let Some((cluster, incarnation)) = read else {
            return self.not_added(&path, no_cluster(), responder);
        };
        if let Err(error) = self.list_disk(disk, &path) {
            return self.unregister(disk, &path, ControlError::new("io", error), responder);
        }
        let incarnation = u64::from(incarnation);
        let identity = Identity { cluster_id: cluster.0, disk, store_uuid, incarnation };
        let answer =
            json!({ "disk_id": disk.0, "store_uuid": Hex(store_uuid), "size": size_bytes });
        let inlet = self.context.inlet.clone();
        thread::spawn(move || {
            let formatted = format(&path, identity, 0);
            inlet.go_on(move |supervisor| match formatted {
                Ok(()) => supervisor.open_added(disk, &path, answer, responder),
                Err(error) => supervisor.unregister(disk, &path, error, responder),
            });
        });
    }

    fn open_added(&mut self, disk: DiskId, path: &Path, answer: Value, responder: Responder) {
        self.adding.end(path);
        self.open_disk(disk, path);
        match self.stores.get_mut(&disk) {
            // Nothing is placed on a disk before its store serves.
            Some(entry) => entry.added = Some((responder, answer)),
            None => responder.answer(Ok(answer)),
        }
    }

    /// The disk could not be made ours: the cluster forgets it again.
    fn unregister(&mut self, disk: DiskId, path: &Path, error: ControlError, responder: Responder) {
        if let Err(kept) = self.context.files.remove_disk(disk) {
            eprintln!("{kept}");
        }
        let path = path.to_owned();
        self.propose(Command::RemoveDisk { disk }, move |supervisor, _| {
            supervisor.not_added(&path, error, responder);
        });
    }

    fn not_added(&mut self, path: &Path, error: ControlError, responder: Responder) {
        self.adding.end(path);
        responder.answer(Err(error));
    }

    /// Close the store; the cluster already refused if the disk is still needed.
    pub(super) fn remove_disk(&mut self, disk: DiskId, responder: Responder) {
        if !self.stores.contains_key(&disk) {
            let error = ControlError::not_found(format!("disk {} is not on this peer", disk.0));
            return responder.answer(Err(error));
        }
        self.propose(Command::RemoveDisk { disk }, move |supervisor, result| match result {
            Ok(Ok(_)) => supervisor.drop_disk(disk, responder),
            Ok(Err(rejection)) => responder.answer(Err(super::membership::rejected(&rejection))),
            Err(error) => responder.answer(Err(meta_error(&error))),
        });
    }

    /// On a thread of its own: the disk may answer nothing any more, and leases are kept here meanwhile.
    fn drop_disk(&mut self, disk: DiskId, responder: Responder) {
        let path = self.stores.get(&disk).map(|entry| entry.path.clone());
        let ended = self.begin_close(disk);
        let inlet = self.context.inlet.clone();
        thread::spawn(move || {
            let erased = match (path, ended.map(|ended| ended.recv_timeout(SILENT_MAX))) {
                (_, Some(Err(RecvTimeoutError::Timeout))) => Err(silent()),
                (path, _) => path
                    .map_or(Ok(()), |path| erase(&path))
                    .map_err(|error| ControlError::io("marking the disk as free", &error)),
            };
            inlet.go_on(move |supervisor| responder.answer(supervisor.strike_off(disk, erased)));
        });
    }

    /// In this order: what is listed and unknown to the cluster is struck off at the next start.
    fn strike_off(
        &mut self,
        disk: DiskId,
        erased: Result<(), ControlError>,
    ) -> Result<Value, ControlError> {
        self.log_watch.end(disk);
        let io = |error: String| ControlError::new("io", error);
        self.context.files.remove_disk(disk).map_err(io)?;
        erased.map(|()| json!({}))
    }
}

fn silent() -> ControlError {
    let next = "pull it out; before it is used again: shoal disk add PATH --wipe --confirm PATH";
    let message = "the disk is removed, but answers nothing, so what it holds could not be erased";
    ControlError::new("io", message).with(json!({ "next": next }))
}

/// A store that the cluster knows already is of an earlier try: only this peer knows its name.
fn registered(result: Result<Outcome, MetaError>) -> Result<DiskId, ControlError> {
    match result {
        Ok(Err(Rejection::Exists { what: Kind::Disk, id })) => Ok(DiskId(id)),
        other => match settled(other)? {
            Applied::Disk { disk } => Ok(disk),
            other => Err(ControlError::new("internal", format!("answered {other:?}"))),
        },
    }
}

/// What is at a path.
struct Look {
    size: u64,
    kind: DiskKind,
    probe: Probe,
}

impl Look {
    fn json(&self) -> Value {
        let kind = match self.kind {
            DiskKind::Raw => "raw",
            DiskKind::File => "file",
        };
        let found = match &self.probe {
            Probe::Empty => Value::Null,
            other => json!({ "type": describe(other) }),
        };
        let refusal = refusal(&self.probe);
        json!({ "size": self.size, "kind": kind, "found": found, "refusal": refusal })
    }
}

fn look_at(path: &Path) -> Result<Look, ControlError> {
    let io = |error: io::Error| ControlError::io(&path.display().to_string(), &error);
    let disk = DiskFile::open(path).map_err(io)?;
    let (first, last) = read_edges(&disk, PROBE_BYTES).map_err(io)?;
    Ok(Look { size: disk.size, kind: disk.kind, probe: probe(&first, &last) })
}

pub(super) fn describe(found: &Probe) -> String {
    match found {
        Probe::Empty => "nothing".to_owned(),
        Probe::Unfinished => "a Shoal store that was never finished".to_owned(),
        Probe::Shoal(_) => "a Shoal store".to_owned(),
        Probe::Foreign { what } => what.to_string(),
        Probe::Damaged => "a damaged Shoal store".to_owned(),
        Probe::Newer { .. } => "a Shoal store of a newer version".to_owned(),
    }
}

fn refusal(found: &Probe) -> Option<String> {
    let what = match found {
        Probe::Empty | Probe::Unfinished => return None,
        other => describe(other),
    };
    Some(format!("it holds {what}; '--wipe --confirm PATH' destroys that"))
}

/// Make the disk ready: refuse what it holds, or wipe it; fill a file. Gives its size in bytes.
fn prepare(add: &params::AddDisk, inlet: &Inlet) -> Result<u64, ControlError> {
    let io = |error: io::Error| ControlError::io(&add.path.display().to_string(), &error);
    let exists = add.path.try_exists().map_err(io)?;
    if !exists && add.size.is_none() {
        return Err(ControlError::not_found(format!(
            "{} does not exist; for a file give its size",
            add.path.display()
        )));
    }
    if exists {
        let look = look_at(&add.path)?;
        if let (Some(refusal), false) = (refusal(&look.probe), add.wipe) {
            let found = json!({ "found": describe(&look.probe) });
            return Err(ControlError::new("refused", refusal).with(found));
        }
        if look.kind == DiskKind::Raw {
            erase(&add.path).map_err(io)?;
            return Ok(look.size);
        }
        erase(&add.path).map_err(io)?;
    }
    fill(add, inlet).map_err(io)?;
    Ok(DiskFile::open_when_free(&add.path).map_err(io)?.size)
}

fn fill(add: &params::AddDisk, inlet: &Inlet) -> io::Result<()> {
    let wanted = add.size.unwrap_or(0);
    let has = std::fs::metadata(&add.path).map_or(0, |meta| meta.len());
    let size = wanted.max(has) & !4095;
    let id = add.path.display().to_string();
    let mut told = None;
    // A format fills the logs in any case: what every acknowledgement waits for.
    let filled = if add.reserve { 0 } else { size };
    prepare_file(&add.path, size, filled, |done, total| {
        // Progress is for people; the clock has no part in any decision.
        #[allow(clippy::disallowed_methods, reason = "pace of progress messages")]
        let now = Instant::now();
        if done < total && told.is_some_and(|at| now.duration_since(at) < PROGRESS_EVERY) {
            return;
        }
        told = Some(now);
        let data = json!({
            "id": id, "kind": "disk_prepare", "done": done, "total": total, "unit": "bytes",
            "state": if done < total { "running" } else { "done" }, "message": null,
        });
        inlet.go_on(move |supervisor| supervisor.broadcast("task", data));
    })
}

/// Overwrite both ends, where every signature lies.
fn erase(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let disk = DiskFile::open_when_free(path)?;
    let length = PROBE_BYTES.min(disk.size as usize) & !4095;
    let zeros = shoal_types::buffer::AlignedBuf::zeroed(length);
    disk.file().write_all_at(&zeros, 0)?;
    disk.file().write_all_at(&zeros, disk.size - length as u64)?;
    drop(disk);
    OpenOptions::new().write(true).open(path)?.sync_all()
}

pub(super) fn format(path: &Path, identity: Identity, log_beyond: u64) -> Result<(), ControlError> {
    let io = |error: io::Error| ControlError::io(&path.display().to_string(), &error);
    let disk = DiskFile::open_when_free(path).map_err(io)?;
    let params = FormatParams { identity, device_bytes: disk.size, log_beyond };
    store_thread::format(&disk, params)
        .map_err(io)?
        .map_err(|error| ControlError::new("io", format!("{}: {error}", path.display())))
}
