//! The member, event by event: what it refuses, when it answers, what hostile bytes do to it.

mod member_bench;

use member_bench::*;
use shoal_engine::member::*;

use shoal_types::*;

#[test]
fn older_epochs_are_refused_with_the_newer_one() {
    let mut bench = Bench::new(true);
    let installed = HeadEpoch(3);
    let seen = PgEpoch(5);
    let in_sync = Role::InSync;
    let stale_head = Refusal::StaleHead { installed };
    assert_eq!(bench.refused(Request::Write(write(2, 5, in_sync))), stale_head);
    assert_eq!(bench.refused(Request::Write(write(3, 4, in_sync))), Refusal::StalePg { seen });
    assert_eq!(bench.refused(install(2, 5)), stale_head);
    assert_eq!(bench.refused(read(4, 5)), Refusal::NotInstalled { installed });
    assert_eq!(bench.refused(read(3, 4)), Refusal::StalePg { seen });
    let joining = Role::Joining { join_at: PgEpoch(5) };
    assert_eq!(bench.refused(Request::Write(write(3, 5, joining))), Refusal::NoSession);
}

#[test]
fn answers_only_when_durable_and_lists_only_after_that() {
    let mut bench = Bench::new(true);
    bench.request(Request::Write(write(3, 5, Role::InSync)));
    bench.request(install(4, 6));
    assert!(bench.replies.is_empty());
    // Judged by the new epochs at once, before they are durable.
    bench.request(Request::Write(write(3, 6, Role::InSync)));
    assert_eq!(
        bench.replies.pop(),
        Some(Reply::Refused(Refusal::StaleHead { installed: HeadEpoch(4) }))
    );
    let StoreOp::Write { watermark, .. } = bench.store(Ok(StoreReply::Done)) else { panic!() };
    assert_eq!(watermark, Some(Version::new(3, 19)));
    assert_eq!(bench.replies.len(), 1);
    assert!(matches!(bench.ops[..], [(_, StoreOp::Raise(_))]), "nothing is listed yet");
    bench.store(Ok(StoreReply::Done));
    assert!(matches!(bench.ops[..], [(_, StoreOp::Unsettled { .. })]));
    bench.store(Ok(StoreReply::Unsettled { entries: vec![], more: false }));
    let Some(Reply::Installed { newest, .. }) = bench.replies.pop() else { panic!() };
    assert_eq!(newest, Version::new(3, 20));
}

#[test]
fn wrong_sums_and_sizes_never_reach_the_store() {
    let mut bench = Bench::new(true);
    let mut bad = write(3, 5, Role::InSync);
    bad.block = 9;
    assert_eq!(bench.refused(Request::Write(bad)), Refusal::BadBlock);
    let mut bad = write(3, 5, Role::InSync);
    bad.body = Body::Zero { blocks: 0 };
    assert_eq!(bench.refused(Request::Write(bad.clone())), Refusal::BadBlock);
    bad.body = Body::Zero { blocks: 1 };
    bad.block = u64::MAX;
    assert_eq!(bench.refused(Request::Write(bad)), Refusal::BadBlock);
    let mut bad = write(3, 5, Role::InSync);
    bad.layer = LayerId(99);
    assert_eq!(bench.refused(Request::Write(bad)), Refusal::Deleted);
    let (volume, layer, head_epoch) = (V, LayerId(99), HeadEpoch(3));
    let open = Request::OpenLayer { volume, layer, head_epoch };
    assert_eq!(bench.refused(open), Refusal::Deleted, "what was deleted never comes back");
}

#[test]
fn a_write_without_room_installs_its_epochs_all_the_same() {
    let mut bench = Bench::new(true);
    bench.request(Request::Write(write(6, 8, Role::InSync)));
    bench.store(Err(StoreError::NoSpace));
    assert!(bench.replies.is_empty());
    let StoreOp::Raise(raise) = bench.store(Ok(StoreReply::Done)) else { panic!() };
    assert_eq!((raise.volumes, raise.pgs), (vec![(V, HeadEpoch(6))], vec![(PG, PgEpoch(8))]));
    assert_eq!(bench.replies, [Reply::Refused(Refusal::NoSpace)]);
}

/// The network doubled it, or a head sent it again; meanwhile there is room. The head may have told its
/// client that there was none.
#[test]
fn a_version_that_was_refused_for_space_is_never_taken() {
    let mut bench = Bench::new(true);
    bench.request(Request::Write(write(6, 8, Role::InSync)));
    bench.store(Err(StoreError::NoSpace));
    bench.store(Ok(StoreReply::Done));
    bench.request(Request::Write(write(6, 8, Role::InSync)));
    let op = bench.store(Ok(StoreReply::Done));
    assert!(matches!(op, StoreOp::Raise(_)), "the store is not even asked: {op:?}");
    assert_eq!(bench.replies, vec![Reply::Refused(Refusal::NoSpace); 2]);
    bench.request(Request::Write(write(6, 9, Role::InSync)));
    let op = bench.store(Ok(StoreReply::Done));
    assert!(matches!(op, StoreOp::Write { .. }), "a newer stamp decides anew: {op:?}");
}

/// The write that told the newer watermark was refused itself: the store does not know that this one is
/// decided.
#[test]
fn what_was_refused_is_not_taken_below_a_watermark_that_was_refused_with_another_write() {
    let mut bench = Bench::new(true);
    let late = write(6, 8, Role::InSync);
    let mut newer = late.clone();
    newer.version = Version::new(6, 50);
    newer.watermark = Version::new(6, 40);
    for write in [late.clone(), newer] {
        bench.request(Request::Write(write));
        bench.store(Err(StoreError::NoSpace));
        bench.store(Ok(StoreReply::Done));
    }
    bench.request(Request::Write(late));
    let op = bench.store(Ok(StoreReply::Done));
    assert!(matches!(op, StoreOp::Raise(_)), "{op:?}");
}

/// Where they found no room nothing was, and a head offers those of an undo until they are taken.
#[test]
fn zeros_that_were_refused_may_come_back() {
    let mut bench = Bench::new(true);
    let mut zeros = write(6, 8, Role::InSync);
    zeros.body = Body::Zero { blocks: zeros.body.blocks() };
    for result in [Err(StoreError::NoSpace), Ok(StoreReply::Done)] {
        bench.request(Request::Write(zeros.clone()));
        let refused = result.is_err();
        let op = bench.store(result);
        assert!(matches!(op, StoreOp::Write { .. }), "{op:?}");
        if refused {
            bench.store(Ok(StoreReply::Done));
        }
    }
    assert!(matches!(bench.replies[..], [Reply::Refused(Refusal::NoSpace), Reply::Written { .. }]));
}

/// Both copies are with the store when the first one is refused: the second decides.
#[test]
fn a_refusal_waits_for_the_second_copy_of_the_same_write() {
    let mut bench = Bench::new(true);
    bench.request(Request::Write(write(6, 8, Role::InSync)));
    bench.request(Request::Write(write(6, 8, Role::InSync)));
    bench.store(Err(StoreError::NoSpace));
    assert_eq!(bench.replies, [Reply::Refused(Refusal::NoSession)], "to be tried again");
    bench.store(Ok(StoreReply::Done));
    assert!(matches!(bench.replies[1], Reply::Written { .. }));
    bench.request(Request::Write(write(6, 8, Role::InSync)));
    let op = bench.store(Ok(StoreReply::Done));
    assert!(matches!(op, StoreOp::Write { .. }), "{op:?}");
}

#[test]
fn a_fenced_store_refuses_everything() {
    let mut bench = Bench::new(true);
    bench.request(Request::Write(write(3, 5, Role::InSync)));
    bench.store(Err(StoreError::Fenced));
    assert_eq!(bench.replies.pop(), Some(Reply::Refused(Refusal::Fenced)));
    assert!(matches!(bench.other[..], [MemberOutput::StoreLost { .. }]));
    assert_eq!(bench.refused(install(9, 9)), Refusal::Fenced);
}

/// Found by the search: a head collects under the epoch in which this member joined, while the
/// member is in sync already. What it took live in its session no other member may have.
#[test]
fn a_late_round_of_the_joining_epoch_is_told_of_the_newer_one() {
    let mut bench = Bench::new(true);
    bench.join(8, false);
    let joining = Role::Joining { join_at: PgEpoch(8) };
    let (in_sync, members) = (vec![ME, S], vec![ME, S]);
    bench.event(MemberEvent::View(PgView {
        pg: PG,
        epoch: PgEpoch(9),
        in_sync,
        joining: None,
        members,
    }));
    let (volume, head_epoch, pg_epoch) = (V, HeadEpoch(6), PgEpoch(8));
    let install =
        Request::Install { volume, pg: PG, head_epoch, pg_epoch, role: joining, after: None };
    bench.request(install);
    bench.store(Ok(StoreReply::Done));
    let stale = Refusal::StalePg { seen: PgEpoch(9) };
    assert_eq!(bench.replies.pop(), Some(Reply::Refused(stale)));
}

/// The same after a restart, before anybody told it that it came in sync.
#[test]
fn a_joiner_that_restarted_does_not_say_that_it_holds_nothing() {
    let round = |join_at| Request::Install {
        volume: V,
        pg: PG,
        head_epoch: HeadEpoch(6),
        pg_epoch: PgEpoch(8),
        role: Role::Joining { join_at: PgEpoch(join_at) },
        after: None,
    };
    let mut bench = Bench::new(true);
    bench.request(round(5));
    bench.store(Ok(StoreReply::Done));
    assert_eq!(bench.replies.pop(), Some(Reply::Refused(Refusal::NoSession)));
    // A session that never began took nothing.
    bench.request(round(7));
    bench.store(Ok(StoreReply::Done));
    let nothing =
        |reply: &Reply| matches!(reply, Reply::Installed { entries, .. } if entries.is_empty());
    assert!(bench.replies.pop().as_ref().is_some_and(nothing));
}
