//! Session leases and heads: never two peers that answer reads of one volume.

use shoal_engine::head::ReadMode as Reads;
use shoal_types::{HeadEpoch, PeerId, PolicyId};

use super::world::{V, World};
use crate::local::head_reads;
use crate::seeded::seeds;
use crate::state::{Applied, Command, ReadMode, Rejection, Via};

#[test]
fn a_head_moves_only_after_the_lease() {
    let mut world = World::new(1, 3);
    world.run_ms(2_000);
    let generation = world.attach(2, None);
    assert_eq!(world.take(2, generation), Ok(Applied::Head { head_epoch: HeadEpoch(1) }));
    assert!(world.services[&2].lease_until_ms() > world.now_ms);
    world.isolated = vec![2];
    let next = world.attach(3, Some(generation));
    let begun = world.now_ms;
    let mut refused = 0;
    loop {
        match world.take(3, next) {
            Err(Rejection::HeadHeld { peer, .. }) => refused += u32::from(peer == PeerId(2)),
            other => break assert_eq!(other, Ok(Applied::Head { head_epoch: HeadEpoch(2) })),
        }
        world.run_ms(200);
    }
    assert!(refused > 5 && world.now_ms - begun < 6_000, "{refused} in {}", world.now_ms - begun);
    assert!(world.services[&2].lease_until_ms() <= world.now_ms);
    world.isolated.clear();
    world.run_until("renewed", |w| w.services[&2].lease_until_ms() > w.now_ms);
    assert_eq!(world.state(2).volumes()[&V].head.epoch, HeadEpoch(2), "it knows before it reads");
}

/// The head goes on as it was taken: its peer was cut off before or after it heard of the change.
#[test]
fn a_head_that_reads_by_a_lease_is_waited_for_though_its_policy_changed() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    let generation = world.attach(2, None);
    world.take(2, generation).unwrap();
    let (policy, reads) = (PolicyId(1), Some(ReadMode::Confirmed));
    world.ok(1, Command::SetPolicy { policy, name: None, min_in_sync: None, reads });
    world.run_ms(500);
    world.isolated = vec![2];
    let next = world.attach(3, Some(generation));
    assert!(matches!(world.take(3, next), Err(Rejection::HeadHeld { .. })));
    world.run_ms(4_600);
    assert_eq!(world.take(3, next), Ok(Applied::Head { head_epoch: HeadEpoch(2) }));
    // The new one confirms its reads: it is not waited for, whatever the policy says by now.
    world.isolated.clear();
    world.run_ms(1_000);
    let reads = Some(ReadMode::Lease);
    world.ok(1, Command::SetPolicy { policy, name: None, min_in_sync: None, reads });
    let last = world.attach(2, Some(next));
    assert_eq!(head_reads(world.state(3), V, HeadEpoch(2)), Reads::Confirmed);
    assert_eq!(world.take(2, last), Ok(Applied::Head { head_epoch: HeadEpoch(3) }));
    assert_eq!(head_reads(world.state(2), V, HeadEpoch(3)), Reads::Lease);
}

/// Peer 1 leads with long leases, and is gone; the others are set to 4 s.
#[test]
fn a_new_leader_waits_for_the_longer_leases_of_the_one_before() {
    let mut world = World::new(1, 4);
    world.lease_ms.insert(1, 20_000);
    world.stop(1);
    world.start(1);
    world.run_ms(3_000);
    world.add_voter(2);
    world.add_voter(3);
    world.run_until("long leases", |w| w.services[&4].lease_until_ms() > w.now_ms + 15_000);
    let generation = world.attach(4, None);
    world.take(4, generation).unwrap();
    world.isolated = vec![4];
    let held_until_ms = world.services[&4].lease_until_ms();
    world.stop(1);
    world.run_until("another leads", |w| w.leader().is_some());
    let leader = world.leader().unwrap();
    let next = world.attach(leader, Some(generation));
    while world.take(leader, next).is_err() {
        world.run_ms(500);
    }
    assert!((held_until_ms..held_until_ms + 12_000).contains(&world.now_ms));
    // Nothing longer than its own runs any more: the next leader has less to wait for.
    world.run_until("it is written down", |w| w.state(leader).longest_lease_ms() == 4_000);
    assert_eq!(world.leader(), Some(leader));
}

#[test]
fn renewals_that_can_wait_share_a_round() {
    let mut world = World::new(1, 20);
    world.run_ms(6_000);
    let before = world.services[&1].reads.rounds_begun();
    let end_ms = world.now_ms + 12_000;
    while world.now_ms < end_ms {
        world.step();
        assert!(world.services.values().all(|s| s.lease_until_ms() > world.now_ms));
    }
    let rounds = world.services[&1].reads.rounds_begun() - before;
    // 20 peers ask nine times each; one round in 300 ms at most is for them.
    assert!((9..=40).contains(&rounds), "{rounds} rounds");
}

#[test]
fn a_new_process_is_granted_its_lease_at_once() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    world.stop(2);
    world.run_ms(500);
    world.start(2);
    world.run_ms(250);
    assert!(world.services[&2].lease_until_ms() > world.now_ms);
}

#[test]
fn a_session_that_was_given_back_is_not_waited_for() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    let generation = world.attach(2, None);
    world.take(2, generation).unwrap();
    let now = world.now();
    world.services.get_mut(&2).unwrap().end_session(now).unwrap();
    world.collect(2);
    world.run_ms(200);
    assert_eq!(world.services[&2].lease_until_ms(), 0);
    let next = world.attach(3, Some(generation));
    assert!(world.take(3, next).is_ok());
}

#[test]
fn a_restarted_single_voter_waits_out_what_it_may_have_granted() {
    let mut world = World::new(1, 3);
    world.run_ms(6_000);
    let generation = world.attach(2, None);
    world.take(2, generation).unwrap();
    world.stop(1);
    world.start(1);
    world.isolated = vec![2];
    world.run_until("leads again", |w| w.leader() == Some(1));
    let next = world.attach(3, Some(generation));
    assert!(matches!(world.take(3, next), Err(Rejection::HeadHeld { .. })));
    world.run_ms(4_600);
    assert!(world.take(3, next).is_ok());
    // The same peer takes its own at once, also from a leader that has just begun.
    world.stop(1);
    world.start(1);
    world.run_until("leads again", |w| w.leader() == Some(1));
    assert_eq!(world.take(3, next), Ok(Applied::Head { head_epoch: HeadEpoch(3) }));
}

/// Heads move back and forth under loss, delay, crashes and isolation; `check_leases` runs after
/// every step, and in the end all peers hold the same bytes.
#[test]
fn chaos_never_leaves_two_who_answer_reads() {
    let (mut moved, seeds) = (0, seeds(12));
    let few = seeds.end - seeds.start < 12;
    for seed in seeds {
        let mut world = World::new(seed, 4);
        world.add_voter(2);
        world.add_voter(3);
        world.loss = world.random.below(15);
        world.delay_ms = world.random.below(300);
        for _ in 0..1_200 {
            chaos_step(&mut world);
            world.step();
        }
        (world.loss, world.delay_ms) = (0, 0);
        world.isolated.clear();
        for id in 1..=4 {
            if !world.services.contains_key(&id) {
                world.start(id);
            }
        }
        world.run_ms(8_000);
        world.compare();
        moved += world.state(1).volumes()[&V].head.epoch.0;
    }
    assert!(moved > 100 || few, "heads must move: {moved}");
}

fn chaos_step(world: &mut World) {
    let peer = 1 + world.random.below(4);
    let now = world.now();
    match world.random.below(100) {
        0 if world.services.len() > 3 && world.services.contains_key(&peer) => world.stop(peer),
        1..=5 if !world.services.contains_key(&peer) => world.start(peer),
        6 => world.isolated = vec![peer],
        7..=9 => world.isolated.clear(),
        10..=30 => {
            let id = world.fresh_id();
            let Some(service) = world.services.get_mut(&peer) else { return };
            let Some(volume) = service.state().and_then(|s| s.volumes().get(&V)) else { return };
            let (expected, generation) = (volume.head.epoch, volume.generation);
            let mine = volume.attachment.is_some_and(|a| a.peer.0 == peer);
            if mine {
                service.take_head(id, V, generation, expected, now).unwrap();
            } else {
                let peer = PeerId(peer);
                let (via, read_only, queues) = (Via::Ublk, false, 1);
                let takeover = Some(generation);
                let attach = Command::Attach { volume: V, peer, via, read_only, queues, takeover };
                service.propose(id, attach, now).unwrap();
            }
            world.collect(peer);
        }
        _ => {}
    }
}
