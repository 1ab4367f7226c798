//! The stores of this peer: opened at start, watched, closed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use serde_json::{Value, json};
use shoal_engine::head::ReportReason;
use shoal_engine::member::{Member, MemberConfig, Recovered};
use shoal_meta::local;
use shoal_meta::state::ClusterState;
use shoal_store::{
    Budget, Figures, LayerState, PROBE_BYTES, Params, Probe, RecoveryError, Store, probe,
};
use shoal_types::buffer::BufferPool;
use shoal_types::{DiskId, LayerId, PgEpoch, PgId, PgView};

use super::announce::{Standing, announce};
use super::left_groups::LeftGroups;
use super::log_marks::LogMarks;
use super::{Event, Supervisor, rebuild};
use crate::clock;
use crate::control::{ControlError, Responder};
use crate::disk::{DiskFile, read_edges};
use crate::io_thread::IoMessage;
use crate::peer::{LinkMessage, Links, ReplyPort};
use crate::ring::{Reactor, Sender, mailbox};
use crate::store_thread::{self, PeerPace, StoreMessage, StoreParts, StoreThread};

/// Pause before a store that could not be opened is tried again.
const RETRY_MS: u64 = 2_000;
/// Bytes of a resync under way per PG.
const COPY_WINDOW_BYTES: u32 = 4 << 20;

pub enum StoreState {
    /// Being recovered, or announced to the cluster.
    Opening,
    Open,
    /// Not usable; tried again at that time (never, if it makes no sense).
    Failed {
        reason: String,
        retry_at_ms: Option<u64>,
    },
    /// The disk answered nothing for too long: held back until that time, once it answers again.
    Stalled {
        back_at_ms: Option<u64>,
    },
    /// It answers, but too slowly: held back until that time.
    Slow {
        back_at_ms: u64,
    },
    /// A log write failed.
    Fenced,
}

pub struct StoreEntry {
    pub path: PathBuf,
    pub state: StoreState,
    pub sender: Option<Sender<StoreMessage>>,
    /// Its member says that the store lost writes: it takes part in nothing until it is full.
    pub is_fit: bool,
    /// It was so from the start of its thread on: else it is told where it counts.
    pub opened_fit: bool,
    pub figures: Option<Figures>,
    /// PGs whose views this store was told.
    pub pgs: HashSet<PgId>,
    /// Groups of which it may hold something without being a member.
    pub left: LeftGroups,
    /// Layers that it was told to delete.
    pub deleting: HashSet<LayerId>,
    /// Stalls in short order, and the last one.
    pub stalls: (u32, u64),
    /// When its thread last said that it is slow, and what a command may take, in milliseconds.
    pub slow: Option<(u64, u64)>,
    /// What is on the disk cannot be had: the cluster is to hear of it.
    pub is_lost: bool,
    /// Who added the disk, to be answered once its store serves.
    pub added: Option<(Responder, Value)>,
}

impl StoreEntry {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            state: StoreState::Opening,
            sender: None,
            is_fit: true,
            opened_fit: true,
            figures: None,
            pgs: HashSet::new(),
            left: LeftGroups::default(),
            deleting: HashSet::new(),
            stalls: (0, 0),
            slow: None,
            is_lost: false,
            added: None,
        }
    }

    pub fn state_name(&self) -> &'static str {
        match self.state {
            StoreState::Opening => "opening",
            StoreState::Open if !self.is_fit => "unfit",
            StoreState::Open => "open",
            StoreState::Failed { .. } => "failed",
            StoreState::Stalled { .. } => "stalled",
            StoreState::Slow { .. } => "slow",
            StoreState::Fenced => "fenced",
        }
    }
}

/// A recovered store on the thread that will serve it.
struct Opened {
    file: DiskFile,
    store: Box<Store>,
    figures: Figures,
    reactor: Reactor<crate::tag::Tag>,
}

impl Supervisor {
    /// Every disk of this peer's list. Called again when the cluster state becomes known.
    pub(super) fn open_known_disks(&mut self) {
        if self.context.meta.read(|_| ()).is_none() {
            return;
        }
        match self.context.files.disks() {
            Ok(lines) => lines.iter().for_each(|l| self.open_disk(DiskId(l.disk_id), &l.path)),
            Err(error) => eprintln!("the list of disks cannot be read: {error}"),
        }
    }

    pub(super) fn open_disk(&mut self, disk: DiskId, path: &Path) {
        let is_known = self.context.meta.read(|state| state.disks().contains_key(&disk));
        // One that is being added is opened once it is formatted.
        let is_begun = self.stores.contains_key(&disk) || self.adding.contains(path);
        if is_begun || is_known != Some(true) {
            return;
        }
        self.stores.insert(disk, StoreEntry::new(path));
        self.start_store(disk);
    }

    pub(super) fn start_store(&mut self, disk: DiskId) {
        let Some(cluster) = self.context.meta.read(|state| state.cluster_id()) else { return };
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        entry.state = StoreState::Opening;
        let (path, inlet) = (entry.path.clone(), self.context.inlet.clone());
        let budget = self.budgets()[&disk];
        let parts = self.store_links(disk);
        let marks = self.context.files.log_marks();
        let started = thread::Builder::new().name(format!("store-{disk}")).spawn(move || {
            store_main(disk, &path, cluster.0, budget, parts, &marks, inlet);
        });
        if let Err(error) = started {
            self.on_store_failed(disk, format!("no thread for the store: {error}"), true);
        }
    }

    fn store_links(&self, disk: DiskId) -> LinkParts {
        let others = self.stores.iter().filter(|(id, _)| **id != disk);
        let locals = others.filter_map(|(id, entry)| Some((*id, entry.sender.clone()?))).collect();
        let (book, dialer) = (self.context.book.clone(), self.context.dialer.clone());
        let (pool, peer_pace) = (self.context.pool.clone(), self.pace.peer.clone());
        LinkParts { book, dialer, locals, pool, peer_pace }
    }

    pub(super) fn on_store_failed(&mut self, disk: DiskId, reason: String, again: bool) {
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        let retry_at_ms = again.then(|| clock::now_ms() + RETRY_MS);
        let data = json!({ "disk_id": disk.0, "state": "failed", "reason": reason });
        if let Some((responder, _)) = entry.added.take() {
            responder.answer(Err(ControlError::new("io", reason.clone())));
        }
        entry.state = StoreState::Failed { reason, retry_at_ms };
        entry.sender = None;
        self.broadcast("store.changed", data);
    }

    /// Nothing of it can be had, unlike where nobody could be asked about it.
    pub(super) fn on_store_lost(&mut self, disk: DiskId, reason: String, again: bool) {
        self.on_store_failed(disk, reason, again);
        if let Some(entry) = self.stores.get_mut(&disk) {
            entry.is_lost = true;
        }
    }

    /// Whoever counts on it must not go on doing so; from then on it is counted as gone.
    pub(super) fn tell_lost_stores(&mut self) {
        if !self.is_current() {
            return;
        }
        let mut lost: Vec<DiskId> = Vec::new();
        for (disk, entry) in &mut self.stores {
            if std::mem::take(&mut entry.is_lost) {
                lost.push(*disk);
            }
        }
        for disk in lost {
            self.context.meta.report(disk, ReportReason::StoreFenced);
            self.set_down(disk, true);
        }
    }

    pub(super) fn retry_stores(&mut self) {
        let now_ms = clock::now_ms();
        let is_due = |entry: &StoreEntry| match entry.state {
            StoreState::Failed { retry_at_ms: Some(at), .. } => at <= now_ms,
            _ => false,
        };
        let due: Vec<DiskId> =
            self.stores.iter().filter(|(_, entry)| is_due(entry)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|disk| self.start_store(disk));
    }

    /// The store serves: tell everybody, and tell it everything.
    fn on_store_open(
        &mut self,
        disk: DiskId,
        sender: Sender<StoreMessage>,
        figures: Figures,
        is_fit: bool,
        deleted: Vec<LayerId>,
        known: Vec<PgId>,
    ) {
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        entry.state = StoreState::Open;
        entry.sender = Some(sender.clone());
        entry.figures = Some(figures);
        (entry.is_fit, entry.opened_fit) = (is_fit, is_fit);
        entry.is_lost = false;
        entry.pgs.clear();
        entry.left = LeftGroups::known_at_start(known);
        entry.deleting.clear();
        self.context.stores.insert(disk, sender.clone());
        self.forget_scrubs_of(disk);
        self.tell_local(disk, Some(&sender));
        self.tell_pace(&sender);
        self.share_memory();
        self.kept_map.tell_again();
        let views = self.context.meta.read(|state| {
            let records = state.tables().values().flat_map(|table| table.records());
            records.map(|record| record.view()).collect::<Vec<PgView>>()
        });
        if self.is_current() {
            self.forget_purged(&sender, deleted);
            self.tell_store_views(disk, &views.unwrap_or_default());
            self.sync_deletions();
            self.sync_scrubs();
        } else {
            self.forget_once_current(sender, deleted);
        }
        self.set_down(disk, false);
        self.broadcast("store.changed", json!({ "disk_id": disk.0, "state": "open" }));
        let added = self.stores.get_mut(&disk).and_then(|entry| entry.added.take());
        if let Some((responder, answer)) = added {
            responder.answer(Ok(answer));
        }
    }

    /// Layers that were deleted, and whose volume the cluster has forgotten meanwhile.
    pub(super) fn forget_purged(&self, sender: &Sender<StoreMessage>, deleted: Vec<LayerId>) {
        let known = self.context.meta.read(local::known_layers).unwrap_or_default();
        for layer in deleted.into_iter().filter(|layer| !known.contains(layer)) {
            sender.send(StoreMessage::ForgetLayer(layer));
        }
    }

    pub(super) fn tell_local(&self, disk: DiskId, store: Option<&Sender<StoreMessage>>) {
        let message = || LinkMessage::Local { disk, store: store.cloned() };
        for thread in &self.context.io_threads {
            thread.send(IoMessage::Link(message()));
        }
        for (other, entry) in self.stores.iter().filter(|(id, _)| **id != disk) {
            if let Some(sender) = &entry.sender {
                sender.send(StoreMessage::Link(message()));
            }
            debug_assert_ne!(*other, disk);
        }
    }

    /// Those of `views` that concern the store: it is a member, or was one when it was last told.
    pub(super) fn tell_store_views(&mut self, disk: DiskId, views: &[PgView]) {
        let (admitted, now_ms) = (self.admitted(disk, views), clock::now_ms());
        let Some(entry) = self.stores.get_mut(&disk) else { return };
        let Some(sender) = &entry.sender else { return };
        let mut concerned = Vec::new();
        for view in views {
            let is_member = view.members.contains(&disk);
            let was_member =
                if is_member { !entry.pgs.insert(view.pg) } else { entry.pgs.remove(&view.pg) };
            let has_left = entry.left.note(view, is_member, was_member, now_ms);
            if is_member || was_member || has_left {
                concerned.push(view.clone());
            }
        }
        if !concerned.is_empty() {
            sender.send(StoreMessage::Views(concerned));
        }
        if !admitted.is_empty() {
            sender.send(StoreMessage::Admit(admitted));
        }
    }

    /// Of a store that was opened as one made anew: where it counts now.
    fn admitted(&self, disk: DiskId, views: &[PgView]) -> Vec<(PgId, PgEpoch)> {
        if self.stores.get(&disk).is_none_or(|entry| entry.opened_fit) {
            return Vec::new();
        }
        let pgs = || views.iter().map(|view| view.pg);
        let counts = |state: &ClusterState| local::admitted(state, disk, pgs());
        self.context.meta.read(counts).unwrap_or_default()
    }
}

/// What a store's thread shares with the others.
struct LinkParts {
    book: Arc<crate::peer::AddressBook>,
    dialer: Arc<crate::peer::Dialer>,
    locals: Vec<(DiskId, Sender<StoreMessage>)>,
    pool: BufferPool,
    peer_pace: PeerPace,
}

/// The life of a store's thread.
fn store_main(
    disk: DiskId,
    path: &Path,
    cluster_id: [u8; 16],
    budget: Budget,
    links: LinkParts,
    marks: &LogMarks,
    inlet: super::Inlet,
) {
    let (sender, inbox) = match mailbox() {
        Ok(pair) => pair,
        Err(error) => return fail(&inlet, disk, format!("no mailbox: {error}"), true),
    };
    let opened = match open(disk, path, cluster_id, budget, inbox.wake_fd()) {
        Ok(opened) => opened,
        Err(NotOpened::Failed { reason, again }) => return lose(&inlet, disk, reason, again),
        Err(NotOpened::Damaged { reason }) => {
            return rebuild::make_anew(disk, path, reason, &inlet);
        }
    };
    let log_end = opened.figures.log_end;
    let lost_writes = marks.shows_loss(disk, &opened.store.identity().store_uuid, log_end);
    let Ok(said) = announce(disk, path, &opened.store, lost_writes, &inlet).recv() else { return };
    let is_fit = match said {
        Ok(Standing::Fit) => true,
        Ok(Standing::Unfit) => false,
        Ok(Standing::Worthless) => {
            drop(opened);
            return rebuild::fill_anew(disk, path, &inlet);
        }
        Err(reason) => return fail(&inlet, disk, reason, true),
    };
    let recovered = recovered(&opened.store);
    let deleted = recovered.deleted_layers.iter().map(|(_, layer)| *layer).collect();
    let known = recovered.pgs.iter().map(|(pg, _)| *pg).collect();
    let store_uuid = opened.store.identity().store_uuid;
    let position = Arc::new(AtomicU64::new(opened.store.log_position()));
    let config = MemberConfig { disk, fit: is_fit, copy_window_bytes: COPY_WINDOW_BYTES };
    let member = Member::new(config, recovered);
    let port: ReplyPort = {
        let sender = sender.clone();
        Arc::new(move |message| sender.send(StoreMessage::Link(message)))
    };
    let notices = {
        let inlet = inlet.clone();
        Arc::new(move |disk, notice| inlet.send(Event::Store(disk, notice)))
    };
    for (other, store) in links.locals {
        sender.send(StoreMessage::Link(LinkMessage::Local { disk: other, store: Some(store) }));
    }
    let thread = StoreThread::new(StoreParts {
        disk,
        file: opened.file,
        pool: links.pool,
        store: opened.store,
        member,
        reactor: opened.reactor,
        inbox,
        links: Links::new(port, links.book, links.dialer),
        peer_pace: links.peer_pace,
        notices,
        position: position.clone(),
    });
    let figures = opened.figures;
    inlet.go_on(move |supervisor| {
        supervisor.watch_log(disk, store_uuid, position);
        supervisor.on_store_open(disk, sender, figures, is_fit, deleted, known);
    });
    thread.run();
}

/// Why a store is not open.
enum NotOpened {
    /// `again`: another try makes sense.
    Failed { reason: String, again: bool },
    /// Its metadata is: nothing on it can be trusted.
    Damaged { reason: String },
}

pub(super) fn fail(inlet: &super::Inlet, disk: DiskId, reason: String, again: bool) {
    inlet.go_on(move |supervisor| supervisor.on_store_failed(disk, reason, again));
}

fn lose(inlet: &super::Inlet, disk: DiskId, reason: String, again: bool) {
    inlet.go_on(move |supervisor| supervisor.on_store_lost(disk, reason, again));
}

/// Open the disk and recover its store.
fn open(
    disk: DiskId,
    path: &Path,
    cluster_id: [u8; 16],
    budget: Budget,
    wake_fd: std::os::fd::RawFd,
) -> Result<Opened, NotOpened> {
    let again = |error: &dyn std::fmt::Display| NotOpened::Failed {
        reason: format!("{}: {error}", path.display()),
        again: true,
    };
    let file = DiskFile::open_when_free(path).map_err(|error| again(&error))?;
    let mut reactor =
        Reactor::new(store_thread::RING_ENTRIES, wake_fd).map_err(|error| again(&error))?;
    let params = Params {
        cluster_id,
        disk: Some(disk),
        device_bytes: file.size,
        start_id: crate::random::number(),
        budget,
    };
    let recovered =
        store_thread::recover(&file, params, &mut reactor).map_err(|error| again(&error))?;
    let (store, figures) = recovered.map_err(|error| {
        let reason = format!("{}: {error}", path.display());
        match error {
            RecoveryError::Damaged { .. } => NotOpened::Damaged { reason },
            // Wiped, or a format that was cut short. What holds anything else is not ours to take.
            RecoveryError::NoStore if is_blank(&file) => NotOpened::Damaged { reason },
            _ => NotOpened::Failed { reason, again: false },
        }
    })?;
    Ok(Opened { file, store, figures, reactor })
}

fn is_blank(file: &DiskFile) -> bool {
    let found = read_edges(file, PROBE_BYTES).map(|(first, last)| probe(&first, &last));
    found.is_ok_and(|found| matches!(found, Probe::Empty | Probe::Unfinished))
}

fn recovered(store: &Store) -> Recovered {
    let (live, deleted): (Vec<_>, Vec<_>) =
        store.layers().into_iter().partition(|(.., state)| *state == LayerState::Live);
    let named = |(layer, volume, _)| (volume, layer);
    Recovered {
        heads: store.volumes(),
        pgs: store.pgs(),
        watermarks: store.marks(),
        layers: live.into_iter().map(named).collect(),
        deleted_layers: deleted.into_iter().map(named).collect(),
    }
}
