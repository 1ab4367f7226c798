//! A cluster that lost its voters goes on from a survivor; whoever comes back late follows it.

use shoal_types::PeerId;

use super::message::ServiceMessage;
use super::world::World;
use crate::log_store::DirLog;
use crate::raft::refound;
use crate::state::{Applied, ClusterState, Command, ConfChange, fixture};

fn lost_two_of_three(seed: u64) -> World {
    let mut world = World::new(seed, 4);
    world.add_voter(2);
    world.add_voter(3);
    world.run_ms(6_000);
    world.stop(1);
    world.stop(2);
    world.run_ms(3_000);
    world
}

/// What the runtime does: stop, found the next incarnation, start.
fn recover(world: &mut World, survivor: u64) -> ClusterState {
    let (state, term) = world.services[&survivor].legacy().expect("it knows something");
    world.services.remove(&survivor);
    let (peer, now_ms) = (PeerId(survivor), world.now_ms);
    let recovered = state.recovered(peer, fixture::key(77), now_ms);
    let dir = world.dirs[&survivor].clone();
    let mut log = DirLog::open(dir, recovered.cluster_id(), survivor);
    refound(&mut log, &recovered, term).unwrap();
    world.start(survivor);
    recovered
}

fn everywhere(world: &World) -> bool {
    world.services.values().all(|s| s.state().is_some_and(|s| s.incarnation() == 2))
}

#[test]
fn numbers_jump_and_nothing_is_given_out_twice() {
    let world = lost_two_of_three(1);
    let before = world.state(3).clone();
    let after = before.clone().recovered(PeerId(3), fixture::key(77), 0);
    assert_eq!(after.incarnation(), before.incarnation() + 1);
    assert_eq!(after.voters().voters, [PeerId(3)].into());
    assert!(after.index() > before.index() + 1_000_000);
    assert!(after.map_epoch().0 > before.map_epoch().0 + 1_000_000);
    let (old, new) = (before.counters(), after.counters());
    assert!(new.peer > old.peer && new.volume > old.volume && new.layer > old.layer);
    for (policy, table) in after.tables() {
        for record in table.records() {
            let was = before.table(*policy).unwrap().get(record.pg.index).unwrap();
            assert!(record.epoch.0 > was.epoch.0 + 1_000 && record.joining.is_none());
            assert_eq!(record.in_sync, was.in_sync);
        }
    }
    let again = ClusterState::decode(&after.encode()).unwrap();
    assert_eq!(again.encode(), after.encode());
    assert!(after.events().back().unwrap().code == "cluster_recovered");
}

#[test]
fn a_voter_that_survives_takes_the_cluster_on() {
    let mut world = lost_two_of_three(2);
    recover(&mut world, 3);
    world.run_until("the follower follows", everywhere);
    let added = world.ok(4, Command::AddPeer { peer: fixture::new_peer(9) });
    assert!(matches!(added, Applied::Peer { peer } if peer.0 > 1_000_000));
    world.compare();
}

#[test]
fn a_peer_that_never_voted_can_take_it_on_too() {
    let mut world = lost_two_of_three(3);
    world.stop(3);
    recover(&mut world, 4);
    world.start(3);
    world.run_until("the old voter follows", everywhere);
    world.ok(3, Command::AddPeer { peer: fixture::new_peer(9) });
    world.compare();
}

#[test]
fn lost_voters_that_come_back_as_a_majority_give_way() {
    for seed in 4..10 {
        let mut world = lost_two_of_three(seed);
        world.manages_voters = true;
        recover(&mut world, 3);
        world.run_until("the follower follows", everywhere);
        world.start(1);
        world.start(2);
        world.run_until("they follow", everywhere);
        world.run_until("three vote again", |w| {
            w.services[&3].state().is_some_and(|s| s.voters().voters.len() == 3)
        });
        world.ok(1, Command::AddPeer { peer: fixture::new_peer(9) });
        world.compare();
    }
}

/// They were voters of what is over: until the survivor's snapshot is here, they have no say.
#[test]
fn lost_voters_that_learn_anew_do_not_elect_each_other() {
    for seed in 20..26 {
        let mut world = lost_two_of_three(seed);
        recover(&mut world, 3);
        world.start(1);
        world.start(2);
        world.run_until("they follow", everywhere);
        world.run_until("it leads", |w| w.leader() == Some(3));
        for peer in [1, 2].map(PeerId) {
            let now = world.now();
            let survivor = world.services.get_mut(&3).unwrap();
            survivor.change_voters(ConfChange::AddLearner { peer }, now).unwrap().unwrap();
            world.collect(3);
            run_without_consensus_of(&mut world, 3, 2_000);
        }
        assert!([1, 2].iter().all(|peer| world.services[peer].node().is_some()), "they learn");
        world.stop(3);
        world.run_ms(20_000);
        assert!(world.services.values().all(|s| !s.is_leading()), "seed {seed}");
        world.start(3);
        for peer in [1, 2].map(PeerId) {
            world.run_until("it has it all", |w| {
                w.services[&3].node().is_some_and(|node| node.has_caught_up(peer))
            });
            let (now, survivor) = (world.now(), world.services.get_mut(&3).unwrap());
            survivor.change_voters(ConfChange::AddVoter { peer }, now).unwrap().unwrap();
            world.collect(3);
            world.run_ms(500);
        }
        world.ok(1, Command::AddPeer { peer: fixture::new_peer(9) });
        world.compare();
    }
}

/// What it decides is followed all the same.
fn run_without_consensus_of(world: &mut World, peer: u64, ms: u64) {
    let until_ms = world.now_ms + ms;
    while world.now_ms < until_ms {
        let is_kept = |bytes: &[u8]| {
            !matches!(ServiceMessage::decode(bytes), Ok(ServiceMessage::Raft { .. }))
        };
        world.network.retain(|(_, from, _, bytes)| *from != peer || is_kept(bytes));
        world.step();
    }
}

#[test]
fn a_lost_voter_that_can_lead_alone_gives_way() {
    let mut world = World::new(11, 2);
    world.run_ms(3_000);
    world.stop(1);
    recover(&mut world, 2);
    world.start(1);
    world.run_until("it follows", everywhere);
    world.ok(1, Command::AddPeer { peer: fixture::new_peer(9) });
    world.compare();
}

#[test]
fn lost_voters_give_way_to_a_survivor_that_none_of_them_knows_as_a_voter() {
    for seed in 12..16 {
        let mut world = lost_two_of_three(seed);
        world.stop(3);
        recover(&mut world, 4);
        (1..=3).for_each(|voter| world.start(voter));
        world.run_until("they follow", everywhere);
        world.ok(1, Command::AddPeer { peer: fixture::new_peer(9) });
        world.compare();
    }
}

#[test]
fn what_the_survivors_log_holds_beyond_the_commit_is_kept() {
    let mut world = World::new(5, 3);
    world.add_voter(2);
    world.add_voter(3);
    world.run_ms(2_000);
    let leader = world.leader().unwrap();
    world.isolated = (1..=3).filter(|peer| *peer != leader).collect();
    world.propose(leader, Command::AddPeer { peer: fixture::new_peer(9) });
    let applied = world.state(leader).index();
    let (state, _) = world.services[&leader].legacy().unwrap();
    assert!(state.index() > applied);
    assert!(state.peers().values().any(|peer| peer.name == "p9"));
}
