//! Removals, judged by the leader: see `shoal_engine::insync::judge`.

use std::collections::BTreeMap;

use shoal_engine::insync::{Evidence, Probe, RemovalReason as Because, Report, Verdict, judge};
use shoal_types::{DiskId, PeerId};

use super::api::Output;
use super::message::{ReportKind, ServiceMessage};
use super::meta_service::MetaService;
use crate::hex::ProposalId;
use crate::log_store::LogStore;
use crate::raft::Fatal;
use crate::state::{ClusterState, Command, Proposal, RemovalReason, Target};

/// Disks about which something is known.
const CASES_MAX: usize = 4_096;
/// The leader's own probes must fail for so long before they prove a loss: a store that is just
/// being opened refuses one of them, too.
const PROBES_FAIL_MS: u64 = 1_000;
/// Where the host says that nobody listens, two refusals as far apart are enough: who starts again
/// at once is back as fast by a resync.
const PROBES_REFUSED_MS: u64 = 200;
/// Between two probes of a host that refuses.
const REFUSED_RETRY_MS: u64 = 100;

#[derive(Debug, Default)]
struct Case {
    /// One per reporter, the newest.
    reports: BTreeMap<PeerId, (u64, ReportKind)>,
    probe: Option<(u64, Probe)>,
    /// First of the probes that failed one after the other.
    failing_since_ms: Option<u64>,
    /// First of those among them, to the last one, that were refused.
    refused_since_ms: Option<u64>,
    probe_asked_ms: Option<u64>,
    /// Proposed, not yet decided.
    removal: Option<ProposalId>,
    blamed_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Judge {
    cases: BTreeMap<DiskId, Case>,
}

impl Case {
    /// What the leader's own probes have proven by now.
    fn proven(&self, now_ms: u64, age_ms_max: u64) -> Probe {
        let Some((at, probe)) = self.probe.filter(|(at, _)| now_ms - at <= age_ms_max) else {
            return Probe::Unknown;
        };
        let is_refused = self.refused_since_ms.is_some_and(|since| at - since >= PROBES_REFUSED_MS);
        let is_young = self.failing_since_ms.is_some_and(|since| now_ms - since < PROBES_FAIL_MS);
        if is_young && !is_refused { Probe::Unknown } else { probe }
    }

    fn probe_again_ms(&self, retry_ms: u64) -> u64 {
        if self.refused_since_ms.is_some() { REFUSED_RETRY_MS } else { retry_ms }
    }
}

impl Judge {
    pub fn note_report(&mut self, reporter: PeerId, disk: DiskId, kind: ReportKind, now_ms: u64) {
        if self.cases.len() < CASES_MAX || self.cases.contains_key(&disk) {
            self.cases.entry(disk).or_default().reports.insert(reporter, (now_ms, kind));
        }
    }

    pub fn note_probe(&mut self, disk: DiskId, probe: Probe, now_ms: u64) {
        if let Some(case) = self.cases.get_mut(&disk) {
            case.probe = Some((now_ms, probe));
            let fails = matches!(probe, Probe::Failed | Probe::Refused);
            let first = |since: Option<u64>| since.or(Some(now_ms));
            case.failing_since_ms = first(case.failing_since_ms).filter(|_| fails);
            let refused = probe == Probe::Refused;
            case.refused_since_ms = first(case.refused_since_ms).filter(|_| refused);
        }
    }

    pub fn decided(&mut self, id: ProposalId) {
        // What is still wrong will be reported again.
        self.cases.retain(|_, case| case.removal != Some(id));
    }

    /// Judged again at the next tick.
    pub fn not_proposed(&mut self, id: ProposalId) {
        for case in self.cases.values_mut().filter(|case| case.removal == Some(id)) {
            case.removal = None;
        }
    }

    fn forget_old(&mut self, before_ms: u64) {
        for case in self.cases.values_mut() {
            case.reports.retain(|_, (at, _)| *at >= before_ms);
        }
        self.cases.retain(|_, case| !case.reports.is_empty());
    }
}

impl<S: LogStore> MetaService<S> {
    pub(super) fn note_report(
        &mut self,
        reporter: PeerId,
        disk: DiskId,
        kind: ReportKind,
    ) -> Result<(), Fatal> {
        if kind == ReportKind::StoreSlow {
            self.note_slow(reporter, disk);
            return Ok(());
        }
        self.judge.note_report(reporter, disk, kind, self.now.boot_ms);
        self.drive_judgement()
    }

    pub(super) fn drive_judgement(&mut self) -> Result<(), Fatal> {
        let before = self.now.boot_ms.saturating_sub(self.config.report_age_ms);
        self.judge.forget_old(before);
        if !self.is_leader() {
            return Ok(());
        }
        let open = |(disk, case): (&DiskId, &Case)| case.removal.is_none().then_some(*disk);
        let disks: Vec<DiskId> = self.judge.cases.iter().filter_map(open).collect();
        disks.into_iter().try_for_each(|disk| self.judge_disk(disk))
    }

    fn judge_disk(&mut self, disk: DiskId) -> Result<(), Fatal> {
        let state = self.state().expect("a leader has a state");
        let Some(owner) = state.disks().get(&disk).map(|d| d.peer) else {
            self.judge.cases.remove(&disk);
            return Ok(());
        };
        // A disk that has still to come back after a restore is waited for.
        if !takes_part(state, disk) || state.restored().missing.contains(&disk) {
            self.judge.cases.remove(&disk);
            return Ok(());
        }
        let unfit = self.judge.cases[&disk].reports.values().any(|r| r.1 == ReportKind::StoreUnfit);
        if unfit {
            return self.remove(disk, Command::MarkStoreUnfit { disk });
        }
        match self.verdict(disk, owner) {
            Verdict::Remove(reason) if self.is_too_early(reason) => Ok(()),
            Verdict::Remove(reason) => {
                let reason = RemovalReason::from(reason);
                let whole_peer = reason == RemovalReason::SessionLapsed;
                if reason == RemovalReason::LeaderProbe {
                    self.sessions.note_gone(owner);
                }
                let target = if whole_peer { Target::Peer(owner) } else { Target::Disk(disk) };
                self.remove(disk, Command::PgRemove { target, reason, only: None })
            }
            Verdict::Wait => {
                self.want_probe(disk, owner);
                Ok(())
            }
            Verdict::BlameReporter(reporter) => {
                self.blame(disk, reporter);
                Ok(())
            }
        }
    }

    /// A cluster that starts together finds stores that are not open yet: until every session that
    /// an earlier leader granted is over, only what is certain counts.
    fn is_too_early(&self, reason: Because) -> bool {
        let uncertain = matches!(reason, Because::IndependentReports | Because::LeaderProbe);
        uncertain && self.sessions.is_settling(self.now.boot_ms)
    }

    fn verdict(&self, disk: DiskId, owner: PeerId) -> Verdict {
        let (now_ms, case) = (self.now.boot_ms, &self.judge.cases[&disk]);
        let report_age_ms_max = self.config.report_age_ms;
        let reports: Vec<Report> = case
            .reports
            .iter()
            .map(|(peer, (at, _))| Report { reporter: *peer, disk, reported_ms: *at })
            .collect();
        let alive = |peer: &&PeerId| !self.sessions.is_over(**peer, now_ms) && **peer != owner;
        let state = self.state().expect("a leader has a state");
        judge(&Evidence {
            disk,
            owner,
            session_lapsed: self.sessions.is_over(owner, now_ms),
            store_out: case.reports.values().any(|r| r.1 == ReportKind::StoreOut),
            reports: &reports,
            report_age_ms_max,
            probe: case.proven(now_ms, report_age_ms_max),
            prober: Some(self.config.peer),
            possible_reporters: state.peers().keys().filter(alive).count(),
            now_ms,
        })
    }

    fn remove(&mut self, disk: DiskId, command: Command) -> Result<(), Fatal> {
        let id = self.proposals.fresh_id();
        let case = self.judge.cases.get_mut(&disk).expect("being judged");
        case.removal = Some(id);
        let (time_ms, own) = (self.now.wall_ms, self.config.peer);
        self.propose_as_leader(own, Proposal { id, time_ms, command })
    }

    fn want_probe(&mut self, disk: DiskId, peer: PeerId) {
        let (now_ms, retry_ms) = (self.now.boot_ms, self.config.retry_ms);
        let case = self.judge.cases.get_mut(&disk).expect("being judged");
        let again_ms = case.probe_again_ms(retry_ms);
        if case.probe_asked_ms.is_none_or(|asked| now_ms - asked >= again_ms) {
            case.probe_asked_ms = Some(now_ms);
            self.outputs.push(Output::Probe { disk, peer });
        }
    }

    fn blame(&mut self, disk: DiskId, reporter: PeerId) {
        let (now_ms, retry_ms) = (self.now.boot_ms, self.config.retry_ms);
        let case = self.judge.cases.get_mut(&disk).expect("being judged");
        if case.blamed_ms.is_some_and(|blamed| now_ms - blamed < retry_ms) {
            return;
        }
        case.blamed_ms = Some(now_ms);
        if reporter == self.config.peer {
            self.outputs.push(Output::Blamed { disk });
        } else {
            self.send(reporter, ServiceMessage::Blamed { disk });
        }
    }
}

/// In sync or joining somewhere: otherwise nobody waits for it.
fn takes_part(state: &ClusterState, disk: DiskId) -> bool {
    let mut records = state.tables().values().flat_map(|table| table.records());
    records.any(|r| r.is_in_sync(disk) || r.joining.is_some_and(|j| j.disk == disk))
}
