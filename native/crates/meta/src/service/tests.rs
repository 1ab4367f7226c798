//! Whole services in one thread: one voter with followers, three voters, judgements.

use shoal_engine::insync::Probe;
use shoal_types::{DiskId, HeadEpoch, PeerId, PolicyId};

use super::world::{V, World};
use super::*;
use crate::hex::Hex;
use crate::log_store::{DirLog, LogStore, MemDir};
use crate::seeded::Seeded;
use crate::state::{Applied, Command, fixture};

#[test]
fn followers_propose_read_and_hold_the_same_state() {
    let mut world = World::new(1, 3);
    world.compare();
    let done = world.ok(3, Command::AddPeer { peer: fixture::new_peer(9) });
    assert_eq!(done, Applied::Peer { peer: PeerId(4) });
    world.ok(2, Command::RemovePeer { peer: PeerId(4) });
    for (token, peer) in [(1, 1), (2, 2), (3, 3)] {
        let now = world.now();
        world.services.get_mut(&peer).unwrap().barrier(token, now).unwrap();
        world.collect(peer);
    }
    world.run_until("barriers", |w| w.barriers.len() == 3);
    assert!(world.barriers.values().all(Result::is_ok));
    world.compare();
}

#[test]
fn judged_commands_are_not_for_everybody() {
    let mut world = World::new(1, 2);
    let command = Command::TakeHead {
        volume: V,
        peer: PeerId(2),
        process: Hex([1; 16]),
        generation: 0,
        expected: HeadEpoch(0),
        basis: crate::state::TakeBasis::LeaseOver,
    };
    let id = world.propose(2, command.clone());
    assert_eq!(world.answer(id), Err(Unavailable::Judged));
    // A peer that does not ask itself first is refused by the leader.
    let proposal = crate::state::Proposal { id: Hex([9; 16]), time_ms: 0, command };
    let now = world.now();
    let bytes = ServiceMessage::Propose { proposal }.encode();
    world.services.get_mut(&1).unwrap().receive(PeerId(2), &bytes, now).unwrap();
    let outputs = world.services.get_mut(&1).unwrap().take_outputs();
    let refused = outputs.iter().any(|output| match output {
        Output::Send { bytes, .. } => matches!(
            ServiceMessage::decode(bytes),
            Ok(ServiceMessage::NotProposed { why: ProposeRefused::Judged, .. })
        ),
        _ => false,
    });
    assert!(refused);
}

#[test]
fn three_voters_go_on_without_their_leader() {
    let mut world = World::new(2, 4);
    world.add_voter(2);
    world.add_voter(3);
    world.run_ms(2_000);
    let old = world.leader().unwrap();
    world.stop(old);
    let id = world.propose(4, Command::AddPeer { peer: fixture::new_peer(9) });
    assert!(matches!(world.answer(id), Ok((_, Ok(Applied::Peer { .. })))));
    world.run_until("leases", |w| w.services.values().all(|s| s.lease_until_ms() > w.now_ms));
    world.start(old);
    world.run_ms(1_000);
    world.compare();
    assert!(world.services.values().all(|s| !s.lost_log()));
}

/// Three voters, of which one that does not lead has stopped.
fn without_a_follower() -> (World, u64) {
    let mut world = World::new(2, 3);
    world.add_voter(2);
    world.add_voter(3);
    world.run_ms(1_000);
    let victim = if world.leader() == Some(3) { 2 } else { 3 };
    world.stop(victim);
    (world, victim)
}

#[test]
fn a_voter_without_its_log_follows_and_does_not_vote() {
    let (mut world, victim) = without_a_follower();
    world.dirs.insert(victim, MemDir::new());
    world.start(victim);
    world.run_until("noticed", |w| w.services[&victim].lost_log());
    world.compare();
    assert!(world.services[&victim].node().is_none());
}

/// Something made a log in place of the lost one, and no promise came into it.
#[test]
fn a_log_without_a_promise_is_no_voters_log() {
    let (mut world, victim) = without_a_follower();
    let dir = MemDir::new();
    DirLog::open(dir.clone(), fixture::genesis().cluster_id, victim).load().unwrap();
    world.dirs.insert(victim, dir);
    world.start(victim);
    world.run_until("noticed", |w| w.services[&victim].lost_log());
    assert!(world.services[&victim].node().is_none());
}

/// Every lease that an earlier leader may have granted is over.
const SETTLED_MS: u64 = 5_000;

fn in_sync(world: &World, disk: u64) -> usize {
    let table = world.state(1).table(PolicyId(1)).unwrap();
    table.records().filter(|r| r.is_in_sync(DiskId(disk))).count()
}

fn report(world: &mut World, peer: u64, disk: u64, kind: ReportKind) {
    let now = world.now();
    world.services.get_mut(&peer).unwrap().report(DiskId(disk), kind, now).unwrap();
    world.collect(peer);
    world.run_ms(300);
}

#[test]
fn two_reporters_prove_a_loss_and_one_does_not() {
    let mut world = World::new(1, 4);
    world.run_ms(SETTLED_MS);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 4);
    assert!(world.probes.contains(&DiskId(3)), "the leader looks for itself");
    let now = world.now();
    world.services.get_mut(&1).unwrap().probed(DiskId(3), Probe::Reached, now).unwrap();
    world.collect(1);
    world.run_ms(200);
    assert_eq!(world.blamed, [(2, DiskId(3))], "only it cannot reach what others reach");
    assert_eq!(in_sync(&world, 3), 4);
    report(&mut world, 4, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 0);
}

fn probed(world: &mut World, disk: u64, probe: Probe) {
    let now = world.now();
    world.services.get_mut(&1).unwrap().probed(DiskId(disk), probe, now).unwrap();
    world.collect(1);
}

fn probe_fails(world: &mut World, disk: u64) {
    probed(world, disk, Probe::Failed);
    world.run_ms(300);
}

#[test]
fn a_host_that_says_that_nobody_listens_is_believed_the_second_time() {
    let mut world = World::new(1, 4);
    world.run_ms(SETTLED_MS);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    probed(&mut world, 3, Probe::Refused);
    world.run_ms(250);
    assert_eq!(in_sync(&world, 3), 4, "once is not enough, however long ago");
    assert!(world.probes.len() >= 3, "asked again soon");
    let owner = world.state(1).disks()[&DiskId(3)].peer;
    world.stop(owner.0);
    probed(&mut world, 3, Probe::Refused);
    world.run_ms(50);
    assert_eq!(in_sync(&world, 3), 0);
    assert!(world.services[&1].is_gone(owner), "nobody has to wait for its lease to know");
    world.start(owner.0);
    world.run_until("it is heard again", |w| !w.services[&1].is_gone(owner));
}

#[test]
fn what_the_leader_alone_misses_is_no_loss_where_others_could_tell() {
    let mut world = World::new(1, 4);
    world.run_ms(SETTLED_MS);
    report(&mut world, 1, 3, ReportKind::Unreachable);
    for _ in 0..6 {
        probed(&mut world, 3, Probe::Refused);
        world.run_ms(250);
    }
    assert_eq!(in_sync(&world, 3), 4);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 0);
}

#[test]
fn in_a_tiny_cluster_the_leaders_own_probes_count_when_they_go_on_failing() {
    let mut world = World::new(1, 3);
    world.run_ms(SETTLED_MS);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 4);
    probe_fails(&mut world, 3);
    assert_eq!(in_sync(&world, 3), 4, "a store that is being opened refuses one, too");
    world.run_ms(800);
    probe_fails(&mut world, 3);
    assert_eq!(in_sync(&world, 3), 0);
}

#[test]
fn a_cluster_that_starts_together_takes_nobody_out_for_being_late() {
    let mut world = World::new(1, 3);
    world.run_ms(1_000);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    probe_fails(&mut world, 3);
    world.run_ms(1_100);
    probe_fails(&mut world, 3);
    assert_eq!(in_sync(&world, 3), 4);
}

#[test]
fn a_lapsed_session_takes_the_whole_peer_out() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    world.stop(3);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 4, "its lease may still run");
    world.run_ms(4_500);
    report(&mut world, 2, 3, ReportKind::Unreachable);
    assert_eq!(in_sync(&world, 3), 0);
}

#[test]
fn a_store_that_says_it_is_out_is_believed() {
    let mut world = World::new(1, 3);
    report(&mut world, 1, 2, ReportKind::StoreOut);
    assert_eq!(in_sync(&world, 2), 0);
    report(&mut world, 2, 3, ReportKind::StoreUnfit);
    let table = world.state(1).table(PolicyId(1)).unwrap();
    assert!(table.records().all(|r| r.in_sync == [DiskId(1)]));
    assert!(table.records().all(|r| r.member(DiskId(3)).unwrap().full));
}

#[test]
fn without_a_leader_a_proposal_is_unavailable_and_may_be_repeated() {
    let mut world = World::new(1, 2);
    world.run_ms(1_000);
    world.stop(1);
    let command = Command::AddPeer { peer: fixture::new_peer(9) };
    let id = world.propose(2, command.clone());
    assert_eq!(world.answer(id), Err(Unavailable::NoLeader));
    world.start(1);
    world.proposed.clear();
    let now = world.now();
    world.services.get_mut(&2).unwrap().propose(id, command, now).unwrap();
    world.collect(2);
    assert!(matches!(world.answer(id), Ok((_, Ok(Applied::Peer { .. })))));
}

#[test]
fn damaged_messages_never_panic() {
    let mut world = World::new(1, 3);
    world.add_voter(2);
    let mut random = Seeded::new(8);
    for _ in 0..400 {
        world.step();
        let Some((_, from, to, bytes)) = world.network.first().cloned() else { continue };
        for _ in 0..30 {
            let mut bytes = bytes.clone();
            random.mutate(&mut bytes);
            let now = world.now();
            // Most are unreadable; what is readable is a lie of a member, which may cost it its
            // own proposals but not this process.
            world.services.get_mut(&to).unwrap().receive(PeerId(from), &bytes, now).unwrap();
            world.services.get_mut(&to).unwrap().take_outputs();
        }
    }
}
