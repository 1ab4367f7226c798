//! Voters that choose themselves, in whole services.

use shoal_types::PeerId;

use super::Output;
use super::message::ServiceMessage;
use super::world::World;
use crate::log_store::MemDir;
use crate::seeded::{Seeded, seeds};
use crate::state::{Applied, Command, ConfChange, Standing, fixture};

fn world(seed: u64, peers: u64) -> World {
    let mut world = World::new(seed, peers);
    world.manages_voters = true;
    world.stop(1);
    (1..=peers).for_each(|peer| world.start(peer));
    world
}

fn voters(world: &World) -> Vec<u64> {
    let newest = world.services.values().filter_map(|s| s.state()).max_by_key(|s| s.index());
    newest.unwrap().voters().voters.iter().map(|peer| peer.0).collect()
}

fn wait_for_voters(world: &mut World, wanted: &[u64]) {
    world.run_until(&format!("voters {wanted:?}"), |w| voters(w) == wanted);
}

fn stand(world: &mut World, on: u64, peer: u64, state: Standing) {
    world.ok(
        on,
        Command::UpdatePeer {
            peer: PeerId(peer),
            name: None,
            addresses: None,
            domains: None,
            state: Some(state),
            maintenance_until_ms: None,
        },
    );
}

/// Somebody who is there to ask.
fn asker(world: &World) -> u64 {
    *world.services.keys().next_back().expect("somebody lives")
}

#[test]
fn three_peers_vote_and_any_of_them_may_fail() {
    let mut world = world(1, 3);
    wait_for_voters(&mut world, &[1, 2, 3]);
    for victim in [1, 2, 3] {
        world.stop(victim);
        let on = asker(&world);
        let peer = fixture::new_peer(10 + victim);
        assert!(matches!(world.ok(on, Command::AddPeer { peer }), Applied::Peer { .. }));
        world.start(victim);
        world.run_ms(6_000);
    }
    world.compare();
}

#[test]
fn two_peers_leave_the_decision_with_one() {
    let mut world = world(1, 2);
    world.run_ms(8_000);
    assert_eq!(voters(&world), [1]);
}

#[test]
fn a_gone_voter_is_replaced_and_learns_again_when_it_is_needed() {
    let mut world = world(1, 4);
    wait_for_voters(&mut world, &[1, 2, 3]);
    let settings = crate::state::Settings { replace_voter_after_ms: 3_000, ..Default::default() };
    world.ok(1, Command::SetSettings { settings });
    world.stop(2);
    wait_for_voters(&mut world, &[1, 3, 4]);
    world.start(2);
    world.run_ms(3_000);
    world.stop(3);
    wait_for_voters(&mut world, &[1, 2, 4]);
    world.start(3);
    world.run_ms(8_000);
    assert!(world.services.values().all(|s| !s.lost_log()), "its log was put aside, not lost");
    world.compare();
}

#[test]
fn a_voter_that_lost_its_log_is_replaced_and_never_asked_again() {
    let mut world = world(2, 4);
    wait_for_voters(&mut world, &[1, 2, 3]);
    world.stop(3);
    world.dirs.insert(3, MemDir::new());
    world.start(3);
    wait_for_voters(&mut world, &[1, 2, 4]);
    assert!(world.state(4).upkeep().never_vote.contains(&PeerId(3)));
    world.run_ms(6_000);
    assert!(world.services[&3].node().is_none(), "it follows");
    world.compare();
}

#[test]
fn one_that_lost_its_log_after_it_stopped_voting_does_not_learn_again() {
    let mut world = world(2, 4);
    wait_for_voters(&mut world, &[1, 2, 3]);
    let settings = crate::state::Settings { replace_voter_after_ms: 3_000, ..Default::default() };
    world.ok(1, Command::SetSettings { settings });
    world.stop(2);
    wait_for_voters(&mut world, &[1, 3, 4]);
    world.dirs.insert(2, MemDir::new());
    world.start(2);
    world.run_ms(2_000);
    world.stop(3);
    world.run_ms(15_000);
    assert!(world.state(1).upkeep().never_vote.contains(&PeerId(2)));
    assert_eq!(voters(&world), [1, 3, 4], "nobody else is there");
}

/// It never hears that it was removed, and a learner does not notice by itself that nobody leads it.
#[test]
fn a_learner_that_is_removed_while_it_is_cut_off_goes_on_as_a_follower() {
    let mut world = World::new(5, 2);
    let now = world.now();
    let peer = PeerId(2);
    let change = |world: &mut World, change| {
        let leader = world.services.get_mut(&1).unwrap();
        leader.change_voters(change, now).unwrap().unwrap();
        world.collect(1);
    };
    change(&mut world, ConfChange::AddLearner { peer });
    world.run_until("a learner", |w| w.services[&2].node().is_some_and(|n| n.state().is_some()));
    world.isolated = vec![2];
    change(&mut world, ConfChange::Remove { peer });
    world.run_ms(1_000);
    world.isolated.clear();
    world.run_until("follows", |w| w.services[&2].node().is_none());
    let attached = world.attach(2, None);
    assert_eq!(world.take(2, attached).map(drop), Ok(()));
}

/// Its removal is in its log, and it never hears that it is decided: nobody answers it by consensus any more.
/// Somebody who knows no better than itself answers at once.
#[test]
fn a_voter_that_nobody_leads_asks_each_of_the_others_in_turn() {
    let mut world = World::new(5, 3);
    world.add_voter(2);
    world.stop(1);
    world.stop(3);
    let mut asked = vec![];
    for _ in 0..600 {
        world.now_ms += 50;
        let now = world.now();
        let service = world.services.get_mut(&2).unwrap();
        service.tick(now).unwrap();
        for output in service.take_outputs() {
            let Output::Send { to, bytes } = output else { continue };
            if let Ok(ServiceMessage::Follow { .. }) = ServiceMessage::decode(&bytes) {
                asked.push(to.0);
                let ignorant = ServiceMessage::NotLeader { leader: 0 };
                service.receive(to, &ignorant.encode(), now).unwrap();
            }
        }
    }
    let in_turn = asked.windows(2).all(|pair| pair[0] != pair[1]);
    assert!(asked.len() > 100 && in_turn, "asked {asked:?}");
}

#[test]
fn removing_the_leader_hands_over_and_shrinks() {
    let mut world = world(3, 3);
    wait_for_voters(&mut world, &[1, 2, 3]);
    let leader = world.leader().unwrap();
    stand(&mut world, leader, leader, Standing::Out);
    world.run_until("one voter", |w| voters(w).len() == 1);
    assert_ne!(voters(&world), [leader]);
    world.run_ms(8_000);
    world.compare();
}

#[test]
fn leadership_is_handed_over_without_an_election_time_out() {
    let mut world = world(4, 3);
    wait_for_voters(&mut world, &[1, 2, 3]);
    let (leader, now) = (world.leader().unwrap(), world.now());
    let begun = world.services.get_mut(&leader).unwrap().hand_over_leadership(now).unwrap();
    assert!(begun);
    world.collect(leader);
    let before = world.now_ms;
    world.run_until("another leader", |w| w.leader().is_some_and(|next| next != leader));
    assert!(world.now_ms - before <= 500, "took {} ms", world.now_ms - before);
    assert!(!world.services[&leader].is_leading());
}

#[test]
fn the_authoritys_key_goes_to_voters_that_ask_and_to_nobody_else() {
    let mut world = world(6, 4);
    wait_for_voters(&mut world, &[1, 2, 3]);
    for peer in [2, 4] {
        let now = world.now();
        world.services.get_mut(&peer).unwrap().want_key(now).unwrap();
        world.collect(peer);
    }
    // One that does not vote asks all the same, and a key comes that nobody asked for.
    for (to, message) in [
        (1, ServiceMessage::KeyWanted {}),
        (3, ServiceMessage::Key { seed: crate::hex::Hex([9; 32]) }),
    ] {
        let now = world.now();
        let service = world.services.get_mut(&to).unwrap();
        service.receive(PeerId(4), &message.encode(), now).unwrap();
        world.collect(to);
    }
    world.run_ms(1_000);
    assert_eq!(world.keys.keys().collect::<Vec<_>>(), [&2]);
}

#[test]
fn what_is_held_is_settled_together() {
    let mut world = world(5, 3);
    wait_for_voters(&mut world, &[1, 2, 3]);
    let (leader, now) = (world.leader().unwrap(), world.now());
    let syncs = world.dirs[&leader].syncs();
    let service = world.services.get_mut(&leader).unwrap();
    service.hold();
    for n in 0..200u128 {
        let id = crate::hex::Hex::from_u128(1_000_000 + n);
        let peer = fixture::new_peer(100 + n as u64);
        service.propose(id, Command::AddPeer { peer }, now).unwrap();
    }
    assert!(service.take_outputs().is_empty(), "nothing leaves before it is durable");
    service.settle_held().unwrap();
    world.collect(leader);
    assert!(world.dirs[&leader].syncs() - syncs <= 2);
    world.run_until("all applied", |w| w.proposed.len() >= 200);
    world.compare();
}

/// Peers are killed, lose their logs, are put out and in; a cluster that has three whole peers at
/// the end decides again, and nobody who forgot has voted.
/// Were a sound one removed first, one voter of two would have lost its log, and nobody could lead.
#[test]
fn of_three_voters_the_one_that_lost_its_log_is_removed_first() {
    let mut world = world(1, 3);
    wait_for_voters(&mut world, &[1, 2, 3]);
    assert_eq!(world.leader(), Some(1));
    world.stop(3);
    world.dirs.insert(3, MemDir::new());
    world.start(3);
    wait_for_voters(&mut world, &[1]);
    world.ok(2, Command::AddPeer { peer: fixture::new_peer(50) });
}

#[test]
fn seeded_walks() {
    for seed in seeds(12) {
        let mut random = Seeded::new(seed);
        let mut world = world(seed, 5);
        wait_for_voters(&mut world, &[1, 2, 3, 4, 5]);
        let settings =
            crate::state::Settings { replace_voter_after_ms: 2_000, ..Default::default() };
        world.ok(1, Command::SetSettings { settings });
        for _ in 0..6 {
            let victim = 1 + random.below(5);
            world.stop(victim);
            world.run_ms(random.below(9_000));
            if random.chance(25) && world.dirs.len() == 5 && victim > 3 {
                world.dirs.insert(victim, MemDir::new());
            }
            world.start(victim);
            world.run_ms(random.below(4_000));
        }
        world.run_ms(20_000);
        world.ok(2, Command::AddPeer { peer: fixture::new_peer(50) });
        world.compare();
        for service in world.services.values().filter(|s| s.lost_log()) {
            assert!(service.node().is_none());
        }
    }
}
