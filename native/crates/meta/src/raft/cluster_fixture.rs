//! Several nodes in one thread, with a network and disks that fail on request. Virtual time.

use std::collections::BTreeMap;

use shoal_types::PeerId;

use super::*;
use crate::hex::{Hex, ProposalId};
use crate::log_store::{DirLog, MemDir};
use crate::seeded::Seeded;
use crate::state::{ClusterState, Command, ConfChange, Outcome, Proposal, fixture};

pub type Node = RaftNode<DirLog<MemDir>>;

/// In percent, per message.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub loss: u64,
    pub duplicate: u64,
    /// Ticks, at most.
    pub delay: u64,
}

pub struct World {
    pub random: Seeded,
    pub nodes: BTreeMap<u64, Node>,
    pub dirs: BTreeMap<u64, MemDir>,
    pub faults: Faults,
    /// Peers that nobody reaches.
    pub isolated: Vec<u64>,
    pub now: u64,
    pub seed: u64,
    pub compact_entries: u64,
    network: Vec<(u64, u64, u64, Vec<u8>)>,
    /// What was applied at each index, by whoever was first.
    pub history: BTreeMap<u64, (ProposalId, Outcome)>,
    pub reads: Vec<(u64, u64)>,
    pub trace: u64,
    next_proposal: u128,
}

impl World {
    /// Peers 1..=peers are admitted; peer 1 is the only voter.
    pub fn new(seed: u64, peers: u64) -> Self {
        let mut world = Self {
            random: Seeded::new(seed),
            nodes: BTreeMap::new(),
            dirs: BTreeMap::new(),
            faults: Faults::default(),
            isolated: vec![],
            now: 0,
            seed,
            compact_entries: 40,
            network: vec![],
            history: BTreeMap::new(),
            reads: vec![],
            trace: 0,
            next_proposal: 0,
        };
        let state = ClusterState::genesis(fixture::genesis()).unwrap();
        let dir = MemDir::new();
        found(&mut DirLog::open(dir.clone(), state.cluster_id(), 1), &state).unwrap();
        world.dirs.insert(1, dir);
        world.start(1);
        world.run_until("a leader", |w| w.leader() == Some(1));
        for n in 2..=peers {
            world.propose_on(1, Command::AddPeer { peer: fixture::new_peer(n) });
            world.dirs.insert(n, MemDir::new());
            world.run(2);
            world.start(n);
        }
        world
    }

    pub fn start(&mut self, id: u64) {
        let mut config = RaftConfig::new(PeerId(id), self.seed);
        config.compact_entries = self.compact_entries;
        config.keep_entries = self.compact_entries / 4;
        let log = DirLog::open(self.dirs[&id].clone(), fixture::genesis().cluster_id, id);
        let node = RaftNode::open(config, log).expect("opens after any crash");
        self.nodes.insert(id, node);
    }

    pub fn crash(&mut self, id: u64) {
        self.nodes.remove(&id);
        let random = &mut self.random;
        self.dirs[&id].crash(|bound| random.below(bound));
    }

    pub fn leader(&self) -> Option<u64> {
        let leads = |(id, node): (&u64, &Node)| node.is_leader().then_some((node.term(), *id));
        self.nodes.iter().filter_map(leads).max().map(|(_, id)| id)
    }

    pub fn node(&self, id: u64) -> &Node {
        &self.nodes[&id]
    }

    pub fn state(&self, id: u64) -> &ClusterState {
        self.nodes[&id].state().expect("has a state")
    }

    pub fn propose_on(&mut self, id: u64, command: Command) -> Option<ProposalId> {
        self.next_proposal += 1;
        let proposal =
            Proposal { id: Hex::from_u128(self.next_proposal), time_ms: self.now, command };
        let node = self.nodes.get_mut(&id)?;
        let proposed = node.propose(&proposal).unwrap();
        self.pump(id);
        proposed.ok().map(|()| proposal.id)
    }

    pub fn change(&mut self, change: ConfChange) -> bool {
        let Some(leader) = self.leader() else { return false };
        let node = self.nodes.get_mut(&leader).unwrap();
        let proposed = node.propose_conf_change(change).unwrap();
        self.pump(leader);
        proposed.is_ok()
    }

    /// One tick of everybody.
    pub fn tick(&mut self) {
        self.now += 1;
        let due: Vec<_> = {
            let now = self.now;
            let (due, later) = self.network.drain(..).partition(|(at, ..)| *at <= now);
            self.network = later;
            due
        };
        for (_, from, to, bytes) in due {
            self.deliver(from, to, &bytes);
        }
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        for id in ids {
            self.nodes.get_mut(&id).unwrap().tick().unwrap();
            self.pump(id);
        }
    }

    pub fn deliver(&mut self, from: u64, to: u64, bytes: &[u8]) {
        if self.isolated.contains(&from) || self.isolated.contains(&to) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&to) {
            let _ = node.step(PeerId(from), bytes).unwrap();
            self.pump(to);
        }
    }

    pub fn pump(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        let effects = node.ready().unwrap();
        for (to, bytes) in effects.send {
            self.send(id, to.0, bytes);
        }
        for applied in effects.applied {
            let fact = (applied.proposal, applied.outcome);
            let index = applied.index;
            let known = self.history.entry(index).or_insert_with(|| fact.clone());
            assert_eq!(*known, fact, "peer {id} diverges at {index}");
            self.note(id ^ index << 8);
        }
        self.reads.extend(effects.reads.into_iter().map(|context| (id, context)));
    }

    fn send(&mut self, from: u64, to: u64, bytes: Vec<u8>) {
        self.note(u64::from(shoal_types::checksum::crc32c(&bytes)) ^ to << 32);
        let Faults { loss, duplicate, delay } = self.faults;
        if self.random.chance(loss) {
            return;
        }
        let copies = 1 + u64::from(self.random.chance(duplicate));
        for _ in 0..copies {
            let at = self.now + 1 + self.random.below(delay + 1);
            self.network.push((at, from, to, bytes.clone()));
        }
    }

    fn note(&mut self, fact: u64) {
        self.trace = (self.trace ^ fact).wrapping_mul(0x100_0000_01b3).rotate_left(17);
    }

    pub fn in_flight(&self) -> Vec<(u64, u64, Vec<u8>)> {
        self.network.iter().map(|(_, from, to, bytes)| (*from, *to, bytes.clone())).collect()
    }

    pub fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.tick();
        }
    }

    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if done(self) {
                return;
            }
            self.tick();
        }
        panic!("never came: {what} (seed {})", self.seed);
    }

    /// Learner first, voter once it has caught up.
    pub fn add_voter(&mut self, id: u64) {
        let peer = PeerId(id);
        self.run_until("a learner", |w| w.leader().is_some());
        self.change(ConfChange::AddLearner { peer });
        self.run_until("caught up", |w| {
            w.leader().is_some_and(|l| w.node(l).lag_of(peer) == Some(0))
        });
        self.change(ConfChange::AddVoter { peer });
        self.run_until("a voter", |w| {
            w.leader().is_some_and(|l| w.state(l).voters().voters.contains(&peer))
        });
    }

    /// No faults, everybody up: they must agree, byte for byte.
    pub fn heal_and_compare(&mut self) {
        self.faults = Faults::default();
        self.isolated.clear();
        let ids: Vec<u64> = self.dirs.keys().copied().collect();
        for id in ids {
            if !self.nodes.contains_key(&id) {
                self.start(id);
            }
        }
        self.run_until("a leader after healing", |w| w.leader().is_some());
        self.run(60);
        let leader = self.leader().unwrap();
        self.propose_on(leader, Command::RaiseIncarnation { expected: 0 }).expect("a leader");
        self.run_until("agreement", |w| w.agrees());
        let voters = self.state(leader).voters().clone();
        let of = |id: u64| (voters.contains(PeerId(id))).then(|| self.state(id).encode());
        let states: Vec<_> = self.nodes.keys().filter_map(|id| of(*id)).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "seed {}", self.seed);
    }

    fn agrees(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let voters = self.state(leader).voters().clone();
        let member = |id: &u64| voters.contains(PeerId(*id));
        let index = self.state(leader).index();
        let caught_up = |id: u64| self.node(id).state().is_some_and(|s| s.index() == index);
        self.nodes.keys().filter(|id| member(id)).all(|id| caught_up(*id))
    }
}
