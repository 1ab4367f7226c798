//! Golden files: what is on disks and wires today must be read by every later version. A difference
//! means a format changed without a new version. `SHOAL_GOLDEN=write cargo test` writes them anew,
//! for formats that never left this repository.

use std::path::PathBuf;

use shoal_types::{DiskId, HeadEpoch, MapEpoch, PeerId, PgEpoch, PgId, PolicyId, VolumeId};

use crate::codec::{Codec, encode};
use crate::follow::{FollowReply, FollowRequest};
use crate::hex::Hex;
use crate::log_store::{
    Dir, DirLog, HardState, LogEntry, LogStore, MemDir, Payload, Position, ProposalBytes, Snapshot,
};
use crate::map::{MapUpdate, TopologyMap, map_delta};
use crate::raft::{MessageKind, RaftMessage};
use crate::service::{ProposeRefused, ReportKind, ServiceMessage};
use crate::state::fixture::{self, Cluster};
use crate::state::*;

const LAST_COMMAND: u16 = 49;

fn check(name: &str, bytes: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../test/golden");
    let path = folder.join(name);
    if std::env::var_os("SHOAL_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(golden == bytes, "{name} changed: a new layout needs a new version");
}

/// Each part with its length before it.
fn joined(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        (part.len() as u32).put(&mut out);
        out.extend_from_slice(&part);
    }
    out
}

#[rustfmt::skip] // One line per command: a table, not a program.
fn every_command() -> Vec<Command> {
    let (peer, disk, volume, policy) = (PeerId(3), DiskId(4), VolumeId(5), PolicyId(6));
    let (pg, process) = (PgId { policy, index: 7 }, Hex([8; 16]));
    let (hash, epoch) = (fixture::key(9), PgEpoch(10));
    let address = Address { role: AddressRole::Control, address: "[::1]:7001".into() };
    vec![
        Command::SetClusterLevel { level: 2 },
        Command::RaiseIncarnation { expected: 1 },
        Command::AddPeer { peer: fixture::new_peer(2) },
        Command::UpdatePeer {
            peer, name: Some("n".into()), addresses: Some(vec![address]), state: Some(Standing::Draining),
            domains: Some(Domains { rack: "r".into(), zone: "z".into() }), maintenance_until_ms: Some(11),
        },
        Command::RemovePeer { peer },
        Command::AddDisk { disk: fixture::new_disk(3, 4) },
        Command::SetDisk {
            disk, state: Some(Standing::Out), weight: Some(12), size_bytes: Some(1 << 40),
            reserve_bytes: Some(13), path: Some("/dev/sdb".into()), peer: Some(peer),
        },
        Command::AnnounceStore { disk, store: Hex([14; 16]), session: 15 },
        Command::MarkStoreUnfit { disk },
        Command::RemoveDisk { disk },
        Command::CreatePolicy { policy: NewPolicy { class: Some(DiskClass::Hdd), ..fixture::new_policy("p", 3, 64) } },
        Command::SetPolicy { policy, name: Some("q".into()), min_in_sync: Some(1), reads: Some(ReadMode::Confirmed) },
        Command::DeletePolicy { policy },
        Command::SetPgTable {
            policy, expected_map_epoch: MapEpoch(16), algorithm_version: 17,
            changes: TableDelta(vec![PgMembers { index: 18, members: vec![disk, DiskId(1)], leaving: vec![DiskId(2)] }]),
        },
        Command::PgRemove { target: Target::Peer(peer), reason: RemovalReason::LeaderProbe, only: Some(vec![(pg, epoch)]) },
        Command::PgJoin { items: vec![JoinItem { pg, disk, expected: epoch }] },
        Command::PgInSync { items: vec![InSyncItem { pg, disk, join_at: epoch, source: DiskId(1) }] },
        Command::PgCancelJoin { pg, disk, expected: epoch },
        Command::CreateVolume { name: "v".into(), size_bytes: 1 << 30, block_size: 4096, policy },
        Command::ResizeVolume { volume, size_bytes: 2 << 30, expected: 1 << 30 },
        Command::RenameVolume { volume, name: "w".into() },
        Command::DeleteVolume { volume },
        Command::PurgeDone { volume, disks: vec![disk] },
        Command::TakeHead { volume, peer, process, generation: 19, expected: HeadEpoch(20), basis: TakeBasis::LeaseOver },
        Command::ReleaseHead { volume, peer, process, head_epoch: HeadEpoch(21) },
        Command::Attach { volume, peer, via: Via::Nbd, read_only: true, queues: 2, takeover: Some(22) },
        Command::Detach { volume, peer, generation: 23 },
        Command::CreateExport { volume, peer, kind: ExportKind::Nbd, path: "/run/v.sock".into() },
        Command::DeleteExport { export: 24 },
        Command::CreateToken { hash, expires_ms: 25, witness: true },
        Command::UseToken { hash, peer: fixture::new_peer(26) },
        Command::RevokeToken { hash },
        Command::RecordEvent { severity: Severity::Error, code: "c".into(), message: "m".into(), subject: "s".into() },
        Command::SetMovement { paused: Some(true), per_disk: Some(27), per_peer: None, total: Some(28) },
        Command::SetPolicyPlacement {
            policy, redundancy: Some(Redundancy::Replicas { copies: 2 }), min_in_sync: Some(1),
            failure_domain: Some(FailureDomain::Rack), class: Some(ClassRule::Only(DiskClass::Ssd)),
            rules: Some(fixture::rules()),
        },
        Command::SetDiskLabels { disk, labels: ["fast".into()].into() },
        Command::SetSettings { settings: Settings { rebuild_after_ms: 27, replace_voter_after_ms: 28 } },
        Command::NeverVote { peer },
        Command::LeavePeer { peer, process },
        Command::ReturnPeer { peer },
        Command::GiveUpDisks { disks: vec![disk] },
        Command::TakeBackDisks { disks: vec![disk] },
        Command::PgPromote { pg, disk, expected: epoch },
        Command::SetFillFactors { factors: vec![(disk, 1100)] },
        Command::SetMoveRates { disk_rate: Some(29), peer_rate: None },
        Command::GrowPolicy { policy, expected: 64, pg_count: 128 },
        Command::ReturnDisk { disk, store: Hex([30; 16]), peer, path: "/dev/sdc".into(), epochs: vec![(pg, epoch)] },
        Command::SetPolicyGrowth { policy, follows_disks: true },
        Command::SetLongestLease { lease_ms: 4_000, expected: 31 },
    ]
}

#[test]
fn commands() {
    let proposal = |(i, command): (usize, Command)| {
        Proposal { id: Hex([i as u8; 16]), time_ms: 1_000 + i as u64, command }.encode().unwrap()
    };
    let commands = every_command();
    let tags = commands.iter().map(|c| u16::from_le_bytes([encode(c)[0], encode(c)[1]]));
    assert!(tags.eq(1..=LAST_COMMAND), "every command, in order");
    check("meta-commands.json", serde_json::to_string_pretty(&commands).unwrap().as_bytes());
    check("meta-proposals.bin", &joined(commands.into_iter().enumerate().map(proposal)));
}

/// A cluster with something of everything in it.
fn busy() -> Cluster {
    let mut cluster = Cluster::new(4);
    let volume = cluster.create_volume("second");
    cluster.ok(Command::DeleteVolume { volume });
    let volume = VolumeId(1);
    cluster.ok(fixture::attach(volume, 1, None));
    cluster.ok(fixture::attach(volume, 2, Some(1)));
    let (peer, process, generation) = (PeerId(2), Hex([5; 16]), 2);
    let (expected, basis) = (HeadEpoch(0), TakeBasis::Free);
    cluster.ok(Command::TakeHead { volume, peer, process, generation, expected, basis });
    let path = "/run/vol.sock".into();
    cluster.ok(Command::CreateExport { volume, peer, kind: ExportKind::Nbd, path });
    let expires_ms = 1_000_000;
    cluster.ok(Command::CreateToken { hash: fixture::key(7), expires_ms, witness: false });
    let (target, reason) = (Target::Disk(DiskId(1)), RemovalReason::SessionLapsed);
    cluster.ok(Command::PgRemove { target, reason, only: None });
    let pg = PgId { policy: fixture::POLICY, index: 0 };
    let expected = cluster.state.pg(pg).unwrap().epoch;
    cluster.ok(Command::PgJoin { items: vec![JoinItem { pg, disk: DiskId(1), expected }] });
    let labels = ["fast".into()].into();
    cluster.ok(Command::SetDiskLabels { disk: DiskId(2), labels });
    cluster.ok(fixture::placed(Some(fixture::rules())));
    cluster.ok(Command::SetMovement {
        paused: None,
        per_disk: Some(3),
        per_peer: None,
        total: None,
    });
    cluster.ok(Command::SetFillFactors { factors: vec![(DiskId(1), 1100)] });
    cluster.ok(Command::SetMoveRates { disk_rate: None, peer_rate: Some(1 << 20) });
    cluster.ok(Command::SetPolicyGrowth { policy: fixture::POLICY, follows_disks: true });
    cluster.ok(Command::SetLongestLease { lease_ms: 4_000, expected: 0 });
    cluster.refused(Command::RemovePeer { peer });
    cluster
}

#[test]
fn state_and_map() {
    let cluster = busy();
    let bytes = cluster.state.encode();
    check("meta-state.bin", &bytes);
    assert_eq!(ClusterState::decode(&bytes).unwrap().encode(), bytes);
    let json = serde_json::to_string_pretty(&state_json(&cluster.state)).unwrap();
    check("meta-state.json", json.as_bytes());
    check("meta-map.bin", &TopologyMap::of(&cluster.state).encode());
    let since = MapEpoch(cluster.state.map_epoch().0 - 2);
    let delta = map_delta(&cluster.state, since);
    assert!(matches!(delta, MapUpdate::Delta(_)));
    check("meta-map-delta.bin", &delta.encode());
}

/// What earlier versions wrote: without the parts that came since.
#[test]
fn older_states_are_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../test/golden");
    for version in [1, 2, 3, 4, 5, 6, 7] {
        let bytes = std::fs::read(folder.join(format!("meta-state-{version}.bin"))).unwrap();
        assert_eq!(bytes[4], version);
        let state = ClusterState::decode(&bytes).unwrap();
        if version == 1 {
            assert_eq!(state.movement(), Movement::default());
            assert_eq!(state.rules(fixture::POLICY), Rules::default());
        }
        let voted = state.voters().voters.clone();
        if version < 3 {
            assert_eq!(*state.upkeep(), Upkeep { voted, ..Upkeep::default() });
        }
        assert_eq!(state.fill_factor(DiskId(1)), if version < 4 { FACTOR_ONE } else { 1100 });
        let rates = MoveRates { disk_rate: 0, peer_rate: 1 << 20 };
        assert_eq!(state.move_rates(), if version < 5 { MoveRates::default() } else { rates });
        assert_eq!(*state.restored(), Restored::default());
        assert_eq!(state.follows_disks(fixture::POLICY), version >= 7);
        assert_eq!(state.longest_lease_ms(), limits::LEASE_MS_MAX, "not known: as long as any");
        assert_eq!(ClusterState::decode(&state.encode()).unwrap().encode(), state.encode());
    }
}

fn entries() -> Vec<LogEntry> {
    let proposal = Proposal { id: Hex([1; 16]), time_ms: 2, command: every_command()[0].clone() };
    let bytes = ProposalBytes(proposal.encode().unwrap().into());
    let change = ConfChange::AddLearner { peer: PeerId(2) };
    vec![
        LogEntry { index: 6, term: 3, payload: Payload::Empty },
        LogEntry { index: 7, term: 3, payload: Payload::Proposal { bytes } },
        LogEntry { index: 8, term: 4, payload: Payload::Conf { change } },
    ]
}

fn snapshot() -> Snapshot {
    let state = ClusterState::genesis(fixture::genesis()).unwrap();
    let at = Position { index: 5, term: 3 };
    Snapshot { at, voters: state.voters().clone(), state: state.encode().into() }
}

#[test]
fn consensus_log() {
    let mut dir = MemDir::new();
    let mut log = DirLog::open(dir.clone(), Hex([7; 16]), 1);
    let hard_state = HardState { term: 4, vote: 2, commit: 6 };
    log.replace(&snapshot(), hard_state, Position { index: 5, term: 3 }, &entries()[..1]).unwrap();
    log.append(hard_state, &entries()[1..]).unwrap();
    check("meta-log.bin", &dir.read("log").unwrap().unwrap());
    check("meta-log-state.bin", &dir.read("state").unwrap().unwrap());
    assert_eq!(log.load().unwrap().entries, entries());
}

#[test]
fn messages() {
    let raft = |kind| RaftMessage {
        kind,
        from: 1,
        to: 2,
        term: 4,
        log_term: 3,
        index: 5,
        commit: 6,
        commit_term: 3,
        reject: true,
        reject_hint: 7,
        context: vec![8; 8].into(),
        entries: if kind == MessageKind::Append { entries() } else { vec![] },
        snapshot: (kind == MessageKind::Snapshot).then(snapshot),
    };
    use MessageKind as K;
    let kinds = [
        K::Append,
        K::AppendReply,
        K::Vote,
        K::VoteReply,
        K::PreVote,
        K::PreVoteReply,
        K::Heartbeat,
        K::HeartbeatReply,
        K::Snapshot,
        K::TimeoutNow,
    ];
    check("meta-raft.bin", &joined(kinds.map(|kind| raft(kind).encode())));
    check("meta-service.bin", &joined(services().iter().map(ServiceMessage::encode)));
    for message in services() {
        assert_eq!(ServiceMessage::decode(&message.encode()).unwrap(), message);
    }
}

fn services() -> Vec<ServiceMessage> {
    use ServiceMessage as M;
    let (id, process, disk) = (Hex([1; 16]), Hex([2; 16]), DiskId(3));
    let proposal = Proposal { id, time_ms: 4, command: every_command()[1].clone() };
    let (volume, generation, expected) = (VolumeId(5), 6, HeadEpoch(7));
    let pg = PgId { policy: PolicyId(20), index: 21 };
    let served = Rejection::Served { pg, disk, peer: PeerId(22) };
    let held = Rejection::HeadHeld { volume, peer: PeerId(8), head_epoch: expected };
    vec![
        M::Raft { bytes: vec![9].into() },
        M::Propose { proposal },
        M::TakeHead { id, volume, process, generation, expected },
        M::NotProposed { id, why: ProposeRefused::NotLeader { leader: 10 } },
        M::NotProposed { id, why: ProposeRefused::Rejected { outcome: Err(held) } },
        M::Read { request: 11 },
        M::ReadAnswer { request: 11, index: 12 },
        M::Renew { sequence: 13, process },
        M::Granted { sequence: 13, duration_ms: 4_000, applied: 14 },
        M::EndSession { process },
        M::Report { disk, kind: ReportKind::StoreUnfit },
        M::Blamed { disk },
        M::Follow { request: FollowRequest { applied: 15 } },
        M::Followed { reply: FollowReply::Entries { entries: entries() } },
        M::Followed { reply: FollowReply::Snapshot { state: vec![16].into() } },
        M::NotLeader { leader: 17 },
        M::LostLog {},
        M::KeyWanted {},
        M::Key { seed: Hex([18; 32]) },
        M::Superseded { incarnation: 19 },
        M::NotProposed { id, why: ProposeRefused::Rejected { outcome: Err(served) } },
    ]
}
