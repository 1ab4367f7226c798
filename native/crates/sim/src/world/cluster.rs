//! The cluster record as the checkers see it; in most worlds also who keeps it, an oracle: linearizable, always there, reached over links that fail. Its
//! changes of PGs and its judgements are the production functions.

use std::collections::BTreeMap;

use shoal_engine::head::ReportReason;
use shoal_engine::insync::{Evidence, PgRecord, Probe, Report, Verdict, judge};
use shoal_engine::lease::Granter;
use shoal_engine::member::JoinFailure;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::{DiskId, HeadEpoch, PeerId, PgId, PgView, StoreError, VolumeId};

use super::World;
use super::event::{Event, ToCluster, ToPeer};
use super::volumes::Deleted;
use crate::plan::Plan;

pub struct Cluster {
    pub records: BTreeMap<PgId, PgRecord>,
    pub volumes: BTreeMap<VolumeId, VolumeRecord>,
    pub granter: Granter,
    /// Life of each peer's session.
    sessions: BTreeMap<u64, u64>,
    reports: Vec<Report>,
    /// Joins of a disk that found no room wait until then.
    join_not_before_us: BTreeMap<DiskId, u64>,
    /// How far each disk's log had come when its store last started.
    pub positions: BTreeMap<DiskId, u64>,
    pub deleted: Deleted,
}

#[derive(Debug)]
pub struct VolumeRecord {
    pub head_epoch: HeadEpoch,
    /// Peer and its life.
    pub owner: Option<(u64, u64)>,
    granted_at_us: u64,
    /// Blocks that are used.
    pub used: u64,
}

impl VolumeRecord {
    pub fn new(used: u64) -> Self {
        Self { head_epoch: HeadEpoch::ZERO, owner: None, granted_at_us: 0, used }
    }
}

const REPORT_AGE_MS: u64 = 2_000;

impl Cluster {
    pub fn new(plan: &Plan) -> Self {
        let record = |index: u32| {
            let member = |i: usize| {
                let at = u64::from(index) + i as u64;
                plan.disk_of(at % plan.peers, at / plan.peers)
            };
            let members: Vec<DiskId> = (0..plan.copies).map(member).collect();
            let pg = PgId::new(1, index);
            (pg, PgRecord::new(pg, &members))
        };
        let volume = |v| (VolumeId(v), VolumeRecord::new(plan.blocks));
        // Where services keep the record, it begins empty.
        let (groups, volumes) = match plan.growth.services {
            true => (0, 0),
            false => (plan.pg_count, plan.volumes),
        };
        Self {
            records: (0..groups).map(record).collect(),
            volumes: (1..=volumes).map(volume).collect(),
            granter: Granter::new(0, plan.lease_ms),
            sessions: BTreeMap::new(),
            reports: Vec::new(),
            join_not_before_us: BTreeMap::new(),
            positions: BTreeMap::new(),
            deleted: Deleted::default(),
        }
    }

    pub fn views(&self) -> Vec<PgView> {
        self.records.values().map(PgRecord::view).collect()
    }

    pub fn views_of(&self, disk: DiskId) -> Vec<PgView> {
        let of = |r: &&PgRecord| r.member(disk).is_some();
        self.records.values().filter(of).map(PgRecord::view).collect()
    }

    /// A life that ended holds no lease any more: whoever speaks now is the next one.
    fn session(&mut self, peer: u64, life: u64) {
        if self.sessions.insert(peer, life).is_some_and(|before| before != life) {
            self.granter.release(id_of(peer));
        }
    }

    fn is_live(&self, peer: u64, now_ms: u64) -> bool {
        self.sessions.contains_key(&peer) && !self.granter.is_over(id_of(peer), now_ms)
    }
}

fn id_of(peer: u64) -> PeerId {
    PeerId(peer + 1)
}

impl World {
    fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    pub fn to_cluster(&mut self, peer: u64, message: ToCluster) {
        if !self.net.carries(peer, self.net.voters) {
            return;
        }
        match message {
            ToCluster::Renew { sent_ms, life } => {
                self.on_renew(peer, sent_ms, life);
            }
            ToCluster::DiskOut { disk, for_us } => {
                let until = self.now_us + for_us;
                let wait = self.cluster.join_not_before_us.entry(disk).or_default();
                *wait = until.max(*wait);
                self.remove_disk(disk);
            }
            ToCluster::Report { disk, reason, head } => self.on_report(peer, disk, reason, head),
            ToCluster::Refresh { head, pg, asked } => {
                if let Some(record) = self.cluster.records.get(&pg) {
                    let view = record.view();
                    self.tell_peer(peer, ToPeer::Newest { head, view, asked });
                }
            }
            ToCluster::JoinDone { disk, life, pg, join_at, source } => {
                let record = self.cluster.records.get_mut(&pg).expect("a known PG");
                let current = self.disks[&disk].life == life;
                if current && record.mark_in_sync(disk, join_at, source).is_ok() {
                    self.counts.joins += 1;
                    self.changed(pg);
                }
            }
            ToCluster::JoinFailed { disk, life, pg, join_at, reason } => {
                if self.disks[&disk].life == life {
                    self.on_join_failed(disk, pg, join_at, &reason);
                }
            }
            ToCluster::LayerGone { disk, volume } => self.layer_gone(disk, volume),
            ToCluster::Released { volume, head_epoch } => {
                let Some(record) = self.cluster.volumes.get_mut(&volume) else { return };
                if record.head_epoch == head_epoch {
                    record.owner = None;
                }
            }
        }
    }

    fn on_renew(&mut self, peer: u64, sent_ms: u64, life: u64) {
        let now_ms = self.now_ms();
        if self.cluster.sessions.get(&peer).is_some_and(|known| *known > life) {
            return;
        }
        self.cluster.session(peer, life);
        self.cluster.granter.grant(id_of(peer), now_ms);
        let of = |(volume, record): (&VolumeId, &VolumeRecord)| (*volume, record.head_epoch);
        let mut heads: Vec<_> = self.cluster.volumes.iter().map(of).collect();
        heads.extend(self.cluster.deleted.heads());
        self.tell_peer(peer, ToPeer::Leased { sent_ms, heads });
    }

    fn on_join_failed(
        &mut self,
        disk: DiskId,
        pg: PgId,
        join_at: shoal_types::PgEpoch,
        reason: &JoinFailure,
    ) {
        let record = self.cluster.records.get_mut(&pg).expect("a known PG");
        if record.joining.is_none_or(|j| j.disk != disk || j.join_at != join_at) {
            return;
        }
        let epoch = record.epoch;
        if *reason == JoinFailure::Store(StoreError::NoSpace) {
            record.cancel_join(disk, Some(epoch)).expect("it is joining");
            self.cluster.join_not_before_us.insert(disk, self.now_us + 2_000_000);
        } else {
            record.join(disk, epoch).expect("it is joining");
        }
        self.changed(pg);
    }

    fn on_report(&mut self, peer: u64, disk: DiskId, reason: ReportReason, head: u64) {
        let (now_ms, owner) = (self.now_ms(), self.plan.peer_of(disk));
        match reason {
            ReportReason::Full { pg } => return self.cancel_join_of(disk, pg),
            ReportReason::Disconnected | ReportReason::Slow => {
                let report = Report { reporter: id_of(peer), disk, reported_ms: now_ms };
                self.cluster.reports.retain(|r| r.reported_ms + REPORT_AGE_MS > now_ms);
                self.cluster.reports.push(report);
            }
            _ => {}
        }
        let reached =
            self.net.both_ways(owner, self.net.voters) && self.pause_left(owner).is_none();
        let alive = self.peers[owner as usize].alive;
        let evidence = Evidence {
            disk,
            owner: id_of(owner),
            session_lapsed: !self.cluster.is_live(owner, now_ms),
            store_out: matches!(
                reason,
                ReportReason::StoreFenced | ReportReason::StoreUnfit | ReportReason::Unreadable
            ),
            reports: &self.cluster.reports,
            report_age_ms_max: REPORT_AGE_MS,
            probe: if reached && alive { Probe::Reached } else { Probe::Failed },
            prober: None,
            possible_reporters: self.plan.peers as usize - 1,
            now_ms,
        };
        match judge(&evidence) {
            Verdict::Remove(_) => self.remove_disk(disk),
            Verdict::Wait => {}
            Verdict::BlameReporter(_) => {
                // Only a head that lives there can be the reporter to blame.
                if self.rng.percent(20) {
                    self.tell_peer(peer, ToPeer::Revoked { head });
                }
            }
        }
    }

    fn cancel_join_of(&mut self, disk: DiskId, pg: PgId) {
        self.cluster.join_not_before_us.insert(disk, self.now_us + 2_000_000);
        let record = self.cluster.records.get_mut(&pg).expect("a known PG");
        if record.cancel_join(disk, None).is_ok() {
            self.changed(pg);
        }
    }

    pub fn remove_disk(&mut self, disk: DiskId) {
        for pg in self.pgs() {
            let record = self.cluster.records.get_mut(&pg).expect("listed");
            if record.remove(disk, None).is_ok() {
                self.counts.removals += 1;
                self.changed(pg);
            }
        }
    }

    pub fn pgs(&self) -> Vec<PgId> {
        self.cluster.records.keys().copied().collect()
    }

    /// Tells everyone; some will not hear it, and learn by being refused, or by chance, for which a rest
    /// is too short.
    pub fn changed(&mut self, pg: PgId) {
        self.keep_a_good_copy(pg);
        let view = self.cluster.records[&pg].view();
        self.note(|| format!("view {view:?}"));
        for peer in 0..self.plan.peers {
            let is_missed = self.rng.percent(100 - self.plan.growth.told_percent);
            if !is_missed || self.resting {
                self.tell_peer(peer, ToPeer::View(view.clone()));
            }
        }
    }

    pub fn cluster_turn(&mut self) {
        self.at(self.plan.turn_us, Event::Cluster);
        if self.has_services() {
            self.record_turn();
            return self.check_bounds();
        }
        for pg in self.pgs() {
            self.join_somebody(pg);
        }
        for volume in self.cluster.volumes.keys().copied().collect::<Vec<_>>() {
            self.place_head(volume);
        }
        self.retell_volumes();
        self.check_bounds();
        let views = self.cluster.views();
        for peer in 0..self.plan.peers {
            if self.rng.percent(self.plan.growth.retold_percent) {
                let view = self.rng.pick(&views).cloned().expect("there is a PG");
                self.tell_peer(peer, ToPeer::View(view));
            }
        }
    }

    fn join_somebody(&mut self, pg: PgId) {
        let (now_ms, now_us) = (self.now_ms(), self.now_us);
        let record = &self.cluster.records[&pg];
        if let Some(joining) = record.joining {
            let failed = self.disks[&joining.disk].failed;
            if failed || !self.cluster.is_live(self.plan.peer_of(joining.disk), now_ms) {
                let record = self.cluster.records.get_mut(&pg).expect("just seen");
                record.cancel_join(joining.disk, None).expect("it is joining");
                self.changed(pg);
            }
            return;
        }
        let wait = &self.cluster.join_not_before_us;
        let may = |d: &DiskId| {
            !record.is_in_sync(*d)
                && self.cluster.is_live(self.plan.peer_of(*d), now_ms)
                && self.disks[d].member.is_some()
                && !self.disks[d].failed
                && wait.get(d).is_none_or(|at| *at <= now_us)
        };
        let out: Vec<DiskId> = record.members.iter().map(|m| m.disk).filter(may).collect();
        let patient = !self.healing && self.rng.percent(70);
        let Some(disk) = self.rng.pick(&out).copied().filter(|_| !patient) else { return };
        let record = self.cluster.records.get_mut(&pg).expect("just seen");
        record.join(disk, record.epoch).expect("nobody is joining");
        self.changed(pg);
    }

    /// Rule 11: a head that is gone, or whose peer's lease is over, is followed by another.
    fn place_head(&mut self, volume: VolumeId) {
        let now_ms = self.now_ms();
        let record = &self.cluster.volumes[&volume];
        if let Some((peer, life)) = record.owner {
            let lapsed = !self.cluster.is_live(peer, now_ms)
                || (is_planted(Bug::LeaseNotWaitedOut)
                    && (self.rng.permille(20) || !self.net.both_ways(peer, self.net.voters)));
            let reborn = self.cluster.sessions.get(&peer).is_some_and(|l| *l > life);
            let epoch = record.head_epoch;
            let lives = self.heads.values().any(|h| h.volume == volume && h.head_epoch == epoch);
            let lost = !lives && self.now_us > record.granted_at_us + 1_500_000;
            if !lapsed && !reborn && !lost {
                return;
            }
        }
        let live: Vec<u64> =
            (0..self.plan.peers).filter(|p| self.cluster.is_live(*p, now_ms)).collect();
        if let Some(peer) = self.rng.pick(&live).copied() {
            self.grant_head(volume, peer);
        }
    }

    pub fn grant_head(&mut self, volume: VolumeId, peer: u64) {
        let now_us = self.now_us;
        if !self.cluster.sessions.contains_key(&peer) {
            return;
        }
        // THE PROCESS THAT WILL HEAR OF IT, which may be newer than the one that was heard last.
        let life = self.peers[peer as usize].life;
        let Some(record) = self.cluster.volumes.get_mut(&volume) else { return };
        if record.head_epoch == HeadEpoch::ZERO || !is_planted(Bug::SameHeadEpoch) {
            record.head_epoch = record.head_epoch.next();
        }
        record.owner = Some((peer, life));
        record.granted_at_us = now_us;
        let (head_epoch, used) = (record.head_epoch, record.used);
        self.counts.take_overs += 1;
        // Read after the commit (rule 12).
        let views = self.cluster.views();
        self.tell_peer(peer, ToPeer::Granted { volume, head_epoch, views, used });
    }
}
