//! Whole services in one thread: one voter with followers, three voters, leases under loss and
//! partitions, judgements.

use std::collections::BTreeMap;

use shoal_engine::insync::Probe;
use shoal_types::{DiskId, HeadEpoch, MapEpoch, PeerId, PolicyId, VolumeId};

use super::*;
use crate::hex::{Hex, ProposalId};
use crate::log_store::{DirLog, MemDir};
use crate::raft::found;
use crate::seeded::Seeded;
use crate::state::{
    Applied, ClusterState, Command, ConfChange, Outcome, PgMembers, Rejection, TableDelta, Via,
    fixture,
};

type Service = MetaService<DirLog<MemDir>>;

const STEP_MS: u64 = 50;
const V: VolumeId = VolumeId(1);

struct World {
    random: Seeded,
    services: BTreeMap<u64, Service>,
    dirs: BTreeMap<u64, MemDir>,
    network: Vec<(u64, u64, u64, Vec<u8>)>,
    isolated: Vec<u64>,
    loss: u64,
    delay_ms: u64,
    now_ms: u64,
    starts: u8,
    proposed: BTreeMap<ProposalId, Result<(u64, Outcome), Unavailable>>,
    barriers: BTreeMap<u64, Result<(), Unavailable>>,
    probes: Vec<DiskId>,
    blamed: Vec<(u64, DiskId)>,
    next_id: u128,
}

impl World {
    /// Peers 1..=n with a disk each, peer 1 the only voter; a policy of 3 copies (or n) and a volume.
    fn new(seed: u64, n: u64) -> Self {
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

    fn place(&mut self, copies: u64) {
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

    fn now(&self) -> Now {
        Now { boot_ms: self.now_ms, wall_ms: self.now_ms + 7_000_000 }
    }

    fn start(&mut self, id: u64) {
        self.starts += 1;
        let config = ServiceConfig::new(PeerId(id), Hex([self.starts; 16]), 3);
        let mut log = DirLog::open(self.dirs[&id].clone(), fixture::genesis().cluster_id, id);
        let has_log = log.exists().unwrap();
        let init = ServiceInit { log, has_log, state: None, contacts: vec![PeerId(1), PeerId(2)] };
        let service = Service::open(config, init, self.now()).unwrap();
        self.services.insert(id, service);
    }

    fn stop(&mut self, id: u64) {
        self.services.remove(&id);
        let random = &mut self.random;
        self.dirs[&id].crash(|bound| random.below(bound));
    }

    fn state(&self, id: u64) -> &ClusterState {
        self.services[&id].state().expect("has a state")
    }

    fn fresh_id(&mut self) -> ProposalId {
        self.next_id += 1;
        Hex::from_u128(self.next_id)
    }

    fn step(&mut self) {
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
            if let Some(service) = self.services.get_mut(&to) {
                service.receive(PeerId(from), &bytes, now).unwrap();
                self.collect(to);
            }
        }
        let ids: Vec<u64> = self.services.keys().copied().collect();
        for id in ids {
            let now = self.now();
            self.services.get_mut(&id).unwrap().tick(now).unwrap();
            self.collect(id);
        }
        self.check_leases();
    }

    fn collect(&mut self, id: u64) {
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
                Output::Blamed { disk } => self.blamed.push((id, disk)),
                Output::StateChanged { index, map_epoch } => {
                    let state = self.state(id);
                    assert!(state.index() >= index && state.map_epoch() >= map_epoch);
                }
            }
        }
    }

    /// A peer whose lease runs, and which believes to own a head, is right.
    fn check_leases(&self) {
        let newest = self.services.values().filter_map(Service::state).max_by_key(|s| s.index());
        let newest = newest.expect("somebody has a state");
        for (id, service) in &self.services {
            let Some(state) = service.state() else { continue };
            if self.now_ms >= service.lease_until_ms() {
                continue;
            }
            for volume in state.volumes().values() {
                let owner = volume.head.owner.filter(|owner| owner.peer.0 == *id);
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

    fn run_ms(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.step();
        }
    }

    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..1_200 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("never came: {what}");
    }

    fn propose(&mut self, on: u64, command: Command) -> ProposalId {
        let (id, now) = (self.fresh_id(), self.now());
        self.services.get_mut(&on).unwrap().propose(id, command, now).unwrap();
        self.collect(on);
        id
    }

    fn answer(&mut self, id: ProposalId) -> Result<(u64, Outcome), Unavailable> {
        self.run_until("an answer", |w| w.proposed.contains_key(&id));
        self.proposed[&id].clone()
    }

    /// Applied, and shown by the peer that asked.
    fn ok(&mut self, on: u64, command: Command) -> Applied {
        let id = self.propose(on, command.clone());
        let (index, outcome) = self.answer(id).expect("a leader");
        assert!(self.state(on).index() >= index);
        outcome.unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    fn attach(&mut self, peer: u64, takeover: Option<u64>) -> u64 {
        let (via, read_only, queues, peer_id) = (Via::Ublk, false, 1, PeerId(peer));
        let command =
            Command::Attach { volume: V, peer: peer_id, via, read_only, queues, takeover };
        match self.ok(peer, command) {
            Applied::Attached { generation } => generation,
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, peer: u64, generation: u64) -> Outcome {
        let expected = self.state(peer).volumes()[&V].head.epoch;
        let (id, now) = (self.fresh_id(), self.now());
        let service = self.services.get_mut(&peer).unwrap();
        service.take_head(id, V, generation, expected, now).unwrap();
        self.collect(peer);
        self.answer(id).expect("a leader").1
    }

    fn add_voter(&mut self, id: u64) {
        let peer = PeerId(id);
        for change in [ConfChange::AddLearner { peer }, ConfChange::AddVoter { peer }] {
            self.run_until("a leader", |w| w.leader().is_some());
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

    fn leader(&self) -> Option<u64> {
        self.services.iter().find_map(|(id, service)| service.is_leader().then_some(*id))
    }

    fn compare(&mut self) {
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

#[test]
fn followers_propose_read_and_hold_the_same_state() {
    let mut world = World::new(1, 3);
    world.compare();
    let done = world.ok(3, Command::AddPeer { peer: fixture::new_peer(9) });
    assert_eq!(done, Applied::Peer { peer: PeerId(4) });
    world.ok(2, Command::RemovePeer { peer: PeerId(4) });
    for (token, peer) in [(1, 1), (2, 2), (3, 3)] {
        let now = world.now();
        world.services.get_mut(&peer).unwrap().barrier(token, now).unwrap();
        world.collect(peer);
    }
    world.run_until("barriers", |w| w.barriers.len() == 3);
    assert!(world.barriers.values().all(Result::is_ok));
    world.compare();
}

#[test]
fn judged_commands_are_not_for_everybody() {
    let mut world = World::new(1, 2);
    let command = Command::TakeHead {
        volume: V,
        peer: PeerId(2),
        process: Hex([1; 16]),
        generation: 0,
        expected: HeadEpoch(0),
        basis: crate::state::TakeBasis::LeaseOver,
    };
    let id = world.propose(2, command.clone());
    assert_eq!(world.answer(id), Err(Unavailable::Judged));
    // A peer that does not ask itself first is refused by the leader.
    let proposal = crate::state::Proposal { id: Hex([9; 16]), time_ms: 0, command };
    let now = world.now();
    let bytes = ServiceMessage::Propose { proposal }.encode();
    world.services.get_mut(&1).unwrap().receive(PeerId(2), &bytes, now).unwrap();
    let outputs = world.services.get_mut(&1).unwrap().take_outputs();
    let refused = outputs.iter().any(|output| match output {
        Output::Send { bytes, .. } => matches!(
            ServiceMessage::decode(bytes),
            Ok(ServiceMessage::NotProposed { why: ProposeRefused::Judged, .. })
        ),
        _ => false,
    });
    assert!(refused);
}

#[test]
fn a_head_moves_only_after_the_lease() {
    let mut world = World::new(1, 3);
    world.run_ms(2_000);
    let generation = world.attach(2, None);
    assert_eq!(world.take(2, generation), Ok(Applied::Head { head_epoch: HeadEpoch(1) }));
    assert!(world.services[&2].lease_until_ms() > world.now_ms);
    world.isolated = vec![2];
    let next = world.attach(3, Some(generation));
    let begun = world.now_ms;
    let mut refused = 0;
    loop {
        match world.take(3, next) {
            Err(Rejection::HeadHeld { peer, .. }) => refused += u32::from(peer == PeerId(2)),
            other => break assert_eq!(other, Ok(Applied::Head { head_epoch: HeadEpoch(2) })),
        }
        world.run_ms(200);
    }
    assert!(refused > 5 && world.now_ms - begun < 6_000, "{refused} in {}", world.now_ms - begun);
    assert!(world.services[&2].lease_until_ms() <= world.now_ms);
    world.isolated.clear();
    world.run_until("renewed", |w| w.services[&2].lease_until_ms() > w.now_ms);
    assert_eq!(world.state(2).volumes()[&V].head.epoch, HeadEpoch(2), "it knows before it reads");
}

#[test]
fn a_session_that_was_given_back_is_not_waited_for() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    let generation = world.attach(2, None);
    world.take(2, generation).unwrap();
    let now = world.now();
    world.services.get_mut(&2).unwrap().end_session(now).unwrap();
    world.collect(2);
    world.run_ms(200);
    assert_eq!(world.services[&2].lease_until_ms(), 0);
    let next = world.attach(3, Some(generation));
    assert!(world.take(3, next).is_ok());
}

#[test]
fn a_restarted_single_voter_waits_out_what_it_may_have_granted() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    let generation = world.attach(2, None);
    world.take(2, generation).unwrap();
    world.stop(1);
    world.start(1);
    world.isolated = vec![2];
    world.run_until("leads again", |w| w.leader() == Some(1));
    let next = world.attach(3, Some(generation));
    assert!(matches!(world.take(3, next), Err(Rejection::HeadHeld { .. })));
    world.run_ms(4_600);
    assert!(world.take(3, next).is_ok());
    // The same peer takes its own at once, also from a leader that has just begun.
    world.stop(1);
    world.start(1);
    world.run_until("leads again", |w| w.leader() == Some(1));
    assert_eq!(world.take(3, next), Ok(Applied::Head { head_epoch: HeadEpoch(3) }));
}

#[test]
fn three_voters_go_on_without_their_leader() {
    let mut world = World::new(2, 4);
    world.add_voter(2);
    world.add_voter(3);
    world.run_ms(2_000);
    let old = world.leader().unwrap();
    world.stop(old);
    let id = world.propose(4, Command::AddPeer { peer: fixture::new_peer(9) });
    assert!(matches!(world.answer(id), Ok((_, Ok(Applied::Peer { .. })))));
    world.run_until("leases", |w| w.services.values().all(|s| s.lease_until_ms() > w.now_ms));
    world.start(old);
    world.run_ms(1_000);
    world.compare();
    assert!(world.services.values().all(|s| !s.lost_log()));
}

#[test]
fn a_voter_without_its_log_follows_and_does_not_vote() {
    let mut world = World::new(2, 3);
    world.add_voter(2);
    world.add_voter(3);
    world.run_ms(1_000);
    let victim = if world.leader() == Some(3) { 2 } else { 3 };
    world.stop(victim);
    world.dirs.insert(victim, MemDir::new());
    world.start(victim);
    world.run_until("noticed", |w| w.services[&victim].lost_log());
    world.compare();
    assert!(world.services[&victim].node().is_none());
}

fn in_sync(world: &World, disk: u64) -> usize {
    let table = world.state(1).table(PolicyId(1)).unwrap();
    table.records().filter(|r| r.is_in_sync(DiskId(disk))).count()
}

fn report(world: &mut World, peer: u64, disk: u64, kind: ReportKind) {
    let now = world.now();
    world.services.get_mut(&peer).unwrap().report(DiskId(disk), kind, now).unwrap();
    world.collect(peer);
    world.run_ms(300);
}

#[test]
fn two_reporters_prove_a_loss_and_one_does_not() {
    let mut world = World::new(1, 4);
    world.run_ms(2_000);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 4);
    assert!(world.probes.contains(&DiskId(3)), "the leader looks for itself");
    let now = world.now();
    world.services.get_mut(&1).unwrap().probed(DiskId(3), Probe::Reached, now).unwrap();
    world.collect(1);
    world.run_ms(200);
    assert_eq!(world.blamed, [(2, DiskId(3))], "only it cannot reach what others reach");
    assert_eq!(in_sync(&world, 3), 4);
    report(&mut world, 4, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 0);
}

#[test]
fn in_a_tiny_cluster_the_leaders_own_probe_counts() {
    let mut world = World::new(1, 3);
    world.run_ms(2_000);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 4);
    let now = world.now();
    world.services.get_mut(&1).unwrap().probed(DiskId(3), Probe::Failed, now).unwrap();
    world.collect(1);
    world.run_ms(300);
    assert_eq!(in_sync(&world, 3), 0);
}

#[test]
fn a_lapsed_session_takes_the_whole_peer_out() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    world.stop(3);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 4, "its lease may still run");
    world.run_ms(4_500);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 0);
}

#[test]
fn a_store_that_says_it_is_out_is_believed() {
    let mut world = World::new(1, 3);
    report(&mut world, 1, 2, ReportKind::StoreOut);
    assert_eq!(in_sync(&world, 2), 0);
    report(&mut world, 2, 3, ReportKind::StoreUnfit);
    let table = world.state(1).table(PolicyId(1)).unwrap();
    assert!(table.records().all(|r| r.in_sync == [DiskId(1)]));
    assert!(table.records().all(|r| r.member(DiskId(3)).unwrap().full));
}

#[test]
fn without_a_leader_a_proposal_is_unavailable_and_may_be_repeated() {
    let mut world = World::new(1, 2);
    world.run_ms(1_000);
    world.stop(1);
    let command = Command::AddPeer { peer: fixture::new_peer(9) };
    let id = world.propose(2, command.clone());
    assert_eq!(world.answer(id), Err(Unavailable::NoLeader));
    world.start(1);
    world.proposed.clear();
    let now = world.now();
    world.services.get_mut(&2).unwrap().propose(id, command, now).unwrap();
    world.collect(2);
    assert!(matches!(world.answer(id), Ok((_, Ok(Applied::Peer { .. })))));
}

/// Heads move back and forth under loss, delay, crashes and isolation; `check_leases` runs after
/// every step, and in the end all peers hold the same bytes.
#[test]
fn chaos_never_leaves_two_who_answer_reads() {
    let mut moved = 0;
    for seed in 0..12 {
        let mut world = World::new(seed, 4);
        world.add_voter(2);
        world.add_voter(3);
        world.loss = world.random.below(15);
        world.delay_ms = world.random.below(300);
        for _ in 0..1_200 {
            chaos_step(&mut world);
            world.step();
        }
        (world.loss, world.delay_ms) = (0, 0);
        world.isolated.clear();
        for id in 1..=4 {
            if !world.services.contains_key(&id) {
                world.start(id);
            }
        }
        world.run_ms(8_000);
        world.compare();
        moved += world.state(1).volumes()[&V].head.epoch.0;
    }
    assert!(moved > 100, "heads must move: {moved}");
}

fn chaos_step(world: &mut World) {
    let peer = 1 + world.random.below(4);
    let now = world.now();
    match world.random.below(100) {
        0 if world.services.len() > 3 && world.services.contains_key(&peer) => world.stop(peer),
        1..=5 if !world.services.contains_key(&peer) => world.start(peer),
        6 => world.isolated = vec![peer],
        7..=9 => world.isolated.clear(),
        10..=30 => {
            let id = world.fresh_id();
            let Some(service) = world.services.get_mut(&peer) else { return };
            let Some(volume) = service.state().and_then(|s| s.volumes().get(&V)) else { return };
            let (expected, generation) = (volume.head.epoch, volume.generation);
            let mine = volume.attachment.is_some_and(|a| a.peer.0 == peer);
            if mine {
                service.take_head(id, V, generation, expected, now).unwrap();
            } else {
                let peer = PeerId(peer);
                let (via, read_only, queues) = (Via::Ublk, false, 1);
                let takeover = Some(generation);
                let attach = Command::Attach { volume: V, peer, via, read_only, queues, takeover };
                service.propose(id, attach, now).unwrap();
            }
            world.collect(peer);
        }
        _ => {}
    }
}

#[test]
fn damaged_messages_never_panic() {
    let mut world = World::new(1, 3);
    world.add_voter(2);
    let mut random = Seeded::new(8);
    for _ in 0..400 {
        world.step();
        let Some((_, from, to, bytes)) = world.network.first().cloned() else { continue };
        for _ in 0..30 {
            let mut bytes = bytes.clone();
            random.mutate(&mut bytes);
            let now = world.now();
            // Most are unreadable; what is readable is a lie of a member, which may cost it its
            // own proposals but not this process.
            world.services.get_mut(&to).unwrap().receive(PeerId(from), &bytes, now).unwrap();
            world.services.get_mut(&to).unwrap().take_outputs();
        }
    }
}
