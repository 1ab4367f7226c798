//! How large a topology map is, as it is encoded: 5 bytes and 2 per member for each placement
//! group, and the topology. `npm run bench:placement` takes the printed line into docs/placement.md.

use shoal_meta::hex::Hex;
use shoal_meta::map::{MapUpdate, TopologyMap, map_delta};
use shoal_meta::state::{
    Address, AddressRole, ClusterState, Command, DiskClass, Domains, FailureDomain, Genesis,
    NewDisk, NewPeer, NewPolicy, PgMembers, Proposal, ReadMode, Redundancy, RemovalReason,
    TableDelta, Target,
};
use shoal_types::{DiskId, PeerId, PolicyId};

const DISKS: u64 = 10_000;
const DISKS_PER_PEER: u64 = 10;
const GROUPS: u32 = 262_144;
const COPIES: u64 = 3;
/// Rows of one command.
const ROWS: usize = 65_536;
const GROUP_BYTES: usize = 5 + 2 * COPIES as usize;
const MAP_BYTES_MAX: usize = 4 << 20;

struct Cluster(ClusterState);

impl Cluster {
    fn new() -> Self {
        let genesis = Genesis {
            cluster_id: Hex([1; 16]),
            name: "large".into(),
            authority_key: Hex([2; 32]),
            time_ms: 1,
            peer: peer(1),
        };
        Self(ClusterState::genesis(genesis).unwrap())
    }

    fn ok(&mut self, command: Command) {
        let index = self.0.index() + 1;
        let id = Hex(u128::from(index).to_le_bytes());
        self.0.apply(index, &Proposal { id, time_ms: 1, command }).unwrap();
    }
}

fn peer(n: u64) -> NewPeer {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_le_bytes());
    let address =
        |role, port| Address { role, address: format!("192.168.{}.{}:{port}", n / 250, n % 250) };
    NewPeer {
        name: format!("storage-{n}"),
        public_key: Hex(key),
        addresses: vec![address(AddressRole::Data, 7440), address(AddressRole::Control, 7441)],
        domains: Domains { rack: format!("rack-{}", n / 20), zone: format!("zone-{}", n / 200) },
        witness: false,
    }
}

fn disk(n: u64) -> NewDisk {
    NewDisk {
        peer: PeerId(n / DISKS_PER_PEER + 1),
        store: Hex(u128::from(n).to_le_bytes()),
        path: format!("/dev/disk/by-id/nvme-{n}"),
        size_bytes: 8 << 40,
        class: DiskClass::Nvme,
        weight: 8192,
        reserve_bytes: 160 << 30,
    }
}

fn policy(pg_count: u32) -> NewPolicy {
    NewPolicy {
        name: "default".into(),
        redundancy: Redundancy::Replicas { copies: COPIES as u8 },
        failure_domain: FailureDomain::Peer,
        class: None,
        min_in_sync: 2,
        reads: ReadMode::Lease,
        blocks_per_extent: 1024,
        pg_count,
        algorithm_version: 1,
    }
}

/// Every disk holds as many groups as the others; a stride of peers keeps the members apart.
fn row(index: u32) -> PgMembers {
    let member = |i| DiskId((u64::from(index) + i * 3_330) % DISKS + 1);
    PgMembers { index, members: (0..COPIES).map(member).collect(), leaving: vec![] }
}

fn large() -> Cluster {
    let mut cluster = Cluster::new();
    for n in 2..=DISKS / DISKS_PER_PEER {
        cluster.ok(Command::AddPeer { peer: peer(n) });
    }
    for n in 0..DISKS {
        cluster.ok(Command::AddDisk { disk: disk(n) });
    }
    cluster.ok(Command::CreatePolicy { policy: policy(GROUPS) });
    let rows: Vec<PgMembers> = (0..GROUPS).map(row).collect();
    for changes in rows.chunks(ROWS) {
        cluster.ok(Command::SetPgTable {
            policy: PolicyId(1),
            expected_map_epoch: cluster.0.map_epoch(),
            algorithm_version: 1,
            changes: TableDelta(changes.to_vec()),
        });
    }
    cluster
}

#[test]
fn ten_thousand_disks_and_262_144_groups_fit_in_4_mib() {
    let mut cluster = large();
    let map = TopologyMap::of(&cluster.0);
    let bytes = map.encode();
    assert!(TopologyMap::decode(&bytes).unwrap() == map);
    assert!(bytes.len() <= MAP_BYTES_MAX, "{} bytes", bytes.len());

    let (mut without, since) = (Cluster::new(), cluster.0.map_epoch());
    without.ok(Command::CreatePolicy { policy: policy(1) });
    let empty = TopologyMap::of(&without.0).encode().len();
    without.ok(Command::GrowPolicy { policy: PolicyId(1), expected: 1, pg_count: 2 });
    assert_eq!(TopologyMap::of(&without.0).encode().len() - empty, 5, "a group without members");
    let groups = GROUPS as usize * GROUP_BYTES;
    let topology = bytes.len() - groups;
    assert!(topology < MAP_BYTES_MAX - groups, "{topology} bytes of topology");

    // A lost disk is told in a fraction of it.
    let (target, reason) = (Target::Disk(DiskId(7)), RemovalReason::Ordered);
    cluster.ok(Command::PgRemove { target, reason, only: None });
    let update = map_delta(&cluster.0, since);
    assert!(matches!(update, MapUpdate::Delta(_)));
    let delta = update.encode().len();
    assert!(delta * 100 < bytes.len(), "{delta} bytes of a delta");
    println!("measured: map {} groups {groups} topology {topology} delta {delta}", bytes.len());
}
