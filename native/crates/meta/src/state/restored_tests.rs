use shoal_types::{DiskId, PeerId, PgEpoch, PgId, VolumeId};

use super::super::fixture::{self, Cluster, POLICY};
use super::super::*;
use crate::hex::Hex;

const NOW_MS: u64 = 50_000;

/// What a disk kept of the cluster, and its next life under a peer of a lost one's name.
fn restored(before: &Cluster) -> (Cluster, PeerId) {
    let kept = ClusterState::decode(&before.state.encode_for_disk()).unwrap();
    let peer = NewPeer { public_key: fixture::key(71), ..fixture::new_peer(1) };
    let (state, id) = kept.restored_by(peer, fixture::key(77), NOW_MS).unwrap();
    let mut cluster = Cluster::empty();
    cluster.state = ClusterState::decode(&state.encode()).unwrap();
    (cluster, id)
}

fn group(index: u32) -> PgId {
    PgId { policy: POLICY, index }
}

/// The epochs of the state before, and `ahead` more.
fn epochs(before: &Cluster, ahead: u32) -> Vec<(PgId, PgEpoch)> {
    let records = before.state.table(POLICY).unwrap().records();
    records.map(|record| (record.pg, PgEpoch(record.epoch.0 + ahead))).collect()
}

fn returned(disk: u64, peer: PeerId, epochs: Vec<(PgId, PgEpoch)>) -> Command {
    let store = Hex::from_u128(u128::from(disk));
    let path = format!("/dev/returned{disk}");
    Command::ReturnDisk { disk: DiskId(disk), store, peer, path, epochs }
}

fn in_sync(cluster: &Cluster, index: u32) -> Vec<u64> {
    let record = cluster.state.pg(group(index)).unwrap();
    let mut disks: Vec<u64> = record.in_sync.iter().map(|disk| disk.0).collect();
    disks.sort_unstable();
    disks
}

#[test]
fn a_new_peer_begins_alone_and_the_lost_ones_keep_their_disks_until_they_return() {
    let mut before = Cluster::new(4);
    before.ok(fixture::attach(VolumeId(1), 2, None));
    let (mut after, me) = restored(&before);
    let state = &after.state;
    assert_eq!(state.incarnation(), 2);
    assert!(me.0 > 1_000_000);
    assert_eq!(state.voters().voters, [me].into());
    assert_eq!(state.restored().missing.len(), 4);
    let name = |peer: u64| state.peers()[&PeerId(peer)].name.as_str();
    assert_eq!((name(1), name(4), name(me.0)), ("p1.lost", "p4.lost", "p1"));
    let dead = state.peers().values().filter(|peer| peer.id != me);
    assert!(dead.clone().all(|peer| peer.state == Standing::Down));
    assert!(dead.clone().all(|peer| peer.public_key != fixture::key(peer.id.0)));
    assert!(dead.clone().all(|peer| state.upkeep().never_vote.contains(&peer.id)));
    assert_eq!(state.volumes()[&VolumeId(1)].attachment, None);
    assert_eq!(in_sync(&after, 0).len(), 3, "sets are as they were");
    after.ok(Command::AddPeer { peer: NewPeer { name: "p2".into(), ..fixture::new_peer(72) } });
    for disk in 1..=4 {
        after.ok(returned(disk, me, epochs(&before, 0)));
    }
    assert_eq!(*after.state.restored(), Restored::default());
    assert_eq!(after.state.peers().len(), 2, "the lost ones are forgotten");
    assert!(after.state.disks().values().all(|disk| disk.peer == me));
    assert_eq!(after.state.disks()[&DiskId(3)].path, "/dev/returned3");
    for index in 0..8 {
        let was: Vec<u64> = in_sync(&before, index);
        assert_eq!(in_sync(&after, index), was);
    }
}

#[test]
fn whoever_is_missing_is_waited_for_until_a_person_gives_it_up() {
    let before = Cluster::new(3);
    let (mut after, me) = restored(&before);
    after.ok(returned(1, me, epochs(&before, 0)));
    let gone = DiskId(2);
    for target in [Target::Disk(gone), Target::Peer(PeerId(2))] {
        let reason = RemovalReason::SessionLapsed;
        after.ok(Command::PgRemove { target, reason, only: None });
    }
    after.ok(Command::GiveUpDisks { disks: vec![gone] });
    assert_eq!(after.state.disks()[&gone].state, Standing::In);
    assert_eq!(in_sync(&after, 0), [1, 2, 3]);
    let target = Target::Disk(gone);
    after.ok(Command::PgRemove { target, reason: RemovalReason::Ordered, only: None });
    assert_eq!(in_sync(&after, 0), [1, 3]);
    after.ok(returned(2, me, epochs(&before, 0)));
    let record = after.state.pg(group(0)).unwrap();
    assert!(record.member(gone).unwrap().full, "what it lacks nobody knows");
}

/// Disk 1 had left every set; the state that was found does not know.
#[test]
fn a_copy_that_was_out_of_date_already_is_found_out_in_every_order() {
    let before = Cluster::new(3);
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let (mut after, me) = restored(&before);
        for disk in order {
            let ahead = if disk == 1 { 0 } else { 1 };
            after.ok(returned(disk, me, epochs(&before, ahead)));
        }
        for index in 0..8 {
            assert_eq!(in_sync(&after, index), [2, 3], "{order:?}");
            let record = after.state.pg(group(index)).unwrap();
            assert!(record.member(DiskId(1)).unwrap().full, "{order:?}");
        }
        let has = |code| after.state.events().iter().any(|event| event.code == code);
        assert!(has("stale_copies") && !has("copies_in_doubt"));
    }
}

/// What epochs cannot tell is said.
#[test]
fn groups_that_changed_more_than_once_or_moved_on_altogether_are_named() {
    let before = Cluster::new(4);
    let doubt = |ahead: [u32; 4]| {
        let (mut after, me) = restored(&before);
        for (disk, ahead) in (1..).zip(ahead) {
            after.ok(returned(disk, me, epochs(&before, ahead)));
        }
        let mut events = after.state.events().iter().rev();
        events.find(|event| event.code == "copies_in_doubt").map(|event| event.message.clone())
    };
    assert_eq!(doubt([0; 4]), None);
    assert_eq!(doubt([1, 1, 0, 1]), None);
    assert!(doubt([2, 2, 0, 2]).unwrap().starts_with("8 "));
    // Disk 4 is a member of three groups in four; the others are not concerned.
    let moved = doubt([0, 0, 0, 1]).unwrap();
    assert!(moved.starts_with("2 "), "{moved}");
}

#[test]
fn less_than_the_state_knows_says_nothing_of_a_copy() {
    let before = Cluster::new(3);
    let (mut after, me) = restored(&before);
    after.ok(returned(1, me, vec![]));
    after.ok(returned(2, me, epochs(&before, 0)));
    after.ok(returned(
        3,
        me,
        vec![(group(0), PgEpoch(0)), (PgId { policy: POLICY, index: 99 }, PgEpoch(9))],
    ));
    assert!((0..8).all(|index| in_sync(&after, index) == [1, 2, 3]));
}

#[test]
fn only_a_store_of_the_state_returns_and_only_to_a_live_peer() {
    let before = Cluster::new(3);
    let (mut after, me) = restored(&before);
    let mut other = returned(1, me, vec![]);
    if let Command::ReturnDisk { store, .. } = &mut other {
        *store = Hex([9; 16]);
    }
    let invalid = |rejection| matches!(rejection, Rejection::Invalid { .. });
    assert!(invalid(after.refused(other)));
    assert!(invalid(after.refused(returned(1, PeerId(2), vec![]))), "a lost peer");
    let missing = |rejection| matches!(rejection, Rejection::NotFound { .. });
    assert!(missing(after.refused(returned(9, me, vec![]))));
    assert!(missing(after.refused(returned(1, PeerId(9), vec![]))));
    let witness = NewPeer { witness: true, ..fixture::new_peer(50) };
    let Applied::Peer { peer } = after.ok(Command::AddPeer { peer: witness }) else { panic!() };
    assert!(invalid(after.refused(returned(1, peer, vec![]))));
    after.ok(returned(1, me, vec![]));
    let index = after.state.map_epoch();
    after.ok(returned(1, me, epochs(&before, 5)));
    assert_eq!(after.state.map_epoch(), index, "twice is once");
    let Applied::Peer { peer } = after.ok(Command::AddPeer { peer: fixture::new_peer(51) }) else {
        panic!()
    };
    assert!(invalid(after.refused(returned(1, peer, vec![]))), "it is elsewhere already");
    let mut normal = Cluster::new(3);
    assert!(invalid(normal.refused(returned(1, PeerId(2), vec![]))), "nothing was restored");
    normal.ok(returned(1, PeerId(1), vec![]));
}

#[test]
fn what_a_disk_keeps_is_small_and_a_second_loss_is_survived() {
    let mut before = Cluster::new(3);
    for n in 0..500 {
        before.ok(Command::RecordEvent {
            severity: Severity::Info,
            code: "noise".into(),
            message: format!("{n}"),
            subject: "test".into(),
        });
    }
    let kept = before.state.encode_for_disk();
    assert!(kept.len() * 4 < before.state.encode().len(), "{}", kept.len());
    let (once, _) = restored(&before);
    let kept = ClusterState::decode(&once.state.encode_for_disk()).unwrap();
    let peer = NewPeer { public_key: fixture::key(72), ..fixture::new_peer(1) };
    let (twice, id) = kept.restored_by(peer, fixture::key(78), NOW_MS).unwrap();
    assert_eq!(twice.incarnation(), 3);
    let mut names: Vec<&str> = twice.peers().values().map(|peer| peer.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["p1", "p1.lost", "p2.lost", "p3.lost"], "the first survivor had no disk");
    assert!(twice.peers().contains_key(&id));
}
