//! Scrubs of this peer's disks: by themselves every week, or because someone asked. What is asked of
//! a volume concerns many peers, so the request is an event of the cluster, and so is each answer:
//! every peer sees it, a restart forgets nothing, and peers of an older version pass it over
//! (docs/formats/control.md, "Scrubs").

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};
use shoal_meta::state::{ClusterState, Command, Severity, Standing};
use shoal_store::BadBlock;
use shoal_types::{DiskId, LayerId, VolumeId};

use super::membership::{no_cluster, settled};
use super::stores::StoreState;
use super::{ScrubLine, Supervisor};
use crate::clock;
use crate::control::{ControlError, Responder};
use crate::store_thread::{SCRUB_EVERY_MS, ScrubOrder, ScrubResult, StoreMessage};

/// One that a stop cut short goes on so long after the start, in milliseconds.
const RESUME_AFTER_MS: u64 = 60_000;
/// Bytes of an event's subject.
const SUBJECT_BYTES_MAX: usize = 255;
const ASKED: &str = "scrub_asked";
const DONE: &str = "scrub_done";
const LOST: &str = "block_lost";

#[derive(Default)]
pub(super) struct Scrubs {
    /// As in the file; read at first use.
    lines: Option<BTreeMap<DiskId, ScrubLine>>,
    /// Under way by themselves.
    running: BTreeSet<DiskId>,
    /// Asked for in the cluster (number of the event), and passed on to this disk.
    told: BTreeSet<(u64, DiskId)>,
    /// Newest event that was looked at.
    seen: u64,
    next_check: u64,
}

impl Supervisor {
    pub(super) fn schedule_scrubs(&mut self) {
        let now_ms = clock::wall_ms();
        let open = |s: &super::stores::StoreEntry| matches!(s.state, StoreState::Open);
        let stores: Vec<DiskId> =
            self.stores.iter().filter(|(_, s)| open(s)).map(|(disk, _)| *disk).collect();
        let mut is_new = false;
        for disk in stores {
            let lines = self.scrub_lines();
            let line = *lines.entry(disk).or_insert_with(|| {
                is_new = true;
                ScrubLine { disk_id: disk.0, next_at_ms: now_ms + SCRUB_EVERY_MS, at: None }
            });
            if line.next_at_ms > now_ms || !self.scrubs.running.insert(disk) {
                continue;
            }
            let order = ScrubOrder { id: 0, layers: None, resume: line.at };
            self.send_scrub(disk, order);
        }
        if is_new {
            self.save_scrubs();
        }
    }

    fn scrub_lines(&mut self) -> &mut BTreeMap<DiskId, ScrubLine> {
        let soon_ms = clock::wall_ms() + RESUME_AFTER_MS;
        let files = &self.context.files;
        self.scrubs.lines.get_or_insert_with(|| {
            // A damaged file costs a place in a scrub, no more.
            let lines = files.scrubs().unwrap_or_default().into_iter();
            lines
                .map(|mut line| {
                    if line.at.is_some() {
                        line.next_at_ms = line.next_at_ms.max(soon_ms);
                    }
                    (DiskId(line.disk_id), line)
                })
                .collect()
        })
    }

    fn save_scrubs(&mut self) {
        let lines = self.scrub_lines().values().copied().collect();
        if let Err(error) = self.context.files.set_scrubs(lines) {
            eprintln!("the places of scrubs cannot be kept: {error}");
        }
    }

    pub(super) fn keep_scrub_place(&mut self, disk: DiskId, at: Option<(u32, u64)>) {
        let next_at_ms = clock::wall_ms() + if at.is_some() { 0 } else { SCRUB_EVERY_MS };
        if at.is_none() {
            self.scrubs.running.remove(&disk);
        }
        self.scrub_lines().insert(disk, ScrubLine { disk_id: disk.0, next_at_ms, at });
        self.save_scrubs();
    }

    fn send_scrub(&self, disk: DiskId, order: ScrubOrder) {
        if let Some(sender) = self.stores.get(&disk).and_then(|entry| entry.sender.as_ref()) {
            sender.send(StoreMessage::Scrub(order));
        }
    }

    /// Read and verify everything on one disk of this peer.
    pub(super) fn check_disk(&mut self, disk: DiskId) -> Result<Value, ControlError> {
        let is_open = |entry: &super::stores::StoreEntry| entry.sender.is_some();
        if !self.stores.get(&disk).is_some_and(is_open) {
            let message = format!("disk {} has no open store on this peer", disk.0);
            return Err(ControlError::not_found(message));
        }
        self.scrubs.next_check += 1;
        // Far above the numbers of events, which name the others.
        let id = (1 << 48) + self.scrubs.next_check;
        self.send_scrub(disk, ScrubOrder { id, layers: None, resume: None });
        Ok(json!({ "scrub": id }))
    }

    /// The event's number names the scrub.
    pub(super) fn scrub_volume(&mut self, name: &str, responder: Responder) {
        let volume = match self.volume_named(name) {
            Ok(volume) => volume,
            Err(error) => return responder.answer(Err(error)),
        };
        let command = Command::RecordEvent {
            severity: Severity::Info,
            code: ASKED.to_owned(),
            message: format!("every copy of volume {name} is to be read and verified"),
            subject: format!("volume:{}", volume.0),
        };
        self.propose(command, move |supervisor, result| {
            supervisor.sync_scrubs();
            let newest = |state: &ClusterState| {
                let asked = |e: &&shoal_meta::state::Event| asked_volume(e) == Some(volume);
                state.events().iter().rev().find(asked).map(|event| event.id)
            };
            let id = supervisor.context.meta.read(newest).flatten();
            responder.answer(
                settled(result)
                    .and_then(|_| id.map(|id| json!({ "scrub": id })).ok_or_else(no_cluster)),
            );
        });
    }

    /// Scrubs that were asked for and have no answer of a disk of this peer.
    pub(super) fn sync_scrubs(&mut self) {
        let newest = self.context.meta.read(|state| state.counters().event).unwrap_or_default();
        let disks: Vec<DiskId> = self
            .stores
            .iter()
            .filter(|(_, entry)| entry.sender.is_some())
            .map(|(disk, _)| *disk)
            .collect();
        if newest == self.scrubs.seen && disks.iter().all(|d| self.scrubs.told.contains(&(0, *d))) {
            return;
        }
        self.scrubs.seen = newest;
        let orders = self.context.meta.read(|state| open_scrubs(state, &disks));
        for (id, disk, layers) in orders.unwrap_or_default() {
            if self.scrubs.told.insert((id, disk)) {
                self.send_scrub(disk, ScrubOrder { id, layers: Some(layers), resume: None });
            }
        }
        self.scrubs.told.extend(disks.into_iter().map(|disk| (0, disk)));
    }

    /// A store was opened again: what it was told before, it has forgotten.
    pub(super) fn forget_scrubs_of(&mut self, disk: DiskId) {
        self.scrubs.told.retain(|(_, told)| *told != disk);
        self.scrubs.running.remove(&disk);
    }

    pub(super) fn on_scrub_done(&mut self, disk: DiskId, result: &ScrubResult) {
        let ScrubResult { order, figures, repaired, postponed, lost, unnamed } = result;
        let (bad, lost_blocks) = (figures.bad_blocks, lost.len() as u64 + unnamed);
        let severity = match () {
            () if !lost.is_empty() => Severity::Error,
            () if bad > 0 || figures.bad_metadata > 0 => Severity::Warn,
            () => Severity::Info,
        };
        let message = format!(
            "{disk}: {} blocks read, {bad} bad, {repaired} repaired, {lost_blocks} lost, {postponed} to \
             be tried again; {} bad places of metadata, written anew",
            figures.blocks_checked, figures.bad_metadata
        );
        let subject = format!(
            "scrub:{} disk:{} blocks:{} bad:{bad} repaired:{repaired} lost:{lost_blocks} \
             postponed:{postponed} metadata:{}",
            order.id, disk.0, figures.blocks_checked, figures.bad_metadata
        );
        self.note_lost(lost);
        // By itself and nothing found: nobody needs to hear of it.
        if order.id != 0 || severity != Severity::Info {
            self.note(severity, DONE, message, subject);
        }
        self.broadcast("store.changed", json!({ "disk_id": disk.0, "state": "open" }));
    }

    /// Bad copies that reads of clients met.
    pub(super) fn on_repairs(
        &mut self,
        disk: DiskId,
        repaired: u64,
        postponed: u64,
        lost: &[BadBlock],
    ) {
        self.note_lost(lost);
        if repaired + postponed > 0 {
            let message = format!(
                "{disk} had bad copies of blocks: {repaired} repaired from another copy, \
                 {postponed} to be tried again"
            );
            self.note(Severity::Warn, "blocks_repaired", message, format!("disk:{}", disk.0));
        }
    }

    /// Ranges of lost blocks, by volume, as many to each event as it holds. EVENTS ARE FEW: what another
    /// disk told since the last scrub was asked for is not told again.
    fn note_lost(&self, lost: &[BadBlock]) {
        let mut blocks: BTreeMap<VolumeId, BTreeSet<u64>> = BTreeMap::new();
        for bad in lost {
            let owner = self.context.meta.read(|state| {
                let mut volumes = state.volumes().values();
                volumes.find(|v| v.is_active() && v.layers.contains(&bad.layer)).map(|v| v.id)
            });
            if let Some(Some(volume)) = owner {
                blocks.entry(volume).or_default().insert(bad.block);
            }
        }
        for (volume, blocks) in blocks {
            let start = format!("volume:{} blocks:", volume.0);
            for list in lists_of(&ranges_of(&blocks), SUBJECT_BYTES_MAX - start.len()) {
                let subject = format!("{start}{list}");
                if self.context.meta.read(|state| is_told(state, volume, &subject)) == Some(true) {
                    continue;
                }
                let message = format!(
                    "no good copy is left of blocks {list} of volume {}: reads of them fail until \
                     they are written again",
                    volume.0
                );
                self.note(Severity::Error, LOST, message, subject);
            }
        }
    }

    /// Out, while it can still be copied from: its data is made anew elsewhere.
    pub(super) fn on_disk_failing(&mut self, disk: DiskId, read_errors: u64, bad_blocks: u64) {
        let message = format!(
            "{disk} fails too often ({read_errors} read errors, {bad_blocks} bad blocks) and is put \
             out: replace it"
        );
        self.note(Severity::Error, "disk_failing", message, format!("disk:{}", disk.0));
        let command = Command::SetDisk {
            disk,
            state: Some(Standing::Out),
            weight: None,
            size_bytes: None,
            reserve_bytes: None,
            path: None,
            peer: None,
        };
        self.propose(command, |_, _| {});
    }
}

/// The volume that an event asks a scrub of.
fn asked_volume(event: &shoal_meta::state::Event) -> Option<VolumeId> {
    let asked = event.subject.strip_prefix("volume:").filter(|_| event.code == ASKED)?;
    asked.parse().ok().map(VolumeId)
}

/// Those that some of `disks` have not answered: (number, disk, layers).
fn open_scrubs(state: &ClusterState, disks: &[DiskId]) -> Vec<(u64, DiskId, BTreeSet<LayerId>)> {
    let mut open = Vec::new();
    for event in state.events() {
        let Some(volume) = asked_volume(event).and_then(|id| state.volumes().get(&id)) else {
            continue;
        };
        for disk in disks {
            let answer = format!("scrub:{} disk:{} ", event.id, disk.0);
            let is_answer = |e: &&shoal_meta::state::Event| {
                e.id > event.id && e.code == DONE && e.subject.starts_with(&answer)
            };
            if volume.is_active() && !state.events().iter().any(|e| is_answer(&e)) {
                open.push((event.id, *disk, volume.layers.iter().copied().collect()));
            }
        }
    }
    open
}

fn is_told(state: &ClusterState, volume: VolumeId, subject: &str) -> bool {
    let mut since = state.events().iter().rev().take_while(|e| asked_volume(e) != Some(volume));
    since.any(|event| event.code == LOST && event.subject == subject)
}

/// `first+count,...` in pieces of so many bytes.
fn lists_of(ranges: &[(u64, u64)], bytes_max: usize) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for (first, count) in ranges {
        let range = format!("{first}+{count}");
        match lists.last_mut().filter(|list| list.len() + 1 + range.len() <= bytes_max) {
            Some(list) => {
                let _ = write!(list, ",{range}");
            }
            None => lists.push(range),
        }
    }
    lists
}

/// (first, count) of neighbouring blocks.
fn ranges_of(blocks: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for block in blocks {
        match ranges.last_mut().filter(|(first, count)| first + count == *block) {
            Some((_, count)) => *count += 1,
            None => ranges.push((*block, 1)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_range() {
        let blocks = [1, 2, 3, 7, 9, 10].into();
        assert_eq!(ranges_of(&blocks), [(1, 3), (7, 1), (9, 2)]);
    }

    #[test]
    fn lists_fit_their_events_and_leave_nothing_out() {
        let ranges: Vec<(u64, u64)> = (0..500).map(|i| (i * i * 7_919, i % 3 + 1)).collect();
        let lists = lists_of(&ranges, 60);
        assert!(lists.iter().all(|list| list.len() <= 60));
        assert!(lists.iter().rev().skip(1).all(|list| list.len() > 30), "each holds what it can");
        let named = lists.join(",");
        let expected: Vec<String> = ranges.iter().map(|(at, n)| format!("{at}+{n}")).collect();
        assert_eq!(named, expected.join(","));
        assert!(lists_of(&[], 60).is_empty());
    }
}
