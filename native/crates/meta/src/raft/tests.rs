use shoal_types::PeerId;

use super::cluster_fixture::{Faults, World};
use super::*;
use crate::hex::Hex;
use crate::log_store::{HardState, LogEntry, LogStore, MemDir, Payload, ProposalBytes};
use crate::state::{Applied, Command, ConfChange, Severity, fixture};

fn event() -> Command {
    let (code, message, subject) = ("test".into(), "m".into(), "s".into());
    Command::RecordEvent { severity: Severity::Info, code, message, subject }
}

fn three() -> World {
    let mut world = World::new(1, 4);
    world.add_voter(2);
    world.add_voter(3);
    world
}

#[test]
fn one_voter_commits_alone_and_survives_a_restart() {
    let mut world = World::new(1, 1);
    for _ in 0..100 {
        world.propose_on(1, event()).unwrap();
    }
    world.run(3);
    let before = world.state(1).encode();
    let index = world.state(1).index();
    world.crash(1);
    world.start(1);
    world.run_until("replayed", |w| w.state(1).index() > index);
    assert_eq!(world.history.len(), 100);
    assert_eq!(world.state(1).events().len(), 100);
    assert_ne!(world.state(1).encode(), before, "the index moved with the new term");
}

#[test]
fn one_becomes_three_and_the_log_is_compacted() {
    let mut world = three();
    for _ in 0..200 {
        let leader = world.leader().unwrap();
        world.propose_on(leader, event()).unwrap();
        world.tick();
    }
    world.heal_and_compare();
    assert!(world.dirs[&1].len("log") < 40_000, "{}", world.dirs[&1].len("log"));
}

/// Its log held the removal of the other one, and nothing durable said that it was decided: it would ask
/// for a vote that nobody gives any more.
#[test]
fn the_last_of_two_voters_goes_on_alone_after_a_restart() {
    let mut world = World::new(1, 2);
    world.add_voter(2);
    let last = world.leader().unwrap();
    let removed = 3 - last;
    assert!(world.change(ConfChange::Remove { peer: PeerId(removed) }));
    let is_removed = |w: &World| !w.state(last).voters().contains(PeerId(removed));
    world.run_until("removed", is_removed);
    world.nodes.remove(&removed);
    world.crash(last);
    world.start(last);
    world.run_until("goes on alone", |w| w.leader() == Some(last));
}

#[test]
fn a_leader_that_is_cut_off_steps_down_and_another_goes_on() {
    let mut world = three();
    world.run(5);
    let old = world.leader().unwrap();
    world.isolated = vec![old];
    let lost = world.propose_on(old, event()).unwrap();
    world.run_until("steps down", |w| !w.node(old).is_leader());
    world.run_until("another", |w| w.leader().is_some_and(|l| l != old));
    let new = world.leader().unwrap();
    world.run_until("settled", |w| w.node(new).is_settled_leader());
    let kept = world.propose_on(new, event()).unwrap();
    world.heal_and_compare();
    let has = |id| world.history.values().any(|(proposal, _)| *proposal == id);
    assert!(has(kept) && !has(lost));
}

#[test]
fn reads_come_back_only_from_a_leader_that_others_confirm() {
    let mut world = three();
    world.run(5);
    let leader = world.leader().unwrap();
    let follower = if leader == 2 { 3 } else { 2 };
    let read = |world: &mut World, id: u64, context| {
        let asked = world.nodes.get_mut(&id).unwrap().read_index(context).unwrap();
        world.pump(id);
        asked
    };
    let other = Some(PeerId(leader));
    assert_eq!(read(&mut world, follower, 1), Err(NotProposed::NotLeader { leader: other }));
    read(&mut world, leader, 2).unwrap();
    assert!(world.reads.is_empty(), "nobody confirmed yet");
    world.run(5);
    assert_eq!(world.reads, [(leader, 2)]);
    world.isolated = vec![leader];
    read(&mut world, leader, 3).unwrap();
    world.run(60);
    assert_eq!(world.reads, [(leader, 2)], "a deposed leader's read never comes back");
}

#[test]
fn leadership_is_handed_over_before_a_leader_goes() {
    let mut world = three();
    world.run(5);
    let old = world.leader().unwrap();
    assert!(!world.change(ConfChange::Remove { peer: PeerId(old) }), "not while it leads");
    let next = if old == 1 { 2 } else { 1 };
    world.nodes.get_mut(&old).unwrap().transfer_leadership(PeerId(next)).unwrap();
    world.pump(old);
    world.run_until("handed over", |w| w.leader() == Some(next));
    assert!(world.change(ConfChange::Remove { peer: PeerId(old) }));
    world.run_until("removed", |w| !w.state(next).voters().contains(PeerId(old)));
    world.propose_on(next, event()).unwrap();
    world.run(20);
    assert!(!world.nodes[&old].is_leader());
    assert!(world.nodes.values().all(|node| node.incidents().0 == 0));
}

/// The entry that removes the leader was proposed by the leader before it.
#[test]
fn a_leader_removed_by_an_older_entry_steps_down() {
    let mut world = three();
    world.run(5);
    let old = world.leader().unwrap();
    let next = if old == 1 { 2 } else { 1 };
    world.faults = Faults { delay: 3, ..Faults::default() };
    assert!(world.change(ConfChange::Remove { peer: PeerId(next) }));
    world.run(4);
    world.isolated = vec![old];
    world.run_until("somebody else", |w| {
        w.nodes.iter().any(|(id, node)| *id != old && node.is_settled_leader())
    });
    world.isolated.clear();
    world.run(100);
    let leader = world.leader().unwrap();
    assert_eq!(world.state(leader).voters().contains(PeerId(next)), leader == next);
    world.propose_on(leader, event()).unwrap();
    world.run(30);
    assert!(world.history.len() > 3);
}

#[test]
fn a_joiner_far_behind_starts_from_a_snapshot() {
    let mut world = World::new(3, 2);
    for _ in 0..300 {
        world.propose_on(1, event()).unwrap();
    }
    world.run(3);
    world.faults = Faults { loss: 30, duplicate: 10, delay: 2 };
    world.add_voter(2);
    world.heal_and_compare();
    assert_eq!(world.state(2).counters(), world.state(1).counters());
}

#[test]
fn a_voter_that_lost_its_disk_is_refused_and_not_crashed() {
    let mut world = three();
    world.run(20);
    let victim = if world.leader() == Some(3) { 2 } else { 3 };
    world.nodes.remove(&victim);
    world.dirs.insert(victim, MemDir::new());
    world.start(victim);
    world.run(60);
    let (panics, refused) = world.node(victim).incidents();
    assert_eq!(panics, 0);
    assert!(refused > 0, "heartbeats commit what its log does not hold");
    assert!(!world.node(victim).is_voter(), "it never votes under the old id");
    world.nodes.remove(&victim);
    assert!(world.change(ConfChange::Remove { peer: PeerId(victim) }));
    world.run(20);
    let leader = world.leader().unwrap();
    assert!(!world.state(leader).voters().contains(PeerId(victim)));
}

#[test]
fn an_unknown_committed_command_stops_the_peer() {
    let world = World::new(1, 1);
    let dir = world.dirs[&1].clone();
    let index = world.state(1).index() + 1;
    let term = world.node(1).term();
    drop(world);
    let mut log = crate::log_store::DirLog::open(dir.clone(), Hex([7; 16]), 1);
    log.load().unwrap();
    let mut bytes = fixture_proposal();
    bytes[24] = 0xff;
    bytes[25] = 0xff;
    let payload = Payload::Proposal { bytes: ProposalBytes(bytes.into()) };
    let entry = LogEntry { index, term, payload };
    log.append(HardState { term, vote: 1, commit: index }, &[entry]).unwrap();
    let mut node = RaftNode::open(RaftConfig::new(PeerId(1), 1), log).unwrap();
    let fatal = node.ready().expect_err("stops");
    assert!(matches!(fatal, Fatal::UnknownCommand { index: at, .. } if at == index), "{fatal}");
}

fn fixture_proposal() -> Vec<u8> {
    let proposal = crate::state::Proposal { id: Hex([1; 16]), time_ms: 0, command: event() };
    proposal.encode().unwrap()
}

#[test]
fn a_dying_disk_is_fatal() {
    let mut world = World::new(1, 1);
    world.dirs[&1].fail_after(1);
    let node = world.nodes.get_mut(&1).unwrap();
    let proposal = crate::state::Proposal::decode(&fixture_proposal()).unwrap();
    node.propose(&proposal).unwrap().unwrap();
    assert!(matches!(node.ready(), Err(Fatal::Log(_))));
}

#[test]
fn two_that_race_for_a_token_are_ordered_by_the_log() {
    let mut world = three();
    let leader = world.leader().unwrap();
    let (hash, expires_ms) = (fixture::key(1), world.now + 10_000);
    world.propose_on(leader, Command::CreateToken { hash, expires_ms, witness: false }).unwrap();
    let race: Vec<_> = [10, 11]
        .map(|n| Command::UseToken { hash, peer: fixture::new_peer(n) })
        .into_iter()
        .map(|command| world.propose_on(leader, command).unwrap())
        .collect();
    world.run_until("both answered", |w| {
        race.iter().all(|id| w.history.values().any(|(proposal, _)| proposal == id))
    });
    let won = |id| {
        let (_, outcome) = world.history.values().find(|(proposal, _)| *proposal == id).unwrap();
        matches!(outcome, Ok(Applied::Peer { .. }))
    };
    assert_eq!(race.into_iter().filter(|id| won(*id)).count(), 1);
    world.heal_and_compare();
}

/// Should the library panic all the same, its part is built anew from the durable log; the state
/// was never inside it, and the cluster goes on.
#[test]
fn a_library_that_panicked_is_built_anew() {
    let mut world = three();
    for round in 0..6 {
        world.run(20);
        let leader = world.leader().unwrap();
        world.propose_on(leader, event()).unwrap();
        let victim = if round % 2 == 0 { leader } else { 1 + leader % 3 };
        let before = world.state(victim).index();
        let node = world.nodes.get_mut(&victim).unwrap();
        let died = node.call(|_| panic!("as the library would")).unwrap();
        assert!(died.is_none());
        world.pump(victim);
        assert!(world.state(victim).index() >= before, "nothing applied is lost");
        world.run_until("a leader", |w| w.leader().is_some());
    }
    let rebuilt: u64 = world.nodes.values().map(|node| node.incidents().0).sum();
    assert_eq!(rebuilt, 6);
    world.heal_and_compare();
    let events = world.state(1).events().iter().filter(|event| event.code == "test");
    assert_eq!(events.count(), 6, "what was sent before the panic is committed after it");
}
