//! Well-formed lies: every message of a living cluster, changed, and sent by its true sender. The
//! gate may let some pass, but the library never panics, and the honest rest still agrees.

use shoal_types::PeerId;

use super::cluster_fixture::World;
use super::*;
use crate::log_store::{LogEntry, Payload};
use crate::seeded::Seeded;
use crate::state::{Command, Severity};

fn mutate(random: &mut Seeded, message: &mut RaftMessage) {
    let number = |random: &mut Seeded, near: u64| match random.below(6) {
        0 => 0,
        1 => near.saturating_sub(1),
        2 => near.saturating_add(1),
        3 => near.saturating_add(random.below(100)),
        4 => u64::MAX - random.below(3),
        _ => random.below(near.saturating_add(2)),
    };
    for _ in 0..=random.below(2) {
        match random.below(12) {
            0 => message.term = number(random, message.term),
            1 => message.log_term = number(random, message.log_term),
            2 => message.index = number(random, message.index),
            3 => message.commit = number(random, message.commit),
            4 => message.commit_term = number(random, message.commit_term),
            5 => message.reject = !message.reject,
            6 => message.reject_hint = number(random, message.reject_hint),
            7 => message.context = vec![1; random.below(17) as usize].into(),
            8 => message.entries.truncate(random.below(message.entries.len() as u64 + 1) as usize),
            9 => message.kind = *random.pick(&KINDS),
            10 => {
                let (index, term) = (number(random, message.index), number(random, message.term));
                message.entries.push(LogEntry { index, term, payload: Payload::Empty });
            }
            _ => {
                if let Some(snapshot) = &mut message.snapshot {
                    snapshot.at.index = number(random, snapshot.at.index);
                    snapshot.at.term = number(random, snapshot.at.term);
                }
            }
        }
    }
}

const KINDS: [MessageKind; 10] = [
    MessageKind::Append,
    MessageKind::AppendReply,
    MessageKind::Vote,
    MessageKind::VoteReply,
    MessageKind::PreVote,
    MessageKind::PreVoteReply,
    MessageKind::Heartbeat,
    MessageKind::HeartbeatReply,
    MessageKind::Snapshot,
    MessageKind::TimeoutNow,
];

/// Messages as they pass, from a cluster under way.
fn harvest(seed: u64) -> (World, Vec<(u64, u64, RaftMessage)>) {
    let mut world = World::new(seed, 3);
    world.add_voter(2);
    world.add_voter(3);
    let mut harvested = Vec::new();
    for step in 0..80 {
        if let Some(leader) = world.leader() {
            let (code, message) = ("x".into(), "y".repeat(step % 7));
            let subject = String::new();
            let severity = Severity::Info;
            world.propose_on(leader, Command::RecordEvent { severity, code, message, subject });
        }
        if step % 25 == 24 {
            world.isolated = world.leader().into_iter().collect();
        }
        if step % 25 == 5 {
            world.isolated.clear();
        }
        harvested.extend(world.in_flight().into_iter().filter_map(|(from, to, bytes)| {
            RaftMessage::decode(&bytes).ok().map(|message| (from, to, message))
        }));
        world.tick();
    }
    (world, harvested)
}

#[test]
fn lies_never_make_the_library_panic() {
    let (mut sent, mut refused) = (0, 0);
    for seed in 0..12 {
        let (mut world, messages) = harvest(seed);
        let mut random = Seeded::new(seed ^ 0xbad);
        for _ in 0..5_000 {
            let (from, to, message) = random.pick(&messages);
            let mut message = message.clone();
            mutate(&mut random, &mut message);
            let node = world.nodes.get_mut(to).unwrap();
            let admitted = node.step(PeerId(*from), &message.encode()).unwrap();
            // What a lie may make it do is not pursued; what it must not do is die.
            let effects = node.ready().unwrap();
            sent += 1;
            refused += u32::from(admitted.is_err());
            if random.chance(2) {
                drop(effects);
                world.tick();
            }
        }
        for (id, node) in &world.nodes {
            assert_eq!(node.incidents().0, 0, "peer {id} of seed {seed} was rebuilt");
        }
    }
    assert!(sent >= 60_000 && refused > 10_000, "{sent} sent, {refused} refused");
}

#[test]
fn damaged_bytes_and_wrong_senders_are_refused() {
    let (mut world, messages) = harvest(1);
    let mut random = Seeded::new(2);
    for (from, to, message) in &messages {
        let node = world.nodes.get_mut(to).unwrap();
        let third = 6 - from - to;
        let stolen = node.step(PeerId(third), &message.encode()).unwrap();
        assert!(matches!(stolen, Err(Refused::NotTheSender { .. })));
        let stranger = node.step(PeerId(77), &RaftMessage { from: 77, ..message.clone() }.encode());
        assert!(matches!(stranger.unwrap(), Err(Refused::Stranger { .. })));
        let mut bytes = message.encode();
        assert_eq!(RaftMessage::decode(&bytes).unwrap(), *message);
        random.mutate(&mut bytes);
        let _ = RaftMessage::decode(&bytes);
    }
}
