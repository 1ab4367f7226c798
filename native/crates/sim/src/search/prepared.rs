//! Starts that walks would hardly ever reach: played up to where it becomes dangerous, by the
//! production code, in an order that may happen.

use shoal_types::DiskId;

use super::explore::settle;
use super::small::{Asker, Budget, Packet, Small, Step};
use super::starts::{A, B, C, start};

/// Names, in order of their numbers, which go on after those of `STARTS`.
pub const PREPARED: [&str; 8] = [
    "one joins, from a source that holds an unknown write",
    "a head knows one member, and another one is in sync alone by now",
    "a round has the answer of a member that left and came back since",
    "one with an older unknown write joins for the second time, after live writes",
    "one that joins took a write that its source did not, and begins anew",
    "one that joins is sent a write of the session after this one",
    "one of three took a write, and the two others left under two epochs",
    "one that joined was sent zeros of what it had not got yet, and another one joins from it",
];

/// `number` counts from the first prepared start.
pub fn prepared(number: usize, budget: Budget) -> Small {
    let lots =
        Budget { joins: 9, writes: 9, reads: 9, removals: 9, member_crashes: 9, ..budget.clone() };
    let mut small = match number {
        0 => joins_from_one_with_an_unknown_write(lots),
        1 => in_sync_alone(lots),
        2 => answered_and_came_back(lots),
        3 => joins_again_with_leftovers(lots),
        4 => took_what_its_source_did_not(lots),
        5 => sent_what_is_of_the_next_session(lots),
        6 => acknowledged_two_epochs_ago(lots),
        _ => zeros_before_the_copy(lots),
    };
    small.budget = budget;
    small
}

fn joins_from_one_with_an_unknown_write(budget: Budget) -> Small {
    let mut small = start(3, false, budget);
    join(&mut small, C);
    tell(&mut small, C);
    deliver(&mut small, |p| !is_copy(p));
    // The others go on without it; nothing is copied yet.
    small.take(Step::Remove(A));
    small.take_over();
    deliver(&mut small, |p| !is_copy(p));
    small
}

fn in_sync_alone(budget: Budget) -> Small {
    let mut small = start(4, false, budget);
    small.take_over();
    settle(&mut small);
    join(&mut small, C);
    small.take(Step::TellHead(0));
    tell(&mut small, C);
    deliver(&mut small, |_| true);
    // In sync by now, and A is out; neither A nor the head has heard of it.
    small.take(Step::Remove(A));
    small.take_over();
    deliver(&mut small, |p| !is_of(p, A));
    write(&mut small, 1, 0);
    deliver(&mut small, |p| !is_of(p, A));
    small.take(Step::Read { head: 0, block: 0 });
    small
}

fn answered_and_came_back(budget: Budget) -> Small {
    let mut small = start(0, false, budget);
    small.take(Step::Remove(C));
    small.take_over();
    settle(&mut small);
    write(&mut small, 0, 0);
    deliver(&mut small, |_| true);
    small.take_over();
    deliver(&mut small, |p| is_of(p, A));
    // The older head goes on without A, which comes back later.
    small.take(Step::Remove(A));
    small.take(Step::TellHead(0));
    for block in [0, 1] {
        write(&mut small, 0, block);
        deliver(&mut small, |p| is_of_head(p, 2));
    }
    join(&mut small, A);
    tell(&mut small, A);
    deliver(&mut small, |p| !is_any_head(p));
    small
}

fn joins_again_with_leftovers(budget: Budget) -> Small {
    let mut small = start(2, false, budget);
    small.take_over();
    settle(&mut small);
    join(&mut small, C);
    small.take(Step::TellHead(0));
    tell(&mut small, C);
    // Nothing is copied yet.
    for _ in 0..2 {
        write(&mut small, 0, 1);
        deliver(&mut small, |p| !is_copy(p));
    }
    small.take(Step::CrashMember(2));
    small.record.cancel_join(C, None).expect("it joins");
    join(&mut small, C);
    small
}

fn took_what_its_source_did_not(budget: Budget) -> Small {
    let mut small = start(4, false, budget);
    small.take_over();
    settle(&mut small);
    join(&mut small, C);
    small.take(Step::TellHead(0));
    tell(&mut small, C);
    deliver(&mut small, |p| !is_copy(p));
    write(&mut small, 0, 0);
    deliver(&mut small, |p| is_any_head(p) && is_of(p, C));
    small.take(Step::CrashMember(2));
    small
}

fn sent_what_is_of_the_next_session(budget: Budget) -> Small {
    let mut small = start(4, false, budget);
    small.take_over();
    settle(&mut small);
    join(&mut small, C);
    small.take(Step::TellHead(0));
    tell(&mut small, C);
    deliver(&mut small, |p| !is_copy(p));
    let epoch = small.record.epoch;
    small.record.join(C, epoch).expect("it joins, and begins anew");
    small.take(Step::TellHead(0));
    write(&mut small, 0, 0);
    deliver(&mut small, |p| is_any_head(p) && is_of(p, C));
    tell(&mut small, C);
    small
}

fn acknowledged_two_epochs_ago(budget: Budget) -> Small {
    let mut small = start(0, false, budget);
    small.take_over();
    settle(&mut small);
    write(&mut small, 0, 0);
    deliver(&mut small, |p| is_any_head(p) && is_of(p, A));
    for disk in [C, B] {
        small.take(Step::Remove(disk));
        small.take(Step::TellHead(0));
    }
    join(&mut small, B);
    tell(&mut small, B);
    deliver(&mut small, |p| !is_any_head(p));
    small
}

fn zeros_before_the_copy(budget: Budget) -> Small {
    let mut small = start(0, false, budget);
    small.take(Step::Remove(B));
    small.take_over();
    settle(&mut small);
    // The second one settles the first at C, which leaves with it.
    for block in [0, 1] {
        write(&mut small, 0, block);
        settle(&mut small);
    }
    small.take(Step::Remove(C));
    small.take(Step::TellHead(0));
    join(&mut small, B);
    small.take(Step::TellHead(0));
    tell(&mut small, B);
    deliver(&mut small, |p| !is_copy(p));
    small.zero(0, 0);
    settle(&mut small);
    // B alone knows.
    small.take(Step::Remove(A));
    join(&mut small, C);
    small
}

fn join(small: &mut Small, disk: DiskId) {
    small.take(Step::Join(disk));
}

fn tell(small: &mut Small, disk: DiskId) {
    let at = small.members.iter().position(|m| m.disk == disk).expect("one of three");
    small.take(Step::TellMember(at));
}

fn write(small: &mut Small, head: usize, block: u64) {
    small.take(Step::Write { head, block });
}

/// What is chosen arrives, and what follows from it; the rest goes on waiting.
fn deliver(small: &mut Small, chosen: impl Fn(&Packet) -> bool) {
    for _ in 0..200 {
        let Some(at) = small.net.iter().position(&chosen) else { return };
        small.take(Step::Deliver(at));
    }
}

/// Asked of this disk.
fn is_of(packet: &Packet, of: DiskId) -> bool {
    matches!(packet, Packet::Ask { disk, .. } | Packet::Answer { disk, .. } if *disk == of)
}

fn asker(packet: &Packet) -> Option<Asker> {
    match packet {
        Packet::Ask { asker, .. } | Packet::Answer { asker, .. } => Some(*asker),
        _ => None,
    }
}

fn is_any_head(packet: &Packet) -> bool {
    matches!(asker(packet), Some(Asker::Head(_)))
}

fn is_of_head(packet: &Packet, head: u64) -> bool {
    asker(packet) == Some(Asker::Head(head)) && !is_of(packet, C) && is_of(packet, B)
}

fn is_copy(packet: &Packet) -> bool {
    use shoal_types::Request;
    let reads = |r: &Request| matches!(r, Request::CopyRead { .. });
    matches!(packet, Packet::Ask { request, .. } if reads(request))
}
