//! What a peer makes of the state, on small clusters.

use shoal_types::{DiskId, PeerId, PgId, VolumeId};

use super::*;
use crate::hex::{Hex, ProcessNonce};
use crate::state::fixture::{Cluster, attach};
use crate::state::{
    Command, JoinItem, Proposal, RemovalReason, Standing, TakeBasis, Target, fixture,
};

const V: VolumeId = VolumeId(1);
const OLD: ProcessNonce = Hex([1; 16]);
const NEW: ProcessNonce = Hex([2; 16]);

fn take(cluster: &mut Cluster, peer: u64, process: ProcessNonce) {
    let volume = &cluster.state.volumes()[&V];
    let (generation, expected) = (volume.generation, volume.head.epoch);
    let (peer, basis) = (PeerId(peer), TakeBasis::LeaseOver);
    cluster.ok(Command::TakeHead { volume: V, peer, process, generation, expected, basis });
}

#[test]
fn heads_of_an_earlier_process_are_given_back_once_they_are_attached_elsewhere() {
    let mut cluster = Cluster::new(3);
    cluster.attach(V, 1).unwrap();
    take(&mut cluster, 1, OLD);
    let orphans = |cluster: &Cluster, peer, process| {
        orphaned_heads(&cluster.state, PeerId(peer), process, |_, _| true)
    };
    assert_eq!(orphans(&cluster, 1, NEW), [], "it takes its own again");
    cluster.ok(attach(V, 2, Some(1)));
    assert_eq!(orphans(&cluster, 1, OLD), [], "its own may still serve");
    assert_eq!(orphans(&cluster, 2, NEW), [], "it never owned one");
    let found = orphans(&cluster, 1, NEW);
    assert_eq!(found.len(), 1);
    cluster.ok(found[0].clone());
    assert_eq!(cluster.state.volumes()[&V].head.owner, None);
    assert_eq!(orphans(&cluster, 1, NEW), [], "said and done");
}

/// The answer to its question never came, or its release was lost.
#[test]
fn a_head_that_its_own_process_does_not_have_is_given_back() {
    let mut cluster = Cluster::new(3);
    cluster.attach(V, 1).unwrap();
    take(&mut cluster, 1, OLD);
    let granted = cluster.state.volumes()[&V].head.epoch;
    let none = |_, _| false;
    assert_eq!(orphaned_heads(&cluster.state, PeerId(1), OLD, none), [], "it asks for it again");
    cluster.ok(attach(V, 2, Some(1)));
    let has = |volume, epoch| (volume, epoch) == (V, granted);
    assert_eq!(orphaned_heads(&cluster.state, PeerId(1), OLD, has), [], "it ends by itself");
    let found = orphaned_heads(&cluster.state, PeerId(1), OLD, none);
    cluster.ok(found[0].clone());
    assert_eq!(cluster.state.volumes()[&V].head.owner, None);
    take(&mut cluster, 2, NEW);
}

#[test]
fn a_dead_resync_is_asked_for_anew_whatever_changed_meanwhile() {
    let mut cluster = Cluster::new(3);
    let (pg, disk) = (PgId::new(1, 0), DiskId(3));
    let ordered = |disk| {
        let (target, reason) = (Target::Disk(DiskId(disk)), RemovalReason::Ordered);
        Command::PgRemove { target, reason, only: None }
    };
    cluster.ok(ordered(3));
    let expected = cluster.state.pg(pg).unwrap().epoch;
    cluster.ok(Command::PgJoin { items: vec![JoinItem { pg, disk, expected }] });
    let join_at = cluster.state.pg(pg).unwrap().joining.unwrap().join_at;
    let stale = restart_join(&cluster.state, disk, pg, join_at).unwrap();
    cluster.ok(ordered(2));
    cluster.ok(stale);
    let joining = |cluster: &Cluster| cluster.state.pg(pg).unwrap().joining.unwrap().join_at;
    assert_eq!(joining(&cluster), join_at, "refused: the group changed");
    let again = restart_join(&cluster.state, disk, pg, join_at).unwrap();
    cluster.ok(again);
    assert!(joining(&cluster) > join_at);
    assert_eq!(restart_join(&cluster.state, disk, pg, join_at), None, "that session is over");
    assert_eq!(cancel_join(&cluster.state, disk, pg, join_at), None);
    assert_eq!(join_of(&cluster.state, disk, pg), Some(joining(&cluster)));
    assert_eq!(join_of(&cluster.state, disk, PgId::new(1, 1)), None);
    assert_eq!(join_of(&cluster.state, DiskId(2), pg), None);
    let give_up = cancel_join(&cluster.state, disk, pg, joining(&cluster)).unwrap();
    assert!(has_changed(&cluster.ok(give_up.clone())));
    assert!(!has_changed(&cluster.ok(give_up)), "it is told once");
}

#[test]
fn a_store_made_anew_counts_where_nothing_says_that_its_data_is_worthless() {
    let mut cluster = Cluster::new(3);
    let (pg, disk) = (PgId::new(1, 0), DiskId(3));
    let epoch = |cluster: &Cluster| cluster.state.pg(pg).unwrap().epoch;
    let counts = |cluster: &Cluster, disk| admitted(&cluster.state, disk, [pg].into_iter());
    assert_eq!(counts(&cluster, disk), [(pg, epoch(&cluster))]);
    cluster.ok(Command::MarkStoreUnfit { disk });
    assert_eq!(counts(&cluster, disk), []);
    assert_eq!(counts(&cluster, DiskId(1)), [(pg, epoch(&cluster))]);
    // The last one in sync stays so, and is marked all the same.
    cluster.ok(Command::MarkStoreUnfit { disk: DiskId(2) });
    cluster.ok(Command::MarkStoreUnfit { disk: DiskId(1) });
    assert!(cluster.state.pg(pg).unwrap().is_in_sync(DiskId(1)));
    assert_eq!(counts(&cluster, DiskId(1)), []);
}

/// Whoever goes by what is down would otherwise take it for gone although it serves.
#[test]
fn a_disk_that_was_given_up_while_it_was_down_is_taken_back_when_it_serves() {
    let mut cluster = Cluster::new(3);
    let disk = DiskId(3);
    let down = set_down(&cluster.state, disk, true).expect("it is in");
    cluster.ok(down);
    assert!(cluster.state.is_disk_down(disk));
    cluster.ok(Command::GiveUpDisks { disks: vec![disk] });
    assert!(cluster.state.is_disk_down(disk), "out, and still down");
    assert_eq!(set_down(&cluster.state, disk, true), None);
    let back = set_down(&cluster.state, disk, false).expect("it is to be in again");
    cluster.ok(back);
    assert_eq!(cluster.state.disks()[&disk].state, Standing::In);
    assert!(!cluster.state.is_disk_down(disk));
    assert_eq!(set_down(&cluster.state, disk, false), None);
}

#[test]
fn a_disk_that_a_person_put_out_stays_out() {
    let mut cluster = Cluster::new(3);
    let disk = DiskId(3);
    let command = set_down(&cluster.state, disk, true).expect("it is in");
    let Command::SetDisk { weight, size_bytes, reserve_bytes, path, peer, .. } = command.clone()
    else {
        panic!("{command:?}");
    };
    cluster.ok(command);
    let state = Some(Standing::Out);
    cluster.ok(Command::SetDisk { disk, state, weight, size_bytes, reserve_bytes, path, peer });
    assert_eq!(set_down(&cluster.state, disk, false), None);
    assert!(!cluster.state.is_disk_down(disk), "nobody says so any more");
}

#[test]
fn tokens_can_be_made_and_used_after_a_leader_whose_clock_was_far_ahead() {
    const YEARS_MS: u64 = 10 * 365 * 24 * 3_600_000;
    let (wall_ms, ttl_ms) = (1_000_000, 3_600_000);
    let mut cluster = Cluster::new(3);
    assert_eq!(token_expiry_ms(&cluster.state, wall_ms, ttl_ms), wall_ms + ttl_ms);
    let index = cluster.state.index() + 1;
    let command = Command::SetMoveRates { disk_rate: None, peer_rate: None };
    let (id, time_ms) = (Hex([9; 16]), wall_ms + YEARS_MS);
    cluster.state.apply(index, &Proposal { id, time_ms, command }).unwrap();
    let (hash, witness) = (Hex([5; 32]), false);
    let expires_ms = token_expiry_ms(&cluster.state, wall_ms, ttl_ms);
    assert_eq!(expires_ms, wall_ms + YEARS_MS + ttl_ms);
    cluster.ok(Command::CreateToken { hash, expires_ms, witness });
    cluster.ok(Command::UseToken { hash, peer: fixture::new_peer(9) });
}
