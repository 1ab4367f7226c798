//! More groups and rates of movement: what is refused, what old volumes keep, what maps become.

use shoal_types::{DiskId, PgId, PolicyId, VolumeId};

use super::fixture::{Cluster, POLICY, new_policy};
use super::*;
use crate::map::{MapUpdate, TopologyMap, map_delta};

fn grow(expected: u32, pg_count: u32) -> Command {
    Command::GrowPolicy { policy: POLICY, expected, pg_count }
}

fn fault(rejection: Rejection) -> Fault {
    match rejection {
        Rejection::Invalid { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_volume_keeps_the_groups_that_it_was_written_to() {
    let mut cluster = Cluster::new(3);
    let (old, rows) = (VolumeId(1), cluster.state.tables()[&POLICY].clone());
    cluster.ok(grow(8, 16));
    assert_eq!(cluster.state.volume_pg_count(old), Some(8));
    for index in 0..8 {
        assert_eq!(cluster.state.tables()[&POLICY].get(index), rows.get(index), "group {index}");
    }
    assert_eq!(cluster.state.tables()[&POLICY].records().count(), 8, "the new ones are empty");
    let middle = cluster.create_volume("middle");
    assert_eq!(cluster.state.volume_pg_count(middle), Some(16));
    cluster.ok(grow(16, 64));
    let new = cluster.create_volume("new");
    let counts = [old, middle, new].map(|id| cluster.state.volume_pg_count(id));
    assert_eq!(counts, [Some(8), Some(16), Some(64)]);
    let restored = ClusterState::decode(&cluster.state.encode()).unwrap();
    assert_eq!(restored.volume_pg_count(old), Some(8));
    assert_eq!(restored.encode(), cluster.state.encode());
    let json = state_json(&restored);
    assert_eq!(
        (&json["volumes"][0]["pg_count"], &json["policies"][0]["pg_count"]),
        (&8.into(), &64.into())
    );
    cluster.ok(Command::DeleteVolume { volume: old });
    let disks = (1..=3).map(DiskId).collect();
    cluster.ok(Command::PurgeDone { volume: old, disks });
    assert_eq!(cluster.state.volume_pg_count(old), None);
    assert!(ClusterState::decode(&cluster.state.encode()).is_ok(), "no trace of it is left");
}

#[test]
fn counts_are_powers_of_two_that_only_grow() {
    let mut cluster = Cluster::new(3);
    for pg_count in [0, 4, 12, 1 << 19] {
        assert_eq!(fault(cluster.refused(grow(8, pg_count))), Fault::PgCount, "{pg_count}");
    }
    let stale = cluster.refused(grow(16, 32));
    assert!(matches!(stale, Rejection::Stale { what: Kind::Policy, current: 8, .. }));
    let missing = Command::GrowPolicy { policy: PolicyId(9), expected: 8, pg_count: 16 };
    assert!(matches!(cluster.refused(missing), Rejection::NotFound { .. }));
    let epoch = cluster.state.map_epoch();
    cluster.ok(grow(8, 8));
    assert_eq!(cluster.state.map_epoch(), epoch, "nothing changed");
    for name in ["b", "c", "d"] {
        cluster.ok(Command::CreatePolicy { policy: new_policy(name, 2, 65_536) });
    }
    assert!(matches!(cluster.refused(grow(8, 262_144 * 2)), Rejection::Invalid { .. }));
    cluster.ok(grow(8, 32_768));
    cluster.ok(Command::CreatePolicy { policy: new_policy("e", 2, 32_768) });
    let most = cluster.refused(grow(32_768, 65_536));
    assert!(matches!(most, Rejection::Limit { what: Kind::Pg, .. }));
}

#[test]
fn maps_grow_with_their_policies() {
    let mut cluster = Cluster::new(3);
    let mut map = TopologyMap::of(&cluster.state);
    cluster.ok(grow(8, 32));
    cluster.ok(Command::SetPgTable {
        policy: POLICY,
        expected_map_epoch: cluster.state.map_epoch(),
        algorithm_version: 1,
        changes: TableDelta(vec![PgMembers {
            index: 31,
            members: vec![DiskId(2)],
            leaving: vec![],
        }]),
    });
    let update = map_delta(&cluster.state, map.epoch);
    let MapUpdate::Delta(delta) = MapUpdate::decode(&update.encode()).unwrap() else { panic!() };
    delta.apply(&mut map).unwrap();
    assert_eq!(map, TopologyMap::of(&cluster.state));
    assert_eq!(map.pg(PgId { policy: POLICY, index: 31 }).unwrap().members, [DiskId(2)]);
    assert_eq!(TopologyMap::decode(&map.encode()).unwrap(), map);
}

#[test]
fn rates_are_no_part_of_the_map() {
    let mut cluster = Cluster::new(3);
    let epoch = cluster.state.map_epoch();
    let set = |disk_rate, peer_rate| Command::SetMoveRates { disk_rate, peer_rate };
    cluster.ok(set(Some(1 << 20), None));
    cluster.ok(set(None, Some(1 << 22)));
    let rates = MoveRates { disk_rate: 1 << 20, peer_rate: 1 << 22 };
    assert_eq!(cluster.state.move_rates(), rates);
    assert_eq!(cluster.state.map_epoch(), epoch);
    assert_eq!(fault(cluster.refused(set(Some(u64::MAX), None))), Fault::Count);
    let restored = ClusterState::decode(&cluster.state.encode()).unwrap();
    assert_eq!(restored.move_rates(), rates);
    assert_eq!(state_json(&restored)["movement"]["disk_rate"], 1 << 20);
    cluster.ok(set(Some(0), Some(0)));
    assert_eq!(cluster.state.move_rates(), MoveRates::default());
}

#[test]
fn a_policy_follows_the_disks_when_it_is_told_to() {
    let mut cluster = Cluster::new(3);
    let epoch = cluster.state.map_epoch();
    let follow = |policy, follows_disks| Command::SetPolicyGrowth { policy, follows_disks };
    assert!(!cluster.state.follows_disks(POLICY), "somebody may have chosen the count");
    cluster.ok(follow(POLICY, true));
    cluster.ok(follow(POLICY, true));
    assert!(cluster.state.follows_disks(POLICY));
    assert_eq!(cluster.state.map_epoch(), epoch, "nothing lies elsewhere");
    assert_eq!(state_json(&cluster.state)["policies"][0]["follows_disks"], true);
    let restored = ClusterState::decode(&cluster.state.encode()).unwrap();
    assert!(restored.follows_disks(POLICY));
    assert_eq!(restored.encode(), cluster.state.encode());
    cluster.ok(follow(POLICY, false));
    assert!(!cluster.state.follows_disks(POLICY));
    assert!(matches!(cluster.refused(follow(PolicyId(9), true)), Rejection::NotFound { .. }));
    cluster.ok(Command::CreatePolicy { policy: new_policy("other", 2, 4) });
    cluster.ok(follow(PolicyId(2), true));
    cluster.ok(Command::DeletePolicy { policy: PolicyId(2) });
    assert!(!cluster.state.follows_disks(PolicyId(2)));
    assert!(ClusterState::decode(&cluster.state.encode()).is_ok(), "no trace of it is left");
}
