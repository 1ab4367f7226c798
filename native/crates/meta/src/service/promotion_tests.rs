//! Promotions, judged by the leader: an older copy goes on only where the newest are gone.

use shoal_types::{DiskId, PeerId, PgId, PolicyId};

use super::world::World;
use super::*;
use crate::state::{Command, Outcome, Proposal, Rejection, RemovalReason, Standing, Target};

/// Sessions that an earlier leader may have granted are over.
const SETTLED_MS: u64 = 5_000;
const GROUP: PgId = PgId { policy: PolicyId(1), index: 0 };

/// Disk 3 of this peer alone is in sync; disks 1 and 2 are stale.
fn stale_but_one(world: &mut World) -> PeerId {
    world.run_ms(SETTLED_MS);
    for disk in [1, 2] {
        let target = Target::Disk(DiskId(disk));
        let reason = RemovalReason::Ordered;
        world.ok(1, Command::PgRemove { target, reason, only: None });
    }
    world.state(1).disks()[&DiskId(3)].peer
}

fn promote(world: &mut World, on: u64) -> Outcome {
    let expected = world.state(1).pg(GROUP).unwrap().epoch;
    let id = world.propose(on, Command::PgPromote { pg: GROUP, disk: DiskId(1), expected });
    world.answer(id).expect("a leader").1
}

fn set_standing(world: &mut World, disk: Option<u64>, peer: u64, state: Standing) {
    let state = Some(state);
    let command = match disk {
        Some(disk) => Command::SetDisk {
            disk: DiskId(disk),
            state,
            weight: None,
            size_bytes: None,
            reserve_bytes: None,
            path: None,
            peer: None,
        },
        None => Command::UpdatePeer {
            peer: PeerId(peer),
            name: None,
            addresses: None,
            domains: None,
            state,
            maintenance_until_ms: None,
        },
    };
    world.ok(1, command);
}

#[test]
fn no_older_copy_goes_on_while_a_member_in_sync_may_be_served() {
    let mut world = World::new(1, 3);
    let owner = stale_but_one(&mut world);
    let served = Err(Rejection::Served { pg: GROUP, disk: DiskId(3), peer: owner });
    assert_eq!(promote(&mut world, 1), served);
    for state in [Standing::Draining, Standing::Out, Standing::Down] {
        set_standing(&mut world, None, owner.0, state);
        assert_eq!(promote(&mut world, 2), served, "its peer is {state:?}, and there");
    }
    set_standing(&mut world, None, owner.0, Standing::In);
    for state in [Standing::Draining, Standing::Out] {
        set_standing(&mut world, Some(3), 0, state);
        assert_eq!(promote(&mut world, 2), served, "the disk is {state:?}, and can be read");
    }
    assert!(world.state(1).pg(GROUP).unwrap().is_in_sync(DiskId(3)));
}

#[test]
fn an_older_copy_goes_on_once_the_disk_or_its_peer_is_gone() {
    for way in ["down", "given up", "stopped", "out and stopped"] {
        let mut world = World::new(1, 3);
        let owner = stale_but_one(&mut world);
        match way {
            "down" => set_standing(&mut world, Some(3), 0, Standing::Down),
            "given up" => {
                set_standing(&mut world, Some(3), 0, Standing::Down);
                world.ok(1, Command::GiveUpDisks { disks: vec![DiskId(3)] });
            }
            _ => {
                if way != "stopped" {
                    set_standing(&mut world, Some(3), 0, Standing::Out);
                }
                world.stop(owner.0);
                assert!(promote(&mut world, 1).is_err(), "its lease may run");
                world.run_ms(SETTLED_MS);
            }
        }
        assert!(promote(&mut world, 1).is_ok(), "{way}");
        assert_eq!(world.state(1).pg(GROUP).unwrap().in_sync, [DiskId(1)], "{way}");
    }
}

#[test]
fn a_promotion_that_was_decided_is_answered_so_again() {
    let mut world = World::new(1, 3);
    stale_but_one(&mut world);
    set_standing(&mut world, Some(3), 0, Standing::Down);
    let expected = world.state(1).pg(GROUP).unwrap().epoch;
    let command = Command::PgPromote { pg: GROUP, disk: DiskId(1), expected };
    let id = world.propose(1, command.clone());
    world.answer(id).expect("a leader").1.unwrap();
    // The answer is lost: whoever asked asks again, and the promoted member is served.
    let proposal = Proposal { id, time_ms: 0, command };
    let now = world.now();
    let bytes = ServiceMessage::Propose { proposal }.encode();
    let service = world.services.get_mut(&1).unwrap();
    service.receive(PeerId(2), &bytes, now).unwrap();
    let is_refusal = |output: &Output| match output {
        Output::Send { bytes, .. } => {
            matches!(ServiceMessage::decode(bytes), Ok(ServiceMessage::NotProposed { .. }))
        }
        _ => false,
    };
    assert!(!service.take_outputs().iter().any(is_refusal));
}
