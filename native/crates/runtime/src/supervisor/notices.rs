//! What heads and stores want of the cluster.

use serde_json::json;
use shoal_engine::head::{HeadCommand, HeadEvent, ReportReason};
use shoal_engine::member::JoinFailure;
use shoal_meta::hex::Hex;
use shoal_meta::local;
use shoal_meta::state::{Command, InSyncItem, Outcome, Severity};
use shoal_types::{DiskId, PgEpoch, PgId, StoreError, VolumeId};

use super::Supervisor;
use super::stores::StoreState;
use crate::io_thread::{HeadKey, HeadNotice};
use crate::meta_thread::MetaError;
use crate::store_thread::StoreNotice;

impl Supervisor {
    /// Propose, and go on here with what came of it.
    pub(super) fn propose(
        &self,
        command: Command,
        next: impl FnOnce(&mut Self, Result<Outcome, MetaError>) + Send + 'static,
    ) {
        let inlet = self.context.inlet.clone();
        self.context.meta.propose(Hex(crate::random::bytes()), command, move |result| {
            let outcome = result.map(|proposed| proposed.outcome);
            inlet.go_on(move |supervisor| next(supervisor, outcome));
        });
    }

    pub(super) fn on_head_notice(&mut self, notice: HeadNotice) {
        let HeadNotice { key, volume, command } = notice;
        if self.heads.get(&volume).is_none_or(|entry| entry.key != key) {
            return;
        }
        match command {
            // Not a loss: whoever is in sync refuses at admission. A joiner has to wait for room.
            HeadCommand::ReportUnreachable { disk, reason: ReportReason::Full { pg } } => {
                self.give_up_join(disk, pg);
            }
            HeadCommand::ReportUnreachable { disk, reason } => {
                self.context.meta.report(disk, reason);
            }
            HeadCommand::RefreshView { pg, asked } => self.refresh_view(volume, key, pg, asked),
            HeadCommand::BadBlock { disk, pg, layer, block } => {
                let message = format!("{disk} has a bad copy of block {block} of {layer} ({pg})");
                self.note(Severity::Warn, "bad_block", message, format!("disk:{}", disk.0));
            }
            HeadCommand::Active { .. } => self.on_active(volume),
            HeadCommand::Released => self.on_released(volume),
            HeadCommand::Fenced { .. } => self.on_head_ended(volume),
            HeadCommand::Send { .. } | HeadCommand::Complete { .. } => {
                unreachable!("carried out on the I/O thread")
            }
        }
    }

    /// Linearizably: what was committed before now is applied here before the view is read.
    fn refresh_view(&self, volume: VolumeId, key: HeadKey, pg: PgId, asked: u64) {
        let inlet = self.context.inlet.clone();
        self.context.meta.barrier(move |result| {
            inlet.go_on(move |supervisor| {
                let view = supervisor.context.meta.read(|s| s.pg(pg).map(|record| record.view()));
                // Not answered, it is asked for again by the head as long as it needs it.
                let same = supervisor.heads.get(&volume).is_some_and(|entry| entry.key == key);
                if let (Ok(()), Some(Some(view)), true) = (result, view, same) {
                    supervisor.tell_head(volume, HeadEvent::Newest { view, asked });
                }
            });
        });
    }

    pub(super) fn on_store_notice(&mut self, disk: DiskId, notice: StoreNotice) {
        match notice {
            StoreNotice::JoinDone { pg, join_at, source } => {
                self.finish_join(InSyncItem { pg, disk, join_at, source });
            }
            StoreNotice::JoinFailed {
                pg, reason: JoinFailure::Store(StoreError::NoSpace), ..
            } => self.give_up_join(disk, pg),
            StoreNotice::JoinFailed { pg, join_at, reason } => {
                eprintln!("resync of {pg} on {disk} must start over: {reason:?}");
                self.on_join_failed(disk, pg, join_at);
            }
            StoreNotice::LayerDeleted { layer } => self.on_layer_deleted(disk, layer),
            StoreNotice::MapRefused(refused) => self.on_map_refused(disk, refused),
            StoreNotice::Stalled => self.on_stalled(disk),
            StoreNotice::Moving => self.on_moving(disk),
            StoreNotice::Slow { limit_ms, is_very } => self.on_slow(disk, limit_ms, is_very),
            StoreNotice::Repairs { repaired, postponed, lost } => {
                self.on_repairs(disk, repaired, postponed, &lost);
            }
            StoreNotice::ScrubDone(result) => self.on_scrub_done(disk, &result),
            StoreNotice::ScrubAt(at) => self.keep_scrub_place(disk, at),
            StoreNotice::Failing { read_errors, bad_blocks } => {
                self.on_disk_failing(disk, read_errors, bad_blocks);
            }
            StoreNotice::Fenced => self.on_store_out(disk, "a log write or sync failed"),
            StoreNotice::Lost { error } => {
                self.on_store_out(disk, &format!("the store cannot go on: {error:?}"));
            }
        }
    }

    /// Rule 26. The member says it once: it is repeated until the cluster has answered, and a
    /// session that it refuses begins anew.
    fn finish_join(&self, item: InSyncItem) {
        let InSyncItem { pg, disk, join_at, .. } = item;
        let command = Command::PgInSync { items: vec![item] };
        self.propose(command, move |supervisor, result| match result {
            Ok(Ok(_)) => supervisor.restart_join(disk, pg, join_at),
            Ok(Err(rejection)) => eprintln!("{pg} on {disk} is not in sync: {rejection:?}"),
            Err(_) if supervisor.is_joining(item) => supervisor.finish_join(item),
            Err(_) => {}
        });
    }

    fn is_joining(&self, item: InSyncItem) -> bool {
        self.context.meta.read(|state| local::is_joining(state, &item)) == Some(true)
    }

    /// No room: this session is given up; others of the disk may have found theirs.
    fn give_up_join(&self, disk: DiskId, pg: PgId) {
        let join_at = self.context.meta.read(|state| local::join_of(state, disk, pg));
        if let Some(Some(join_at)) = join_at {
            self.cancel_join(disk, pg, join_at);
        }
    }

    /// Repeated as long as it lasts: the group may have changed meanwhile. THE CONTROL PLANE WAITS BY THE
    /// EVENT before it tries again; of all that ask for the same, one is heard.
    fn cancel_join(&self, disk: DiskId, pg: PgId, join_at: PgEpoch) {
        let cancel = self.context.meta.read(|s| local::cancel_join(s, disk, pg, join_at));
        if let Some(Some(command)) = cancel {
            self.propose(command, move |supervisor, result| match result {
                Ok(Ok(outcome)) if local::has_changed(&outcome) => {
                    let message = format!("{disk} has no room for {pg}: it is tried again later");
                    let subject = format!("disk:{}", disk.0);
                    supervisor.note(Severity::Warn, "join_without_room", message, subject);
                }
                _ => supervisor.cancel_join(disk, pg, join_at),
            });
        }
    }

    /// Rule 25: a session that cannot end well is followed by a new joining epoch. The member says
    /// it once: IT IS REPEATED UNTIL THE SESSION IS OVER, for the group may have changed meanwhile.
    pub(super) fn restart_join(&self, disk: DiskId, pg: PgId, join_at: PgEpoch) {
        let again = self.context.meta.read(|s| local::restart_join(s, disk, pg, join_at));
        if let Some(Some(command)) = again {
            self.propose(command, move |supervisor, _| supervisor.restart_join(disk, pg, join_at));
        }
    }

    fn on_store_out(&mut self, disk: DiskId, why: &str) {
        if let Some(entry) = self.stores.get_mut(&disk) {
            entry.state = StoreState::Fenced;
        }
        let data = json!({ "disk_id": disk.0, "state": "fenced", "reason": why });
        self.broadcast("store.changed", data);
        let message = format!("{disk} is out: {why}; replace the disk, its data is elsewhere");
        self.note(Severity::Error, "store_fenced", message, format!("disk:{}", disk.0));
        self.context.meta.report(disk, shoal_engine::head::ReportReason::StoreFenced);
        self.set_down(disk, true);
    }

    /// An event for people, recorded in the cluster and told to control.
    pub(super) fn note(&self, severity: Severity, code: &str, message: String, subject: String) {
        let level = json!(severity);
        let data =
            json!({ "severity": level, "code": code, "message": message, "subject": subject });
        self.broadcast("event", data);
        let command = Command::RecordEvent { severity, code: code.to_owned(), message, subject };
        self.propose(command, |_, _| {});
    }
}
