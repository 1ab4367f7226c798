//! Lets a service do something, then does what it says; the simulated counterpart of the thread that
//! a data process keeps for it.

use shoal_engine::insync::Probe;
use shoal_meta::log_store::DirLog;
use shoal_meta::raft::Fatal;
use shoal_meta::service::{MetaService, Now, Output, ServiceConfig, ServiceInit};
use shoal_meta::state::{ClusterState, Command};
use shoal_types::{DiskId, PeerId};

use super::station::{After, Inward, Look, Process, Service};
use super::{CLUSTER, RecordEvent, Services, Station, WALL_START_MS, id_of, number_of};
use crate::world::World;
use crate::world::event::Event;

/// Between two copies of the state that a peer keeps which does not vote.
const KEEP_MS: u64 = 2_000;
/// From the service's thread to the others.
const INLET_US_MAX: u64 = 2_000;

impl World {
    pub fn has_services(&self) -> bool {
        self.record.services().is_some()
    }

    pub(super) fn services(&mut self) -> &mut Services {
        self.record.services_mut().expect("asked for in worlds that have them")
    }

    pub(super) fn station(&mut self, peer: u64) -> &mut Station {
        &mut self.services().stations[peer as usize]
    }

    pub(super) fn process(&mut self, peer: u64) -> &mut Process {
        &mut self.station(peer).process
    }

    /// What this peer knows of the cluster.
    pub(super) fn read<R>(&self, peer: u64, read: impl FnOnce(&ClusterState) -> R) -> Option<R> {
        self.record.services()?.stations[peer as usize].state().map(read)
    }

    pub(super) fn now_of(&self, peer: u64) -> Now {
        let boot_ms = self.peers[peer as usize].clock.local_us(self.now_us) / 1000;
        let offset = self.record.services().map_or(0, |s| s.stations[peer as usize].wall_offset_ms);
        let wall_ms = (WALL_START_MS + self.now_us / 1000).saturating_add_signed(offset);
        Now { boot_ms, wall_ms }
    }

    fn service_config(&mut self, peer: u64) -> ServiceConfig {
        let (seed, lease_ms) = (self.rng.word(), self.plan.lease_ms);
        let nonce = self.process(peer).nonce;
        let mut config = ServiceConfig::new(id_of(peer), nonce, seed);
        // In the proportions of production, whatever the lease.
        config.lease_ms = lease_ms;
        config.raft_tick_ms = (lease_ms / 40).max(5);
        config.retry_ms = lease_ms / 8;
        config.deadline_ms = lease_ms * 5 / 2;
        config.follow_hold_ms = lease_ms * 5 / 4;
        config.report_age_ms = lease_ms * 5 / 4;
        (config.raft.compact_entries, config.raft.keep_entries) = (96, 24);
        config
    }

    /// The process of a peer begins: from what is on its disk.
    pub fn start_service(&mut self, peer: u64) {
        let config = self.service_config(peer);
        let contacts = (0..self.plan.peers).map(id_of).filter(|p| *p != config.peer).collect();
        let now = self.now_of(peer);
        let station = self.station(peer);
        let mut log = DirLog::open(station.dir.clone(), CLUSTER, config.peer.0);
        let state = station.known.as_ref().map(|bytes| ClusterState::decode(bytes));
        let state = state.map(|state| state.expect("kept whole"));
        let opened = log.exists().map_err(Fatal::from).and_then(|has_log| {
            MetaService::open(config, ServiceInit { log, has_log, state, contacts }, now)
        });
        match opened {
            Ok(service) => station.process.service = Some(service),
            Err(fatal) => return self.fail(format!("the record of peer {peer}: {fatal}")),
        }
        self.drive(peer, |_, _| Ok(()));
        self.record_soon(peer, 1, RecordEvent::Tick);
    }

    /// The process ends; what was not synced is as lost as after a power cut.
    pub fn crash_service(&mut self, peer: u64) {
        let process = Process::new(&mut self.rng);
        let (record, rng) = (&mut self.record, &mut self.rng);
        let Some(services) = record.services_mut() else { return };
        let station = &mut services.stations[peer as usize];
        station.process = process;
        station.dir.crash(|bound| rng.below(bound));
        for other in (0..self.plan.peers).filter(|p| *p != peer) {
            if self.rng.percent(50) {
                let (after, from) = (self.rng.below(100_000), id_of(peer));
                self.record_soon(other, after, RecordEvent::Disconnected { from });
            }
        }
    }

    pub(super) fn record_soon(&mut self, peer: u64, delay_us: u64, what: RecordEvent) {
        let life = self.peers[peer as usize].life;
        self.at(delay_us, Event::Record { peer, life, what });
    }

    pub fn record_event(&mut self, peer: u64, life: u64, what: RecordEvent) {
        let p = &self.peers[peer as usize];
        if !p.alive || p.life != life {
            return;
        }
        if let Some(wait) = self.pause_left(peer) {
            return self.put_off(wait, Event::Record { peer, life, what });
        }
        match what {
            RecordEvent::Tick => self.tick_service(peer),
            RecordEvent::Message { from, bytes } => self.on_message(peer, from, bytes),
            RecordEvent::Disconnected { from } => {
                self.drive(peer, |service, now| service.disconnected(from, now));
            }
            RecordEvent::Inlet => self.take_inlet(peer),
            RecordEvent::Probed { disk, probe } => {
                self.drive(peer, |service, now| service.probed(disk, probe, now));
            }
            RecordEvent::Open { disk } => self.open_disk(disk),
            RecordEvent::Back { disk } => self.take_back(peer, disk),
            RecordEvent::Retry => self.retry_heads(peer),
            RecordEvent::Forget { voter } => self.forget(peer, voter),
        }
    }

    fn tick_service(&mut self, peer: u64) {
        self.drive(peer, MetaService::tick);
        self.keep_state(peer);
        self.begin_rejoins(peer);
        let every_us = (self.plan.lease_ms / 40).max(5) * 1000;
        let clock = &self.peers[peer as usize].clock;
        let wait = clock.wait_us(self.now_us, clock.local_us(self.now_us) + every_us);
        // A clock that stops is looked at again from time to time.
        self.record_soon(peer, wait.min(every_us * 4), RecordEvent::Tick);
    }

    /// A voter has its log.
    fn keep_state(&mut self, peer: u64) {
        let now_ms = self.now_us / 1000;
        let station = self.station(peer);
        let service = station.process.service.as_ref().filter(|s| s.node().is_none());
        let Some(state) = service.and_then(Service::state) else { return };
        if now_ms >= station.kept_at_ms + KEEP_MS {
            station.known = Some(state.encode());
            station.kept_at_ms = now_ms;
        }
    }

    fn on_message(&mut self, peer: u64, from: PeerId, bytes: Vec<u8>) {
        let silent = self.services().silent_until_us > self.now_us;
        let sender = number_of(from);
        let carried = self.net.carries(sender, peer) || self.is_heard_again(sender, peer);
        if silent || !carried {
            if self.rng.percent(20) {
                // What cannot be delivered is found out by its sender, some time.
                let (after, from_here) = (self.rng.below(500_000), id_of(peer));
                let lost = RecordEvent::Disconnected { from: from_here };
                self.record_soon(sender, after, lost);
            }
            return;
        }
        self.drive(peer, |service, now| service.receive(from, &bytes, now));
    }

    /// A fatal error ends a process: one that cannot write its log must not answer for it.
    pub(super) fn drive(
        &mut self,
        peer: u64,
        act: impl FnOnce(&mut Service, Now) -> Result<(), Fatal>,
    ) {
        let now = self.now_of(peer);
        let Some(service) = &mut self.process(peer).service else { return };
        let outputs = match act(service, now) {
            Ok(()) => service.take_outputs(),
            Err(fatal) => return self.fail(format!("the record of peer {peer}: {fatal}")),
        };
        let until_ms = service.lease_until_ms();
        outputs.into_iter().for_each(|output| self.carry_out_output(peer, output));
        // AFTER the state: a lease counts only for who knows of what was given away before it.
        if std::mem::replace(&mut self.process(peer).lease_until_ms, until_ms) != until_ms {
            self.inward(peer, Inward::Lease { until_ms });
        }
        self.learn(peer);
    }

    fn carry_out_output(&mut self, peer: u64, output: Output) {
        match output {
            Output::Send { to, bytes } => self.send_message(peer, to, &bytes),
            Output::Proposed { id, result } => {
                let after = self.process(peer).proposals.remove(&id).unwrap_or(After::Nothing);
                let result = result.map(|(_, outcome)| outcome);
                self.note(|| format!("peer {peer}: {after:?} {result:?}"));
                self.inward(peer, Inward::Answered { after, result });
            }
            Output::Barrier { token, result } => {
                if let Some(look) = self.process(peer).barriers.remove(&token) {
                    self.inward(peer, Inward::Looked { look, is_newest: result.is_ok() });
                }
            }
            Output::StateChanged { .. } => self.inward(peer, Inward::StateChanged),
            Output::Probe { disk, .. } => self.probe(peer, disk),
            Output::Blamed { .. } => self.counts.blamed += 1,
            // Keys admit peers; all that there are were admitted.
            Output::KeyWanted { .. } | Output::Key { .. } => {}
        }
    }

    fn send_message(&mut self, peer: u64, to: PeerId, bytes: &[u8]) {
        let to = number_of(to);
        self.counts.record_messages += 1;
        let copies = 1 + u64::from(self.rng.permille(self.plan.duplicate_permille));
        for _ in 0..copies {
            let delay = self.delay() + self.clog(peer, to) + self.thinness(to, bytes.len());
            let (from, bytes) = (id_of(peer), bytes.to_vec());
            self.record_soon(to, delay, RecordEvent::Message { from, bytes });
        }
    }

    fn inward(&mut self, peer: u64, what: Inward) {
        let process = self.process(peer);
        process.inlet.push_back(what);
        if !std::mem::replace(&mut process.inlet_due, true) {
            let delay = self.rng.below(INLET_US_MAX);
            self.record_soon(peer, delay, RecordEvent::Inlet);
        }
    }

    /// A connection to the very store. Where the process is gone, its host says so.
    fn probe(&mut self, peer: u64, disk: DiskId) {
        let owner = self.plan.peer_of(disk);
        let process = &self.peers[owner as usize];
        let serves = self.disks[&disk].member.is_some() && !self.disks[&disk].failed;
        let probe = match (self.net.both_ways(peer, owner), process.alive) {
            (true, false) => Probe::Refused,
            (true, true) if serves && self.pause_left(owner).is_none() => Probe::Reached,
            _ => Probe::Failed,
        };
        let delay = self.delay() * 2;
        self.record_soon(peer, delay, RecordEvent::Probed { disk, probe });
    }

    pub(super) fn propose(&mut self, peer: u64, command: Command, after: After) {
        let id = self.services().fresh_id();
        self.note(|| format!("peer {peer} proposes {command:?}"));
        if self.process(peer).service.is_none() {
            return;
        }
        self.process(peer).proposals.insert(id, after);
        self.drive(peer, |service, now| service.propose(id, command, now));
    }

    pub(super) fn look(&mut self, peer: u64, look: Look) {
        let process = self.process(peer);
        let token = process.next_barrier;
        process.next_barrier += 1;
        process.barriers.insert(token, look);
        self.drive(peer, |service, now| service.barrier(token, now));
    }
}
