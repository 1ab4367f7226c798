use shoal_types::{DiskId, HeadEpoch, PeerId, PgEpoch, PgId, VolumeId};

use super::fixture::{Cluster, POLICY, attach, key, new_disk, new_peer, new_policy};
use super::*;
use crate::hex::{Hex, ProcessNonce};

const V: VolumeId = VolumeId(1);
const PROCESS: ProcessNonce = Hex([5; 16]);

fn take(peer: u64, generation: u64, expected: u32, basis: TakeBasis) -> Command {
    Command::TakeHead {
        volume: V,
        peer: PeerId(peer),
        process: PROCESS,
        generation,
        expected: HeadEpoch(expected),
        basis,
    }
}

#[test]
fn ids_are_never_used_twice() {
    let mut cluster = Cluster::new(3);
    let removed = cluster.ok(Command::AddPeer { peer: new_peer(4) });
    assert_eq!(removed, Applied::Peer { peer: PeerId(4) });
    cluster.ok(Command::RemovePeer { peer: PeerId(4) });
    let again = cluster.ok(Command::AddPeer { peer: new_peer(4) });
    assert_eq!(again, Applied::Peer { peer: PeerId(5) });
}

#[test]
fn a_retry_gets_the_first_answer_and_changes_nothing() {
    let mut cluster = Cluster::new(3);
    let command = Command::AddPeer { peer: new_peer(4) };
    let proposal = Proposal { id: cluster.fresh_id(), time_ms: 1, command };
    let first = cluster.run_proposal(proposal.clone());
    let peers = cluster.state.peers().clone();
    assert_eq!(cluster.run_proposal(proposal.clone()), first);
    assert_eq!(*cluster.state.peers(), peers);
    assert_eq!(cluster.state.answer(proposal.id), Some(first));
}

#[test]
fn a_token_admits_one_of_two() {
    let mut cluster = Cluster::new(3);
    let expires_ms = cluster.state.time_ms() + 1_000;
    cluster.ok(Command::CreateToken { hash: key(1), expires_ms, witness: false });
    let one = cluster.run(Command::UseToken { hash: key(1), peer: new_peer(8) });
    assert_eq!(one, Ok(Applied::Peer { peer: PeerId(4) }));
    let other = cluster.refused(Command::UseToken { hash: key(1), peer: new_peer(9) });
    assert_eq!(other, Rejection::TokenUsed { peer: PeerId(4) });
    let unknown = cluster.refused(Command::UseToken { hash: key(2), peer: new_peer(9) });
    assert_eq!(unknown, Rejection::NotFound { what: Kind::Token, id: 0 });
}

#[test]
fn a_peer_that_ended_while_it_joined_may_come_again() {
    let mut cluster = Cluster::new(3);
    let expires_ms = cluster.state.time_ms() + 1_000;
    for n in 1..=3 {
        cluster.ok(Command::CreateToken { hash: key(n), expires_ms, witness: false });
    }
    let comes = |n: u64| Command::UseToken { hash: key(n), peer: new_peer(8) };
    let admitted = Ok(Applied::Peer { peer: PeerId(4) });
    assert_eq!(cluster.run(comes(1)), admitted);
    assert_eq!(cluster.run(comes(1)), admitted, "with the same token");
    assert_eq!(cluster.run(comes(2)), admitted, "or with another one, it is the same peer");
    let other = NewPeer { public_key: key(9), ..new_peer(8) };
    let taken = cluster.refused(Command::UseToken { hash: key(3), peer: other });
    assert_eq!(taken, Rejection::Exists { what: Kind::Peer, id: 4 }, "another key, another peer");
    cluster.ok(Command::AddDisk { disk: new_disk(4, 9) });
    assert_eq!(cluster.refused(comes(3)), Rejection::Exists { what: Kind::Peer, id: 4 });
    assert_eq!(cluster.refused(comes(1)), Rejection::TokenUsed { peer: PeerId(4) });
}

#[test]
fn an_expired_token_admits_nobody() {
    let mut cluster = Cluster::new(3);
    let expires_ms = cluster.state.time_ms() + 15;
    cluster.ok(Command::CreateToken { hash: key(1), expires_ms, witness: false });
    let late = cluster.refused(Command::UseToken { hash: key(1), peer: new_peer(8) });
    assert_eq!(late, Rejection::TokenExpired { expires_ms });
}

#[test]
fn a_second_peer_is_refused_naming_the_first() {
    let mut cluster = Cluster::new(3);
    assert_eq!(cluster.attach(V, 1), Ok(Applied::Attached { generation: 1 }));
    let held = Rejection::Attached { volume: V, peer: PeerId(1), generation: 1 };
    assert_eq!(cluster.refused(attach(V, 2, None)), held);
    assert_eq!(cluster.refused(attach(V, 2, Some(7))), held, "fences what it never saw");
    cluster.ok(Command::Detach { volume: V, peer: PeerId(1), generation: 1 });
    assert_eq!(cluster.attach(V, 2), Ok(Applied::Attached { generation: 3 }));
}

#[test]
fn a_take_over_fences_until_the_old_peer_detaches() {
    let mut cluster = Cluster::new(3);
    cluster.attach(V, 1).unwrap();
    cluster.ok(take(1, 1, 0, TakeBasis::Free));
    assert_eq!(cluster.run(attach(V, 2, Some(1))), Ok(Applied::Attached { generation: 2 }));
    assert_eq!(cluster.state.volumes()[&V].fenced.len(), 1);
    let lost = cluster.refused(take(1, 1, 1, TakeBasis::Own));
    assert_eq!(lost, Rejection::NotAttached { volume: V, generation: 2 });
    let held = cluster.refused(take(2, 2, 1, TakeBasis::Free));
    assert_eq!(held, Rejection::HeadHeld { volume: V, peer: PeerId(1), head_epoch: HeadEpoch(1) });
    let taken = cluster.ok(take(2, 2, 1, TakeBasis::LeaseOver));
    assert_eq!(taken, Applied::Head { head_epoch: HeadEpoch(2) });
    cluster.ok(Command::Detach { volume: V, peer: PeerId(1), generation: 1 });
    assert!(cluster.state.volumes()[&V].fenced.is_empty());
    assert_eq!(cluster.state.volumes()[&V].attachment.unwrap().peer, PeerId(2));
}

#[test]
fn every_take_has_a_new_epoch_also_by_the_same_process() {
    let mut cluster = Cluster::new(3);
    cluster.attach(V, 1).unwrap();
    cluster.ok(take(1, 1, 0, TakeBasis::Free));
    assert_eq!(
        cluster.refused(take(1, 1, 0, TakeBasis::Own)),
        Rejection::Stale { what: Kind::Head, expected: 0, current: 1 }
    );
    let again = cluster.ok(take(1, 1, 1, TakeBasis::Own));
    assert_eq!(again, Applied::Head { head_epoch: HeadEpoch(2) });
    let release = |process, head_epoch| Command::ReleaseHead {
        volume: V,
        peer: PeerId(1),
        process,
        head_epoch: HeadEpoch(head_epoch),
    };
    cluster.refused(release(PROCESS, 1));
    cluster.refused(release(Hex([6; 16]), 2));
    cluster.ok(release(PROCESS, 2));
    assert_eq!(cluster.state.volumes()[&V].head.owner, None);
    assert_eq!(cluster.state.volumes()[&V].head.epoch, HeadEpoch(2));
}

#[test]
fn exports_hold_a_volume_and_let_it_go() {
    let mut cluster = Cluster::new(3);
    let export = |peer| Command::CreateExport {
        volume: V,
        peer: PeerId(peer),
        kind: ExportKind::Nbd,
        path: "/run/vol.sock".into(),
    };
    let first = cluster.ok(export(1));
    assert_eq!(first, Applied::Export { export: 1, generation: 1 });
    assert_eq!(cluster.ok(export(1)), first, "the same again is the same");
    cluster.refused(export(2));
    cluster.refused(attach(V, 2, None));
    assert_eq!(cluster.attach(V, 1), Ok(Applied::Attached { generation: 1 }));
    cluster.ok(Command::Detach { volume: V, peer: PeerId(1), generation: 1 });
    assert_eq!(cluster.state.volumes()[&V].attachment.unwrap().via, Via::Export);
    cluster.ok(Command::DeleteExport { export: 1 });
    assert_eq!(cluster.state.volumes()[&V].attachment, None);
    cluster.ok(export(2));
}

#[test]
fn a_deleted_volume_is_kept_until_every_member_purged_it() {
    let mut cluster = Cluster::new(4);
    cluster.attach(V, 1).unwrap();
    cluster.refused(Command::DeleteVolume { volume: V });
    cluster.ok(Command::Detach { volume: V, peer: PeerId(1), generation: 1 });
    cluster.ok(Command::DeleteVolume { volume: V });
    let new = cluster.create_volume("vol");
    assert_eq!(new, VolumeId(2), "the name is free at once, the id never");
    cluster.refused(attach(V, 1, None));
    let purge = |disks: &[u64]| Command::PurgeDone {
        volume: V,
        disks: disks.iter().map(|d| DiskId(*d)).collect(),
    };
    cluster.refused(Command::DeletePolicy { policy: POLICY });
    cluster.ok(purge(&[1, 2, 3]));
    assert!(cluster.state.volumes().contains_key(&V));
    // Made anew it knows nothing of that, and may be filled from the fourth.
    cluster.ok(Command::MarkStoreUnfit { disk: DiskId(2) });
    cluster.ok(purge(&[4]));
    assert!(cluster.state.volumes().contains_key(&V), "the second one purges once more");
    cluster.ok(purge(&[2]));
    assert!(!cluster.state.volumes().contains_key(&V));
    cluster.ok(purge(&[4]));
}

#[test]
fn removal_takes_a_disk_out_everywhere_but_never_the_last() {
    let mut cluster = Cluster::new(3);
    let remove = |disk| Command::PgRemove {
        target: Target::Disk(DiskId(disk)),
        reason: RemovalReason::SessionLapsed,
        only: None,
    };
    for disk in [1, 2] {
        let Applied::Pgs { results } = cluster.ok(remove(disk)) else { panic!() };
        assert_eq!(results.len(), 8);
        assert!(results.iter().all(|r| matches!(r.outcome, PgOutcome::Changed { .. })));
    }
    let before = cluster.state.map_epoch();
    let Applied::Pgs { results } = cluster.ok(remove(3)) else { panic!() };
    let last = PgOutcome::Refused { reason: PgRefused::LastInSync };
    assert!(results.len() == 8 && results.iter().all(|r| r.outcome == last));
    assert_eq!(cluster.state.map_epoch(), before, "nothing changed");
}

#[test]
fn a_member_joins_and_is_in_sync_again() {
    let mut cluster = Cluster::new(3);
    let pg = PgId { policy: POLICY, index: 0 };
    cluster.ok(Command::PgRemove {
        target: Target::Peer(PeerId(1)),
        reason: RemovalReason::Ordered,
        only: Some(vec![(pg, PgEpoch(1))]),
    });
    let join = |epoch| Command::PgJoin {
        items: vec![JoinItem { pg, disk: DiskId(1), expected: PgEpoch(epoch) }],
    };
    let refused = |outcome: Applied| match outcome {
        Applied::Pgs { results } => matches!(results[0].outcome, PgOutcome::Refused { .. }),
        other => panic!("{other:?}"),
    };
    assert!(refused(cluster.ok(join(1))), "stale");
    assert!(!refused(cluster.ok(join(2))));
    let finish = |join_at, source| Command::PgInSync {
        items: vec![InSyncItem {
            pg,
            disk: DiskId(1),
            join_at: PgEpoch(join_at),
            source: DiskId(source),
        }],
    };
    assert!(refused(cluster.ok(finish(2, 2))), "another session");
    assert!(refused(cluster.ok(finish(3, 1))), "itself as source");
    assert!(!refused(cluster.ok(finish(3, 2))));
    let record = cluster.state.pg(pg).unwrap();
    assert_eq!(record.in_sync.len(), 3);
    assert_eq!(record.epoch, PgEpoch(4));
}

fn table(expected: u64, index: u32, members: &[u64], leaving: &[u64]) -> Command {
    let disks = |ids: &[u64]| ids.iter().map(|d| DiskId(*d)).collect();
    let row = PgMembers { index, members: disks(members), leaving: disks(leaving) };
    Command::SetPgTable {
        policy: POLICY,
        expected_map_epoch: shoal_types::MapEpoch(expected),
        algorithm_version: 1,
        changes: TableDelta(vec![row]),
    }
}

#[test]
fn a_table_that_breaks_a_rule_changes_nothing() {
    let mut cluster = Cluster::new(4);
    let extra = cluster.ok(Command::AddDisk { disk: new_disk(1, 9) });
    assert_eq!(extra, Applied::Disk { disk: DiskId(5) });
    let now = cluster.state.map_epoch().0;
    let mut fault =
        |members: &[u64], leaving: &[u64]| match cluster.refused(table(now, 0, members, leaving)) {
            Rejection::Placement { fault, .. } => fault,
            other => panic!("{other:?}"),
        };
    assert_eq!(fault(&[1, 2, 77], &[]), Fault::UnknownDisk);
    assert_eq!(fault(&[1, 5, 2], &[3]), Fault::SameDomain);
    assert_eq!(fault(&[1, 2, 3, 4], &[]), Fault::Count);
    assert_eq!(fault(&[], &[]), Fault::Count);
    assert_eq!(fault(&[1, 2, 4], &[]), Fault::LosesInSync);
    assert_eq!(fault(&[1, 2, 3], &[3]), Fault::Duplicate);
    assert_eq!(fault(&[1, 2, 3], &[4]), Fault::UnknownDisk);
    let stale = cluster.refused(table(now - 1, 0, &[1, 2, 4], &[3]));
    assert!(matches!(stale, Rejection::Stale { what: Kind::Map, .. }));
}

#[test]
fn a_member_leaves_after_its_successor_is_in_sync() {
    let mut cluster = Cluster::new(4);
    let pg = PgId { policy: POLICY, index: 0 };
    let now = cluster.state.map_epoch().0;
    cluster.ok(table(now, 0, &[1, 2, 4], &[3]));
    let expected = cluster.state.pg(pg).unwrap().epoch;
    cluster.ok(Command::PgJoin { items: vec![JoinItem { pg, disk: DiskId(4), expected }] });
    let now = cluster.state.map_epoch().0;
    assert!(matches!(
        cluster.refused(table(now, 0, &[1, 2, 4], &[])),
        Rejection::Placement { fault: Fault::LosesInSync, .. }
    ));
    let join_at = cluster.state.pg(pg).unwrap().joining.unwrap().join_at;
    let item = InSyncItem { pg, disk: DiskId(4), join_at, source: DiskId(1) };
    cluster.ok(Command::PgInSync { items: vec![item] });
    let now = cluster.state.map_epoch().0;
    cluster.ok(table(now, 0, &[1, 2, 4], &[]));
    let record = cluster.state.pg(pg).unwrap();
    assert_eq!(record.in_sync, [DiskId(1), DiskId(2), DiskId(4)]);
}

#[test]
fn a_table_is_planned_on_the_newest_topology() {
    let mut cluster = Cluster::new(4);
    let planned_on = cluster.state.map_epoch().0;
    cluster.ok(Command::PgRemove {
        target: Target::Disk(DiskId(3)),
        reason: RemovalReason::Ordered,
        only: None,
    });
    cluster.ok(table(planned_on, 0, &[1, 2, 4], &[]));
    let weight = Some(5);
    cluster.ok(Command::SetDisk {
        disk: DiskId(1),
        weight,
        state: None,
        size_bytes: None,
        reserve_bytes: None,
        path: None,
        peer: None,
    });
    cluster.refused(table(planned_on, 1, &[1, 2, 4], &[]));
}

#[test]
fn what_is_needed_is_not_removed() {
    let mut cluster = Cluster::new(3);
    let in_use = |by| move |r: Rejection| matches!(r, Rejection::InUse { by: b, .. } if b == by);
    assert!(in_use(Kind::Voter)(cluster.refused(Command::RemovePeer { peer: PeerId(1) })));
    assert!(in_use(Kind::Disk)(cluster.refused(Command::RemovePeer { peer: PeerId(2) })));
    assert!(in_use(Kind::Policy)(cluster.refused(Command::RemoveDisk { disk: DiskId(2) })));
    assert!(in_use(Kind::Volume)(cluster.refused(Command::DeletePolicy { policy: POLICY })));
}

#[test]
fn names_and_sizes_have_bounds() {
    let mut cluster = Cluster::new(3);
    let create = |name: &str, size_bytes, block_size| Command::CreateVolume {
        name: name.into(),
        size_bytes,
        block_size,
        policy: POLICY,
    };
    let long = "x".repeat(64);
    for name in ["", "-x", "A", "a/b", "a@b", "ä", long.as_str()] {
        assert!(matches!(
            cluster.refused(create(name, 4096, 512)),
            Rejection::Invalid { fault: Fault::Name, .. }
        ));
    }
    for (size, block) in [(0, 512), (4095, 512), (1 << 60, 512), (4096, 1024)] {
        assert!(matches!(cluster.refused(create("ok", size, block)), Rejection::Invalid { .. }));
    }
    assert!(matches!(cluster.refused(create("vol", 4096, 512)), Rejection::Exists { .. }));
    let ec = NewPolicy {
        redundancy: Redundancy::Erasure { data: 4, parity: 2 },
        ..new_policy("ec", 1, 8)
    };
    assert!(matches!(
        cluster.refused(Command::CreatePolicy { policy: ec }),
        Rejection::Invalid { fault: Fault::Unsupported, .. }
    ));
}

#[test]
fn a_store_that_lost_writes_is_worth_nothing_until_filled() {
    let mut cluster = Cluster::new(3);
    let announce =
        |session| Command::AnnounceStore { disk: DiskId(1), store: Hex::from_u128(1), session };
    cluster.ok(announce(3));
    let rolled_back = cluster.refused(announce(3));
    assert_eq!(rolled_back, Rejection::Stale { what: Kind::Disk, expected: 3, current: 3 });
    cluster.ok(Command::MarkStoreUnfit { disk: DiskId(1) });
    let table = cluster.state.table(POLICY).unwrap();
    assert!(table.records().all(|r| !r.is_in_sync(DiskId(1)) && r.member(DiskId(1)).unwrap().full));
}

#[test]
fn the_first_voter_stays_and_strangers_do_not_vote() {
    let mut cluster = Cluster::new(3);
    let mut change = |change| {
        let index = cluster.state.index() + 1;
        cluster.state.apply_conf_change(index, change)
    };
    assert!(!change(ConfChange::Remove { peer: PeerId(1) }));
    assert!(!change(ConfChange::AddVoter { peer: PeerId(9) }));
    assert!(change(ConfChange::AddLearner { peer: PeerId(2) }));
    assert!(change(ConfChange::AddVoter { peer: PeerId(2) }));
    assert!(change(ConfChange::Remove { peer: PeerId(1) }));
    assert_eq!(cluster.state.voters().voters, [PeerId(2)].into());
}
