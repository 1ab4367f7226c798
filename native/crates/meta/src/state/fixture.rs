//! A cluster for tests: a few peers with disks, one policy, one volume.

use shoal_types::{DiskId, PeerId, PolicyId, VolumeId};

use super::*;
use crate::hex::{Hex, ProposalId, PublicKey};

pub const POLICY: PolicyId = PolicyId(1);

/// Drives a state with numbered proposals.
pub struct Cluster {
    pub state: ClusterState,
    pub log: Vec<Proposal>,
    next_id: u128,
}

pub fn key(n: u64) -> PublicKey {
    let mut bytes = [0u8; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    Hex(bytes)
}

pub fn new_peer(n: u64) -> NewPeer {
    let address = Address { role: AddressRole::Data, address: format!("10.0.0.{n}:7000") };
    let domains = Domains { rack: format!("r{}", n % 3), zone: String::new() };
    NewPeer {
        name: format!("p{n}"),
        public_key: key(n),
        addresses: vec![address],
        domains,
        witness: false,
    }
}

pub fn genesis() -> Genesis {
    Genesis {
        cluster_id: Hex([7; 16]),
        name: "test".into(),
        authority_key: key(99),
        time_ms: 1_000,
        peer: new_peer(1),
    }
}

pub fn new_disk(peer: u64, n: u64) -> NewDisk {
    NewDisk {
        peer: PeerId(peer),
        store: Hex::from_u128(u128::from(n)),
        path: format!("/var/lib/shoal/disk{n}"),
        size_bytes: 1 << 40,
        class: DiskClass::Ssd,
        weight: 1024,
        reserve_bytes: 1 << 30,
    }
}

pub fn new_policy(name: &str, copies: u8, pg_count: u32) -> NewPolicy {
    NewPolicy {
        name: name.into(),
        redundancy: Redundancy::Replicas { copies },
        failure_domain: FailureDomain::Peer,
        class: None,
        min_in_sync: copies.div_ceil(2),
        reads: ReadMode::Lease,
        blocks_per_extent: 1024,
        pg_count,
        algorithm_version: 1,
    }
}

impl Cluster {
    pub fn empty() -> Self {
        Self { state: ClusterState::genesis(genesis()).unwrap(), log: Vec::new(), next_id: 1 }
    }

    /// `peers` peers with one disk each (disk n on peer n), policy 1 with 3 copies and 8 groups,
    /// volume 1 of 1 GiB.
    pub fn new(peers: u64) -> Self {
        let mut cluster = Self::empty();
        for n in 2..=peers {
            cluster.ok(Command::AddPeer { peer: new_peer(n) });
        }
        for n in 1..=peers {
            cluster.ok(Command::AddDisk { disk: new_disk(n, n) });
        }
        let copies = peers.min(3) as u8;
        cluster.ok(Command::CreatePolicy { policy: new_policy("default", copies, 8) });
        cluster.place(|index| {
            (0..u64::from(copies)).map(|i| (u64::from(index) + i) % peers + 1).collect()
        });
        cluster.create_volume("vol");
        cluster
    }

    pub fn place(&mut self, members: impl Fn(u32) -> Vec<u64>) {
        let row = |index| PgMembers {
            index,
            members: members(index).into_iter().map(DiskId).collect(),
            leaving: vec![],
        };
        let changes = TableDelta((0..8).map(row).collect());
        let expected_map_epoch = self.state.map_epoch();
        self.ok(Command::SetPgTable {
            policy: POLICY,
            expected_map_epoch,
            algorithm_version: 1,
            changes,
        });
    }

    pub fn create_volume(&mut self, name: &str) -> VolumeId {
        let create = Command::CreateVolume {
            name: name.into(),
            size_bytes: 1 << 30,
            block_size: 512,
            policy: POLICY,
        };
        match self.ok(create) {
            Applied::Volume { volume, .. } => volume,
            other => panic!("{other:?}"),
        }
    }

    pub fn attach(&mut self, volume: VolumeId, peer: u64) -> Outcome {
        self.run(attach(volume, peer, None))
    }

    pub fn ok(&mut self, command: Command) -> Applied {
        self.run(command.clone()).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    pub fn run(&mut self, command: Command) -> Outcome {
        let proposal =
            Proposal { id: self.fresh_id(), time_ms: self.state.time_ms() + 10, command };
        self.run_proposal(proposal)
    }

    /// Refuses, and changes nothing but the answer kept for retries.
    pub fn refused(&mut self, command: Command) -> Rejection {
        let before = state_json(&self.state);
        let rejection = self.run(command.clone()).expect_err(&format!("{command:?}"));
        let mut after = state_json(&self.state);
        after["index"] = before["index"].clone();
        after["time_ms"] = before["time_ms"].clone();
        assert_eq!(before, after, "{command:?}");
        rejection
    }

    pub fn run_proposal(&mut self, proposal: Proposal) -> Outcome {
        let outcome = self.state.apply(self.state.index() + 1, &proposal);
        self.log.push(proposal);
        outcome
    }

    pub fn fresh_id(&mut self) -> ProposalId {
        self.next_id += 1;
        Hex::from_u128(self.next_id)
    }
}

pub fn rules() -> Rules {
    let localize = Some(Localize::Zone("z".into()));
    Rules { max_per: [(FailureDomain::Rack, 2)].into(), labels: ["fast".into()].into(), localize }
}

/// Changes nothing but the rules.
pub fn placed(rules: Option<Rules>) -> Command {
    Command::SetPolicyPlacement {
        policy: POLICY,
        redundancy: None,
        min_in_sync: None,
        failure_domain: None,
        class: None,
        rules,
    }
}

pub fn attach(volume: VolumeId, peer: u64, takeover: Option<u64>) -> Command {
    let (via, read_only, queues) = (Via::Ublk, false, 2);
    Command::Attach { volume, peer: PeerId(peer), via, read_only, queues, takeover }
}
