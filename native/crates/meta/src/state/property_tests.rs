//! Random command sequences: replicas agree byte for byte, refusals leave no trace, invariants
//! hold, every state and command survives its encoding, and damaged bytes never panic.

use std::collections::BTreeSet;

use shoal_types::{DiskId, HeadEpoch, MapEpoch, PeerId, PgEpoch, PgId, PolicyId, VolumeId};

use super::fixture::{Cluster, POLICY, genesis, key, new_disk, new_peer, new_policy};
use super::*;
use crate::codec::encode;
use crate::hex::Hex;
use crate::seeded::Seeded;

#[rustfmt::skip] // One line per command: a table, not a program.
fn random_command(random: &mut Seeded, state: &ClusterState) -> Command {
    let peer = PeerId(1 + random.below(7));
    let disk = DiskId(1 + random.below(9));
    let volume = VolumeId(1 + random.below(5));
    let pg = PgId { policy: POLICY, index: random.below(9) as u32 };
    let record = state.pg(pg);
    let expected = record.map_or(PgEpoch(0), |r| r.epoch);
    let expected = if random.chance(20) { PgEpoch(expected.0 + 1) } else { expected };
    let generation = state.volumes().get(&volume).map_or(0, |v| v.generation);
    let he = state.volumes().get(&volume).map_or(HeadEpoch(0), |v| v.head.epoch);
    let process = Hex([random.below(2) as u8; 16]);
    if random.chance(15) {
        return random_upkeep(random, peer, disk, pg, expected);
    }
    match random.below(30) {
        27 if random.chance(20) => random_growth(random, state),
        27 if random.chance(30) => Command::SetFillFactors { factors: vec![(disk, 500 + random.below(700) as u16)] },
        27 => random_placement(random),
        28 => Command::SetDiskLabels { disk, labels: random_labels(random) },
        29 => Command::SetMovement { paused: Some(random.chance(50)), per_disk: Some(random.below(1 << 17) as u32), per_peer: None, total: None },
        0 => Command::AddPeer { peer: new_peer(1 + random.below(9)) },
        1 => Command::RemovePeer { peer },
        2 => Command::UpdatePeer {
            peer, name: random.chance(50).then(|| format!("n{}", random.below(5))), addresses: None, domains: None,
            state: Some(*random.pick(&[Standing::In, Standing::Out, Standing::Down])), maintenance_until_ms: None,
        },
        3 => Command::AddDisk { disk: new_disk(peer.0, random.below(20)) },
        4 => Command::RemoveDisk { disk },
        5 => Command::SetDisk { disk, weight: Some(random.below(3) as u32), state: None, size_bytes: None, reserve_bytes: None, path: None, peer: None },
        6 => Command::AnnounceStore { disk, store: Hex::from_u128(random.below(20).into()), session: random.below(9) },
        7 if random.chance(20) => Command::MarkStoreUnfit { disk },
        8 => Command::CreatePolicy { policy: new_policy(["a", "b", "default"][random.below(3) as usize], 1 + random.below(4) as u8, 4) },
        9 => Command::DeletePolicy { policy: shoal_types::PolicyId(1 + random.below(4) as u32) },
        10..=12 => random_table(random, state),
        13 => Command::PgRemove { target: Target::Disk(disk), reason: RemovalReason::StoreOut, only: None },
        14 => Command::PgRemove { target: Target::Peer(peer), reason: RemovalReason::Ordered, only: Some(vec![(pg, expected)]) },
        15..=17 => {
            let out = record.and_then(|r| r.members.iter().find(|m| !r.is_in_sync(m.disk)));
            Command::PgJoin { items: vec![JoinItem { pg, disk: out.map_or(disk, |m| m.disk), expected }] }
        }
        18..=20 => {
            let joining = record.and_then(|r| r.joining);
            let source = record.map_or(disk, |r| r.in_sync[0]);
            Command::PgInSync { items: vec![InSyncItem {
                pg, disk: joining.map_or(disk, |j| j.disk), join_at: joining.map_or(expected, |j| j.join_at), source,
            }] }
        }
        21 => Command::CreateVolume { name: format!("v{}", random.below(4)), size_bytes: 4096 << random.below(8), block_size: 512, policy: POLICY },
        22 => Command::DeleteVolume { volume },
        23 => Command::PurgeDone { volume, disks: vec![disk, DiskId(1), DiskId(2)] },
        24 => Command::Attach { volume, peer, via: Via::Ublk, read_only: false, queues: 1, takeover: random.chance(30).then_some(generation) },
        25 => Command::Detach { volume, peer, generation },
        26 if random.chance(30) => Command::UseToken { hash: key(random.below(3)), peer: new_peer(10 + random.below(5)) },
        26 => Command::CreateToken { hash: key(random.below(3)), expires_ms: state.time_ms() + random.below(500), witness: false },
        _ => Command::TakeHead {
            volume, peer, process, generation, expected: he,
            basis: *random.pick(&[TakeBasis::Free, TakeBasis::Own, TakeBasis::LeaseOver, TakeBasis::Confirmed]),
        },
    }
}

fn random_growth(random: &mut Seeded, state: &ClusterState) -> Command {
    if random.chance(30) {
        return Command::SetMoveRates { disk_rate: Some(random.below(9)), peer_rate: None };
    }
    if random.chance(30) {
        let policy = PolicyId(1 + random.below(3) as u32);
        return Command::SetPolicyGrowth { policy, follows_disks: random.chance(50) };
    }
    let expected = state.policies().get(&POLICY).map_or(8, |policy| policy.pg_count);
    let pg_count = *random.pick(&[expected, (2 * expected).min(64), 12, expected / 2]);
    Command::GrowPolicy { policy: POLICY, expected, pg_count }
}

fn random_labels(random: &mut Seeded) -> BTreeSet<String> {
    let all = ["fast", "big", "Not a name"];
    (0..random.below(3)).map(|_| (*random.pick(&all)).to_owned()).collect()
}

fn random_placement(random: &mut Seeded) -> Command {
    let domains =
        [FailureDomain::Disk, FailureDomain::Peer, FailureDomain::Rack, FailureDomain::Zone];
    let localize = random.chance(30).then_some(Localize::Peer(PeerId(1)));
    let max_per = [(*random.pick(&domains), random.below(4) as u8)].into();
    let rules = Rules { max_per, labels: random_labels(random), localize };
    Command::SetPolicyPlacement {
        policy: POLICY,
        redundancy: Some(Redundancy::Replicas { copies: random.below(5) as u8 }),
        min_in_sync: random.chance(50).then_some(1),
        failure_domain: Some(*random.pick(&domains)),
        class: Some(if random.chance(80) {
            ClassRule::Any
        } else {
            ClassRule::Only(DiskClass::Ssd)
        }),
        rules: random.chance(60).then_some(rules),
    }
}

#[rustfmt::skip] // One line per command: a table, not a program.
fn random_upkeep(random: &mut Seeded, peer: PeerId, disk: DiskId, pg: PgId, expected: PgEpoch) -> Command {
    match random.below(7) {
        0 => Command::SetSettings { settings: Settings { rebuild_after_ms: random.below(9), replace_voter_after_ms: random.below(9) } },
        1 => Command::NeverVote { peer },
        2 => Command::LeavePeer { peer, process: Hex([random.below(2) as u8; 16]) },
        3 => Command::ReturnPeer { peer },
        4 => Command::GiveUpDisks { disks: vec![disk, DiskId(1)] },
        5 => Command::TakeBackDisks { disks: vec![disk] },
        _ => Command::PgPromote { pg, disk, expected },
    }
}

fn random_table(random: &mut Seeded, state: &ClusterState) -> Command {
    let mut changes = Vec::new();
    for index in 0..9 {
        if !random.chance(40) {
            continue;
        }
        let draw = |random: &mut Seeded, n: u64| -> Vec<DiskId> {
            (0..random.below(n + 1)).map(|_| DiskId(1 + random.below(9))).collect()
        };
        let old = state.pg(PgId { policy: POLICY, index });
        let leaving = old.filter(|_| random.chance(60)).map_or(vec![], |r| r.in_sync.clone());
        let members = draw(random, 3).into_iter().filter(|d| !leaving.contains(d)).collect();
        changes.push(PgMembers { index, members, leaving });
    }
    let lag = if random.chance(80) { 0 } else { random.below(3) };
    Command::SetPgTable {
        policy: POLICY,
        expected_map_epoch: MapEpoch(state.map_epoch().0.saturating_sub(lag)),
        algorithm_version: 1,
        changes: TableDelta(changes),
    }
}

fn check_invariants(state: &ClusterState) {
    for policy in state.policies().values() {
        let table = state.table(policy.id).expect("a policy has a table");
        assert_eq!(table.len(), policy.pg_count as usize);
        for record in table.records() {
            assert!(!record.in_sync.is_empty());
            for member in &record.members {
                assert!(state.disks().contains_key(&member.disk), "{}: {}", record.pg, member.disk);
            }
        }
    }
    let mut names = BTreeSet::new();
    for volume in state.volumes().values() {
        assert!(!volume.is_active() || names.insert(&volume.name), "{} twice", volume.name);
        assert!(state.policies().contains_key(&volume.policy));
        if let Some(attachment) = volume.attachment {
            assert_eq!(attachment.generation, volume.generation);
            assert!(state.peers().contains_key(&attachment.peer) && volume.is_active());
        }
        if let Some(owner) = volume.head.owner {
            assert!(owner.generation <= volume.generation);
        }
    }
    for export in state.exports().values() {
        let held = state.volumes()[&export.volume].attachment.expect("an export holds its volume");
        assert_eq!(held.peer, export.peer);
    }
    let keys: BTreeSet<_> = state.peers().values().map(|p| p.public_key).collect();
    assert_eq!(keys.len(), state.peers().len());
}

/// No epoch ever goes back, as long as what it belongs to exists.
fn check_growth(before: &ClusterState, after: &ClusterState) {
    assert!(after.map_epoch() >= before.map_epoch());
    for record in before.tables().values().flat_map(|t| t.records()) {
        assert!(after.pg(record.pg).is_none_or(|r| r.epoch >= record.epoch));
    }
    for old in before.volumes().values() {
        let newer = |v: &Volume| v.head.epoch >= old.head.epoch && v.generation >= old.generation;
        assert!(after.volumes().get(&old.id).is_none_or(newer));
    }
}

#[test]
fn replicas_agree_and_refusals_leave_no_trace() {
    let mut applied = 0;
    for seed in 0..60 {
        let mut random = Seeded::new(seed);
        let mut cluster = Cluster::new(4);
        for _ in 0..250 {
            let command = random_command(&mut random, &cluster.state);
            let before = cluster.state.clone();
            let outcome = cluster.run(command.clone());
            check_growth(&before, &cluster.state);
            check_invariants(&cluster.state);
            match outcome {
                Ok(_) => applied += 1,
                Err(_) => check_untouched(&before, &cluster.state, &command),
            }
        }
        replay(&cluster, &mut random);
    }
    assert!(applied > 4_000, "the walk must do something: {applied}");
}

fn check_untouched(before: &ClusterState, after: &ClusterState, command: &Command) {
    let blank = |state: &ClusterState| {
        let mut state = state.clone();
        (state.index, state.time_ms) = (0, 0);
        state.answers = super::dedupe::Answers::default();
        state.encode()
    };
    assert_eq!(blank(before), blank(after), "{command:?}");
}

/// Three replicas: one from the log, one that restarts from a snapshot midway, one through the
/// encoding of every command.
fn replay(cluster: &Cluster, random: &mut Seeded) {
    let fresh = || ClusterState::genesis(genesis()).unwrap();
    let (mut plain, mut restarted, mut decoded) = (fresh(), fresh(), fresh());
    let cut = random.below(cluster.log.len() as u64) as usize;
    for (i, proposal) in cluster.log.iter().enumerate() {
        let index = i as u64 + 2;
        let outcome = plain.apply(index, proposal);
        assert_eq!(restarted.apply(index, proposal), outcome);
        let bytes = proposal.encode().unwrap();
        assert_eq!(decoded.apply(index, &Proposal::decode(&bytes).unwrap()), outcome);
        if i == cut {
            restarted = ClusterState::decode(&restarted.encode()).unwrap();
        }
    }
    let bytes = cluster.state.encode();
    assert!(bytes == plain.encode() && bytes == restarted.encode() && bytes == decoded.encode());
}

#[test]
fn json_commands_mean_the_same() {
    let mut random = Seeded::new(77);
    let mut cluster = Cluster::new(4);
    for _ in 0..600 {
        let command = random_command(&mut random, &cluster.state);
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command, "{json}");
        let _ = cluster.run(command);
    }
    let unknown = r#"{"type":"detach","volume":1,"peer":1,"generation":1,"force":true}"#;
    assert!(serde_json::from_str::<Command>(unknown).is_err(), "unknown fields are refused");
}

#[test]
fn damaged_bytes_never_panic() {
    let mut random = Seeded::new(4);
    let mut cluster = Cluster::new(4);
    for _ in 0..300 {
        let command = random_command(&mut random, &cluster.state);
        let _ = cluster.run(command);
    }
    let body = encode(&cluster.state);
    let mut decoded = 0;
    for _ in 0..3_000 {
        let mut bytes = body.clone();
        random.mutate(&mut bytes);
        decoded += u32::from(crate::codec::decode::<ClusterState>(&bytes).is_ok());
        let mut bytes = random.pick(&cluster.log).encode().unwrap();
        random.mutate(&mut bytes);
        decoded += u32::from(Proposal::decode(&bytes).is_ok());
    }
    assert!(decoded > 50, "some mutations only change values: {decoded}");
}

#[test]
fn the_window_of_answers_is_bounded() {
    let mut cluster = Cluster::new(3);
    let first = cluster.log[0].id;
    for n in 0..limits::ANSWERS_MAX as u32 + 10 {
        let _ = cluster.run(Command::RaiseIncarnation { expected: n + 1 });
    }
    assert_eq!(cluster.state.answer(first), None);
    let last = cluster.log.last().unwrap().id;
    assert!(cluster.state.answer(last).is_some());
    assert!(cluster.state.events().len() <= limits::EVENTS_MAX);
}
