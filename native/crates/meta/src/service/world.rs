//! Services over a network and disks that fail on request, in one thread and virtual time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use shoal_types::{DiskId, MapEpoch, PeerId, PolicyId, VolumeId};

use super::*;
use crate::hex::{Hex, ProposalId};
use crate::log_store::{DirLog, MemDir};
use crate::raft::found;
use crate::seeded::Seeded;
use crate::state::{
    Applied, ClusterState, Command, ConfChange, Outcome, PgMembers, ReadMode, TableDelta, Via,
    fixture,
};

pub type Service = MetaService<DirLog<MemDir>>;

pub const STEP_MS: u64 = 50;
const CALL_EVERY_MS: u64 = 1_000;
pub const V: VolumeId = VolumeId(1);

pub struct World {
    pub random: Seeded,
    pub services: BTreeMap<u64, Service>,
    pub dirs: BTreeMap<u64, MemDir>,
    pub network: Vec<(u64, u64, u64, Vec<u8>)>,
    pub isolated: Vec<u64>,
    pub loss: u64,
    pub delay_ms: u64,
    pub now_ms: u64,
    pub starts: u8,
    pub proposed: BTreeMap<ProposalId, Result<(u64, Outcome), Unavailable>>,
    pub barriers: BTreeMap<u64, Result<(), Unavailable>>,
    pub probes: Vec<DiskId>,
    pub blamed: Vec<(u64, DiskId)>,
    pub next_id: u128,
    /// Keys that came, by peer.
    pub keys: BTreeMap<u64, Hex<32>>,
    /// (older, newer): connections that one of an older incarnation made.
    pub asked_newer: BTreeSet<(u64, u64)>,
    /// Settings of peers that grant leases of another length than the rest.
    pub lease_ms: BTreeMap<u64, u64>,
    /// Off, so that tests say who votes.
    pub manages_voters: bool,
}

impl World {
    /// Peers 1..=n with a disk each, peer 1 the only voter; a policy of 3 copies (or n) and a volume.
    pub fn new(seed: u64, n: u64) -> Self {
        let mut world = Self {
            random: Seeded::new(seed),
            services: BTreeMap::new(),
            dirs: BTreeMap::new(),
            network: vec![],
            isolated: vec![],
            loss: 0,
            delay_ms: 0,
            now_ms: 1_000_000,
            starts: 0,
            proposed: BTreeMap::new(),
            barriers: BTreeMap::new(),
            probes: vec![],
            blamed: vec![],
            next_id: 0,
            keys: BTreeMap::new(),
            asked_newer: BTreeSet::new(),
            lease_ms: BTreeMap::new(),
            manages_voters: false,
        };
        let state = ClusterState::genesis(fixture::genesis()).unwrap();
        let dir = MemDir::new();
        found(&mut DirLog::open(dir.clone(), state.cluster_id(), 1), &state).unwrap();
        world.dirs.insert(1, dir);
        world.start(1);
        for peer in 2..=n {
            world.ok(1, Command::AddPeer { peer: fixture::new_peer(peer) });
            world.dirs.insert(peer, MemDir::new());
            world.start(peer);
        }
        for peer in 1..=n {
            world.ok(peer, Command::AddDisk { disk: fixture::new_disk(peer, peer) });
        }
        world.place(n.min(3));
        world
    }

    pub fn place(&mut self, copies: u64) {
        let policy = fixture::new_policy("default", copies as u8, 4);
        self.ok(1, Command::CreatePolicy { policy });
        let expected_map_epoch: MapEpoch = self.state(1).map_epoch();
        let members: Vec<DiskId> = (1..=copies).map(DiskId).collect();
        let row = |index| PgMembers { index, members: members.clone(), leaving: vec![] };
        self.ok(
            1,
            Command::SetPgTable {
                policy: PolicyId(1),
                expected_map_epoch,
                algorithm_version: 1,
                changes: TableDelta((0..4).map(row).collect()),
            },
        );
        let name = "vol".to_owned();
        let policy = PolicyId(1);
        self.ok(1, Command::CreateVolume { name, size_bytes: 1 << 30, block_size: 512, policy });
    }

    pub fn now(&self) -> Now {
        Now { boot_ms: self.now_ms, wall_ms: self.now_ms + 7_000_000 }
    }

    pub fn start(&mut self, id: u64) {
        self.starts += 1;
        let mut config = ServiceConfig::new(PeerId(id), Hex([self.starts; 16]), 3);
        config.manages_voters = self.manages_voters;
        config.lease_ms = self.lease_ms.get(&id).copied().unwrap_or(config.lease_ms);
        let mut log = DirLog::open(self.dirs[&id].clone(), fixture::genesis().cluster_id, id);
        let has_log = log.exists().unwrap();
        let init = ServiceInit { log, has_log, state: None, contacts: vec![PeerId(1), PeerId(2)] };
        let service = Service::open(config, init, self.now()).unwrap();
        self.services.insert(id, service);
    }

    pub fn stop(&mut self, id: u64) {
        self.services.remove(&id);
        let random = &mut self.random;
        self.dirs[&id].crash(|bound| random.below(bound));
    }

    pub fn state(&self, id: u64) -> &ClusterState {
        self.services[&id].state().expect("has a state")
    }

    pub fn fresh_id(&mut self) -> ProposalId {
        self.next_id += 1;
        Hex::from_u128(self.next_id)
    }

    pub fn step(&mut self) {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        let (due, later) = self.network.drain(..).partition(|(at, ..)| *at <= now_ms);
        self.network = later;
        let due: Vec<(u64, u64, u64, Vec<u8>)> = due;
        for (_, from, to, bytes) in due {
            if self.isolated.contains(&from) || self.isolated.contains(&to) {
                continue;
            }
            let now = self.now();
            let greets = self.services.get(&from).and_then(Service::state).map(|s| s.incarnation());
            if let Some(service) = self.services.get_mut(&to) {
                // As connections tell: an older one may ask, a newer one may only answer it.
                let own = service.state().map(|s| s.incarnation());
                match greets.cmp(&own) {
                    _ if own.is_none() || greets.is_none() => {
                        service.receive(PeerId(from), &bytes, now).unwrap();
                    }
                    Ordering::Less => {
                        self.asked_newer.insert((from, to));
                        service.receive_behind(PeerId(from), &bytes, now).unwrap();
                    }
                    Ordering::Greater if !self.asked_newer.contains(&(to, from)) => {}
                    _ => service.receive(PeerId(from), &bytes, now).unwrap(),
                }
                self.collect(to);
            }
        }
        let ids: Vec<u64> = self.services.keys().copied().collect();
        for id in ids {
            let now = self.now();
            let service = self.services.get_mut(&id).unwrap();
            service.tick(now).unwrap();
            if self.now_ms.is_multiple_of(CALL_EVERY_MS) {
                service.call_absent(now);
            }
            self.collect(id);
        }
        self.check_leases();
    }

    pub fn collect(&mut self, id: u64) {
        for output in self.services.get_mut(&id).unwrap().take_outputs() {
            match output {
                Output::Send { to, bytes } => {
                    assert_eq!(ServiceMessage::decode(&bytes).unwrap().encode(), bytes);
                    if !self.random.chance(self.loss) {
                        let at = self.now_ms + 1 + self.random.below(self.delay_ms + 1);
                        self.network.push((at, id, to.0, bytes));
                    }
                }
                Output::Proposed { id, result } => {
                    assert!(self.proposed.insert(id, result).is_none(), "answered once");
                }
                Output::Barrier { token, result } => drop(self.barriers.insert(token, result)),
                Output::Probe { disk, .. } => self.probes.push(disk),
                Output::KeyWanted { from } => {
                    let (now, seed) = (self.now(), Hex([id as u8; 32]));
                    self.services.get_mut(&id).unwrap().give_key(from, seed, now).unwrap();
                    self.collect(id);
                }
                Output::Key { seed } => drop(self.keys.insert(id, seed)),
                Output::Blamed { disk } => self.blamed.push((id, disk)),
                Output::StateChanged { index, map_epoch } => {
                    let state = self.state(id);
                    assert!(state.index() >= index && state.map_epoch() >= map_epoch);
                }
            }
        }
    }

    /// A peer whose lease runs, and which believes to own a head, is right.
    pub fn check_leases(&self) {
        let newest = self.services.values().filter_map(Service::state).max_by_key(|s| s.index());
        let newest = newest.expect("somebody has a state");
        for (id, service) in &self.services {
            let Some(state) = service.state() else { continue };
            if self.now_ms >= service.lease_until_ms() {
                continue;
            }
            for volume in state.volumes().values() {
                let by_lease = state.head_reads(volume.id) == ReadMode::Lease;
                let owner = volume.head.owner.filter(|owner| owner.peer.0 == *id && by_lease);
                let head = &newest.volumes()[&volume.id].head;
                let current = head.epoch;
                // A peer that takes its own head again stopped the older one before it asked.
                let own = head.owner.is_some_and(|owner| owner.peer.0 == *id);
                assert!(
                    owner.is_none() || own || current == volume.head.epoch,
                    "peer {id} answers reads of {} under {:?}, deposed by {current:?}",
                    volume.id,
                    volume.head.epoch
                );
            }
        }
    }

    pub fn run_ms(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.step();
        }
    }

    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..1_200 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("never came: {what}");
    }

    pub fn propose(&mut self, on: u64, command: Command) -> ProposalId {
        let (id, now) = (self.fresh_id(), self.now());
        self.services.get_mut(&on).unwrap().propose(id, command, now).unwrap();
        self.collect(on);
        id
    }

    pub fn answer(&mut self, id: ProposalId) -> Result<(u64, Outcome), Unavailable> {
        self.run_until("an answer", |w| w.proposed.contains_key(&id));
        self.proposed[&id].clone()
    }

    /// Applied, and shown by the peer that asked.
    pub fn ok(&mut self, on: u64, command: Command) -> Applied {
        let id = self.propose(on, command.clone());
        let (index, outcome) = self.answer(id).expect("a leader");
        assert!(self.state(on).index() >= index);
        outcome.unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    pub fn attach(&mut self, peer: u64, takeover: Option<u64>) -> u64 {
        let (via, read_only, queues, peer_id) = (Via::Ublk, false, 1, PeerId(peer));
        let command =
            Command::Attach { volume: V, peer: peer_id, via, read_only, queues, takeover };
        match self.ok(peer, command) {
            Applied::Attached { generation } => generation,
            other => panic!("{other:?}"),
        }
    }

    pub fn take(&mut self, peer: u64, generation: u64) -> Outcome {
        let expected = self.state(peer).volumes()[&V].head.epoch;
        let (id, now) = (self.fresh_id(), self.now());
        let service = self.services.get_mut(&peer).unwrap();
        service.take_head(id, V, generation, expected, now).unwrap();
        self.collect(peer);
        self.answer(id).expect("a leader").1
    }

    pub fn add_voter(&mut self, id: u64) {
        let peer = PeerId(id);
        for change in [ConfChange::AddLearner { peer }, ConfChange::AddVoter { peer }] {
            self.run_until("a leader", |w| w.leader().is_some());
            let promotes = change == ConfChange::AddVoter { peer };
            self.run_until("caught up", |w| {
                let leader = w.leader().and_then(|id| w.services[&id].node());
                leader.is_some_and(|node| !promotes || node.has_caught_up(peer))
            });
            let leader = self.leader().unwrap();
            let now = self.now();
            let service = self.services.get_mut(&leader).unwrap();
            service.change_voters(change, now).unwrap().unwrap();
            self.collect(leader);
            self.run_until("a member", |w| {
                w.services[&id].node().is_some_and(|node| node.state().is_some())
            });
            self.run_ms(500);
        }
    }

    pub fn leader(&self) -> Option<u64> {
        self.services.iter().find_map(|(id, service)| service.is_leader().then_some(*id))
    }

    pub fn compare(&mut self) {
        self.run_until("agreement", |w| {
            let index = |s: &Service| s.state().map(|s| s.index());
            let mut all = w.services.values().map(index);
            let first = all.next().unwrap();
            first.is_some() && all.all(|other| other == first)
        });
        let states: Vec<_> = self.services.values().map(|s| s.state().unwrap().encode()).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
