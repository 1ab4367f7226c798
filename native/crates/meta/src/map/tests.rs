use shoal_types::{DiskId, MapEpoch, PgId};

use super::*;
use crate::codec::{Envelope, open, seal};
use crate::seeded::Seeded;
use crate::state::fixture::{Cluster, POLICY, new_disk, new_peer, new_policy};
use crate::state::{Command, JoinItem, PgMembers, RemovalReason, TableDelta, Target};

fn remove(disk: u64) -> Command {
    let (target, reason) = (Target::Disk(DiskId(disk)), RemovalReason::StoreOut);
    Command::PgRemove { target, reason, only: None }
}

/// Degraded, joining and empty groups, a removed peer, an added one.
fn busy() -> Cluster {
    let mut cluster = Cluster::new(4);
    cluster.ok(Command::CreatePolicy { policy: new_policy("empty", 2, 4) });
    cluster.ok(remove(2));
    let pg = PgId { policy: POLICY, index: 0 };
    let expected = cluster.state.pg(pg).unwrap().epoch;
    cluster.ok(Command::PgJoin { items: vec![JoinItem { pg, disk: DiskId(2), expected }] });
    cluster.ok(Command::AddPeer { peer: new_peer(9) });
    cluster.ok(Command::RemovePeer { peer: shoal_types::PeerId(5) });
    cluster
}

#[test]
fn round_trip() {
    let map = TopologyMap::of(&busy().state);
    assert_eq!(TopologyMap::decode(&map.encode()).unwrap(), map);
    assert!(map.pg(PgId { policy: POLICY, index: 0 }).unwrap().joining.is_some());
    let json = map_json(&map);
    assert_eq!(json["policies"][0]["pgs"][0]["joining"]["disk"], 2);
}

#[test]
fn deltas_lead_to_the_same_map_from_every_epoch() {
    let mut maps = Vec::new();
    let mut cluster = Cluster::new(4);
    maps.push(TopologyMap::of(&cluster.state));
    for command in [
        Command::AddPeer { peer: new_peer(9) },
        Command::AddDisk { disk: new_disk(5, 9) },
        remove(1),
        Command::CreatePolicy { policy: new_policy("other", 2, 4) },
        Command::DeletePolicy { policy: shoal_types::PolicyId(2) },
        Command::RemoveDisk { disk: DiskId(5) },
        Command::RemovePeer { peer: shoal_types::PeerId(5) },
        Command::RaiseIncarnation { expected: 1 },
    ] {
        cluster.ok(command);
        maps.push(TopologyMap::of(&cluster.state));
    }
    let newest = TopologyMap::of(&cluster.state);
    for map in &maps {
        let MapUpdate::Delta(delta) = map_delta(&cluster.state, map.epoch) else { panic!() };
        let update = MapUpdate::decode(&MapUpdate::Delta(delta.clone()).encode()).unwrap();
        assert_eq!(update, MapUpdate::Delta(delta.clone()));
        for later in maps.iter().filter(|m| m.epoch >= map.epoch) {
            let mut later = later.clone();
            delta.apply(&mut later).unwrap();
            assert_eq!(later, newest, "a delta from {:?}", map.epoch);
            delta.apply(&mut later).unwrap();
            assert_eq!(later, newest, "twice");
        }
    }
    let (old, from) = (maps[0].epoch, maps[3].epoch);
    let MapUpdate::Delta(delta) = map_delta(&cluster.state, from) else { panic!() };
    assert_eq!(delta.apply(&mut maps[0]), Err(DeltaError::Gap { map: old, from }));
}

#[test]
fn too_long_ago_means_the_whole_map() {
    let cluster = busy();
    let restarted = crate::state::ClusterState::decode(&cluster.state.encode()).unwrap();
    let MapUpdate::Whole(map) = map_delta(&restarted, MapEpoch(2)) else { panic!() };
    assert_eq!(map, TopologyMap::of(&cluster.state));
    let future = MapEpoch(cluster.state.map_epoch().0 + 1);
    assert!(matches!(map_delta(&cluster.state, future), MapUpdate::Whole(_)));
}

#[test]
fn damaged_maps_never_panic() {
    let mut random = Seeded::new(11);
    let cluster = busy();
    for (envelope, update) in [
        (topology::MAP, MapUpdate::Whole(TopologyMap::of(&cluster.state))),
        (
            Envelope { magic: *b"SHMD", ..topology::MAP },
            map_delta(&cluster.state, MapEpoch(cluster.state.map_epoch().0 - 3)),
        ),
    ] {
        let sealed = update.encode();
        let body = open(envelope, &sealed).unwrap().0.to_vec();
        let mut decoded = 0;
        for _ in 0..20_000 {
            let mut bytes = body.clone();
            random.mutate(&mut bytes);
            let Ok(update) = MapUpdate::decode(&seal(envelope, &bytes)) else { continue };
            decoded += 1;
            if let MapUpdate::Delta(delta) = update {
                let _ = delta.apply(&mut TopologyMap::of(&cluster.state));
            }
        }
        assert!(decoded > 100, "some mutations only change values: {decoded}");
    }
}

/// 10,000 disks and 262,144 groups of 3 copies in 4 MiB.
#[test]
fn a_large_map_is_small() {
    let mut cluster = Cluster::empty();
    for n in 2..=1_000 {
        cluster.ok(Command::AddPeer { peer: new_peer(n) });
    }
    for n in 0..10_000 {
        cluster.ok(Command::AddDisk { disk: new_disk(n % 1_000 + 1, n) });
    }
    cluster.ok(Command::CreatePolicy { policy: new_policy("large", 3, 262_144) });
    for part in 0..4u32 {
        let row = |i: u32| {
            let first = u64::from(i) % 9_998;
            let members = (first..first + 3).map(|d| DiskId(d + 1)).collect();
            PgMembers { index: part * 65_536 + i, members, leaving: vec![] }
        };
        let expected_map_epoch = cluster.state.map_epoch();
        cluster.ok(Command::SetPgTable {
            policy: POLICY,
            expected_map_epoch,
            algorithm_version: 1,
            changes: TableDelta((0..65_536).map(row).collect()),
        });
    }
    let map = TopologyMap::of(&cluster.state);
    let bytes = map.encode();
    assert!(bytes.len() <= 4 << 20, "{} bytes", bytes.len());
    assert_eq!(TopologyMap::decode(&bytes).unwrap(), map);
}
