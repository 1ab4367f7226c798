//! A cluster is founded, and grows to its size, before anything goes wrong.

use shoal_meta::hex::{Hex, PublicKey};
use shoal_meta::log_store::DirLog;
use shoal_meta::raft::found;
use shoal_meta::state::{
    Address, AddressRole, ClusterState, Command, DiskClass, Domains, FailureDomain, Genesis,
    NewDisk, NewPeer, NewPolicy, PgMembers, ReadMode, Redundancy, Settings, TableDelta,
};
use shoal_types::{DiskId, PolicyId};

use super::station::After;
use super::{CLUSTER, WALL_START_MS, id_of, uuid_of};
use crate::world::World;

/// Virtual time within which each step of it must be done.
const STEP_US: u64 = 20_000_000;

impl World {
    pub fn found_cluster(&mut self) {
        let genesis = Genesis {
            cluster_id: CLUSTER,
            name: "sim".to_owned(),
            authority_key: key(99),
            time_ms: WALL_START_MS,
            peer: new_peer(0),
        };
        let state = ClusterState::genesis(genesis).expect("it is right");
        let dir = self.station(0).dir.clone();
        found(&mut DirLog::open(dir, CLUSTER, 1), &state).expect("an empty directory");
        (0..self.plan.peers).for_each(|peer| self.start_service(peer));
        self.wait_for("a leader", |world| world.leader().is_some());
        for command in self.members() {
            self.settle_command(command);
        }
        self.settle_command(Command::CreatePolicy { policy: self.new_policy() });
        let expected_map_epoch = self.newest(ClusterState::map_epoch).expect("it has a state");
        let (policy, algorithm_version) = (PolicyId(1), 1);
        let changes = self.first_table();
        let table = Command::SetPgTable { policy, expected_map_epoch, algorithm_version, changes };
        self.settle_command(table);
        for _ in 0..self.plan.volumes {
            let before = self.cluster.volumes.len();
            self.propose_volume();
            self.wait_for("a volume", |world| world.cluster.volumes.len() > before);
        }
        self.wait_for("voters", |world| {
            world.voters().len() as u64 == wanted_voters(world.plan.peers)
        });
        (0..self.plan.peers)
            .for_each(|p| self.plan.disks_of(p).into_iter().for_each(|d| self.open_disk(d)));
        self.wait_for("disks", |world| world.disks.values().all(|disk| disk.member.is_some()));
        self.services().is_set_up = true;
    }

    fn members(&self) -> Vec<Command> {
        let settings = Settings { rebuild_after_ms: 600_000, replace_voter_after_ms: 8_000 };
        let mut commands = vec![Command::SetSettings { settings }];
        for peer in 1..self.plan.peers {
            commands.push(Command::AddPeer { peer: new_peer(peer) });
        }
        for peer in 0..self.plan.peers {
            for disk in self.plan.disks_of(peer) {
                commands.push(Command::AddDisk { disk: new_disk(peer, disk) });
            }
        }
        commands
    }

    fn new_policy(&self) -> NewPolicy {
        NewPolicy {
            name: "default".to_owned(),
            redundancy: Redundancy::Replicas { copies: self.plan.copies as u8 },
            failure_domain: FailureDomain::Peer,
            class: None,
            min_in_sync: self.plan.min_in_sync as u8,
            reads: if self.plan.confirmed_reads { ReadMode::Confirmed } else { ReadMode::Lease },
            blocks_per_extent: self.plan.blocks_per_extent,
            pg_count: self.plan.pg_count,
            algorithm_version: 1,
        }
    }

    fn first_table(&self) -> TableDelta {
        let row = |index: u32| {
            let member = |i: usize| {
                let at = u64::from(index) + i as u64;
                self.plan.disk_of(at % self.plan.peers, at / self.plan.peers)
            };
            let members = (0..self.plan.copies).map(member).collect();
            PgMembers { index, members, leaving: Vec::new() }
        };
        TableDelta((0..self.plan.pg_count).map(row).collect())
    }

    fn settle_command(&mut self, command: Command) {
        let before = self.services().index;
        self.propose(0, command, After::Nothing);
        self.wait_for("a command", |world| {
            let services = world.record.services().expect("it has them");
            services.index > before && services.stations[0].process.proposals.is_empty()
        });
    }

    fn wait_for(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = self.now_us + STEP_US;
        while !done(self) && self.failure.is_none() {
            if self.now_us > deadline {
                let shown = self.services_shown();
                let why = format!("never came while the cluster was founded: {what}{shown}");
                return self.fail(why);
            }
            self.step();
        }
    }
}

/// As `shoal_meta::voting` wants them.
pub fn wanted_voters(peers: u64) -> u64 {
    match peers {
        0..=2 => 1,
        3 | 4 => 3,
        _ => 5,
    }
}

fn key(n: u64) -> PublicKey {
    let mut bytes = [0u8; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    Hex(bytes)
}

fn new_peer(peer: u64) -> NewPeer {
    let address = Address { role: AddressRole::Data, address: format!("10.0.0.{}:1", peer + 1) };
    NewPeer {
        name: format!("p{}", peer + 1),
        public_key: key(peer + 1),
        addresses: vec![address],
        domains: Domains::default(),
        witness: false,
    }
}

fn new_disk(peer: u64, disk: DiskId) -> NewDisk {
    NewDisk {
        peer: id_of(peer),
        store: uuid_of(disk),
        path: format!("/disk{}", disk.0),
        size_bytes: 1 << 30,
        class: DiskClass::Ssd,
        weight: 1,
        reserve_bytes: 0,
    }
}
