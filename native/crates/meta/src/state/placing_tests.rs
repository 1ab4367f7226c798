//! Rules, labels and movement: what is refused, and what tables may then hold.

use shoal_types::{DiskId, MapEpoch};

use super::fixture::{Cluster, POLICY, placed, rules};
use super::*;

fn table(cluster: &Cluster, members: &[u64], leaving: &[u64]) -> Command {
    let disks = |ids: &[u64]| ids.iter().map(|d| DiskId(*d)).collect();
    let row = PgMembers { index: 0, members: disks(members), leaving: disks(leaving) };
    Command::SetPgTable {
        policy: POLICY,
        expected_map_epoch: MapEpoch(cluster.state.map_epoch().0),
        algorithm_version: 1,
        changes: TableDelta(vec![row]),
    }
}

fn fault(rejection: Rejection) -> Fault {
    match rejection {
        Rejection::Placement { fault, .. } | Rejection::Invalid { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

fn rack(cluster: &mut Cluster, peer: u64, rack: &str) {
    let domains = Domains { rack: rack.into(), zone: String::new() };
    cluster.ok(Command::UpdatePeer {
        peer: shoal_types::PeerId(peer),
        name: None,
        addresses: None,
        domains: Some(domains),
        state: None,
        maintenance_until_ms: None,
    });
}

#[test]
fn a_bound_for_racks_holds_beside_the_failure_domain() {
    let mut cluster = Cluster::new(4);
    for peer in 1..=3 {
        rack(&mut cluster, peer, "r1");
    }
    rack(&mut cluster, 4, "r2");
    let two = Rules { max_per: [(FailureDomain::Rack, 2)].into(), ..Rules::default() };
    cluster.ok(placed(Some(two.clone())));
    assert_eq!(cluster.state.rules(POLICY), two);
    // The row of before stays as it is; a changed one has to keep the rule.
    assert_eq!(cluster.state.tables()[&POLICY].records().count(), 8);
    let row = table(&cluster, &[3, 2, 1], &[]);
    assert_eq!(fault(cluster.refused(row)), Fault::SameDomain);
    let row = table(&cluster, &[1, 2, 4], &[3]);
    cluster.ok(row);
    cluster.ok(placed(Some(Rules::default())));
    assert_eq!(cluster.state.rules(POLICY), Rules::default());
}

#[test]
fn a_bound_for_the_failure_domain_replaces_its_one() {
    let mut cluster = Cluster::new(3);
    let extra = cluster.ok(Command::AddDisk { disk: super::fixture::new_disk(1, 9) });
    assert_eq!(extra, Applied::Disk { disk: DiskId(4) });
    let row = table(&cluster, &[1, 2, 4], &[3]);
    assert_eq!(fault(cluster.refused(row)), Fault::SameDomain);
    let two = Rules { max_per: [(FailureDomain::Peer, 2)].into(), ..Rules::default() };
    cluster.ok(placed(Some(two)));
    let row = table(&cluster, &[1, 2, 4], &[3]);
    cluster.ok(row);
}

#[test]
fn a_new_member_carries_the_labels_that_are_asked_for() {
    let mut cluster = Cluster::new(4);
    let fast: std::collections::BTreeSet<String> = ["fast".into()].into();
    cluster.ok(placed(Some(Rules { labels: fast.clone(), ..Rules::default() })));
    let row = table(&cluster, &[1, 2, 4], &[3]);
    assert_eq!(fault(cluster.refused(row)), Fault::WrongLabel);
    cluster.ok(Command::SetDiskLabels { disk: DiskId(4), labels: fast.clone() });
    let row = table(&cluster, &[1, 2, 4], &[3]);
    cluster.ok(row);
    assert_eq!(cluster.state.labels(DiskId(4)), fast);
    cluster.ok(Command::SetDiskLabels { disk: DiskId(4), labels: Default::default() });
    assert!(cluster.state.labels(DiskId(4)).is_empty());
}

#[test]
fn what_cannot_be_a_rule_is_refused() {
    let mut cluster = Cluster::new(3);
    let max_per = |domain, count| Rules { max_per: [(domain, count)].into(), ..Rules::default() };
    for bad in [max_per(FailureDomain::Rack, 0), max_per(FailureDomain::Disk, 2)] {
        assert_eq!(fault(cluster.refused(placed(Some(bad)))), Fault::Count);
    }
    let labels = ["Not A Name".to_owned()].into();
    let bad = Rules { labels, ..Rules::default() };
    assert_eq!(fault(cluster.refused(placed(Some(bad)))), Fault::Name);
    let zone = Some(Localize::Zone("z\n".into()));
    let bad = Rules { localize: zone, ..Rules::default() };
    assert_eq!(fault(cluster.refused(placed(Some(bad)))), Fault::Text);
    let labels = (0..33).map(|n| format!("l{n}")).collect();
    let command = Command::SetDiskLabels { disk: DiskId(1), labels };
    assert_eq!(fault(cluster.refused(command)), Fault::Count);
}

fn copies(count: u8, min_in_sync: Option<u8>) -> Command {
    Command::SetPolicyPlacement {
        policy: POLICY,
        redundancy: Some(Redundancy::Replicas { copies: count }),
        min_in_sync,
        failure_domain: None,
        class: Some(ClassRule::Any),
        rules: None,
    }
}

#[test]
fn copies_change_and_tables_follow() {
    let mut cluster = Cluster::new(4);
    cluster.ok(copies(2, None));
    let before = cluster.state.topology_epoch();
    cluster.ok(copies(2, None));
    assert_eq!(cluster.state.topology_epoch(), before, "nothing changed");
    let row = table(&cluster, &[1, 2], &[]);
    cluster.ok(row);
    cluster.ok(copies(4, Some(3)));
    let row = table(&cluster, &[1, 2, 3, 4], &[]);
    cluster.ok(row);
    assert_eq!(fault(cluster.refused(copies(2, None))), Fault::MinInSync);
    assert_eq!(fault(cluster.refused(copies(8, None))), Fault::Redundancy);
}

#[test]
fn movement_is_no_part_of_the_map() {
    let mut cluster = Cluster::new(3);
    let epoch = cluster.state.map_epoch();
    let set =
        |paused, total| Command::SetMovement { paused, per_disk: None, per_peer: None, total };
    cluster.ok(set(Some(true), None));
    cluster.ok(set(None, Some(7)));
    let movement = cluster.state.movement();
    assert_eq!((movement.paused, movement.total), (true, 7));
    assert_eq!(movement.per_disk, Movement::default().per_disk);
    assert_eq!(cluster.state.map_epoch(), epoch);
    assert_eq!(fault(cluster.refused(set(None, Some(u32::MAX)))), Fault::Count);
    let state = ClusterState::decode(&cluster.state.encode()).unwrap();
    assert_eq!(state.movement(), movement);
}

#[test]
fn rules_and_labels_go_with_what_they_are_about() {
    let mut cluster = Cluster::new(4);
    cluster.ok(placed(Some(rules())));
    let labels = ["fast".into()].into();
    let Applied::Disk { disk } =
        cluster.ok(Command::AddDisk { disk: super::fixture::new_disk(1, 9) })
    else {
        panic!()
    };
    cluster.ok(Command::SetDiskLabels { disk, labels });
    cluster.ok(Command::RemoveDisk { disk });
    assert!(cluster.state.labels(disk).is_empty());
    let mut empty = Cluster::new(3);
    empty.ok(Command::DeleteVolume { volume: shoal_types::VolumeId(1) });
    let disks = (1..=3).map(DiskId).collect();
    empty.ok(Command::PurgeDone { volume: shoal_types::VolumeId(1), disks });
    empty.ok(placed(Some(rules())));
    empty.ok(Command::DeletePolicy { policy: POLICY });
    assert_eq!(empty.state.rules(POLICY), Rules::default());
}

#[test]
fn shares_are_corrected_within_bounds_and_forgotten_with_the_disk() {
    let mut cluster = Cluster::new(3);
    let set = |disk, factor| Command::SetFillFactors { factors: vec![(DiskId(disk), factor)] };
    let before = cluster.state.topology_epoch();
    cluster.ok(set(1, FACTOR_ONE));
    assert_eq!(cluster.state.topology_epoch(), before, "nothing changed");
    cluster.ok(set(1, 2048));
    assert!(cluster.state.topology_epoch() > before);
    assert_eq!(cluster.state.fill_factor(DiskId(1)), 2048);
    assert_eq!(fault(cluster.refused(set(2, 2049))), Fault::Weight);
    assert_eq!(fault(cluster.refused(set(2, 511))), Fault::Weight);
    let unknown = cluster.refused(set(9, 1000));
    assert!(matches!(unknown, Rejection::NotFound { what: Kind::Disk, .. }));
    let state = ClusterState::decode(&cluster.state.encode()).unwrap();
    assert_eq!(state.fill_factor(DiskId(1)), 2048);
    cluster.ok(set(1, FACTOR_ONE));
    assert_eq!(cluster.state.fill_factor(DiskId(1)), FACTOR_ONE);
    let disk = super::fixture::new_disk(1, 9);
    let Applied::Disk { disk } = cluster.ok(Command::AddDisk { disk }) else { panic!() };
    cluster.ok(set(disk.0, 600));
    cluster.ok(Command::RemoveDisk { disk });
    assert_eq!(cluster.state.fill_factor(disk), FACTOR_ONE);
}
