//! Full members: they decide, one is asked before the others, nobody is left with a write that was
//! refused, and what needs no room goes on.

use super::common::*;
use shoal_engine::head::*;
use shoal_types::*;

fn no_space(_: &Request) -> Option<Reply> {
    Some(Reply::Refused(Refusal::NoSpace))
}

fn deleted(_: &Request) -> Option<Reply> {
    Some(Reply::Refused(Refusal::Deleted))
}

fn told_mark(bench: &Bench) -> Version {
    match &bench.sent[0].2 {
        Request::Write(write) => write.watermark,
        other => panic!("{other:?}"),
    }
}

fn zero(bench: &mut Bench, op: u64, block: u64) {
    bench.request(op, ClientOp::Zero { offset: block * 4096, len: 4096 });
}

fn told(request: &Request, free_blocks: u32) -> Option<Reply> {
    match written(request) {
        Some(Reply::Written { version, pg_epoch, .. }) => {
            Some(Reply::Written { version, pg_epoch, free_blocks })
        }
        other => other,
    }
}

/// All members said that they have no room; C has the least.
fn full() -> Bench {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 9);
    bench.answer_of(|disk, r| told(r, if disk == C { 0 } else { 1 }));
    bench.done.clear();
    bench
}

#[test]
fn what_one_full_member_refuses_reaches_nobody_else() {
    let mut bench = full();
    bench.write(2, 1, 9);
    assert_eq!(bench.sent_to(), [C], "the one with the least room alone");
    bench.answer_all(no_space);
    assert_eq!(bench.done, [(2, Err(ClientError::NoSpace))]);
    assert!(bench.sent.is_empty(), "there is nothing to undo");
    zero(&mut bench, 3, 0);
    assert_eq!(bench.sent.len(), 3, "zeros need no room");
    assert_eq!(told_mark(&bench), Version::new(4, 1), "C never had the number that it refused");
    bench.answer_all(written);
    assert_eq!(bench.done[1], (3, Ok(ClientReply::Written)));
}

#[test]
fn an_overwrite_on_a_full_pool_goes_to_all() {
    let mut bench = full();
    for op in 2..5 {
        bench.write(op, 0, op as u8);
        assert_eq!(bench.sent_to(), [C]);
        bench.answer_all(|r| told(r, 0));
        assert_eq!(bench.sent_to(), [A, B], "C took it");
        bench.answer_of(|_, r| told(r, 1));
        assert_eq!(bench.done.pop(), Some((op, Ok(ClientReply::Written))));
    }
}

#[test]
fn requests_in_flight_do_not_share_one_room() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 9);
    bench.answer_all(|r| told(r, 1));
    bench.write(2, 1, 9);
    assert_eq!(bench.sent.len(), 3, "room for one");
    bench.write(3, 2, 9);
    assert_eq!(bench.sent.len(), 4, "and not for two");
}

/// C took what `by` refuses.
fn refused_by(by: DiskId) -> Bench {
    let mut bench = full();
    bench.write(2, 1, 9);
    bench.answer_all(|r| told(r, 0));
    bench.answer_of(|disk, r| if disk == by { no_space(r) } else { told(r, 0) });
    bench
}

/// The second member refuses what the first one took: undone, as if all had been asked at once. A refuses
/// the undo, too, at first. Who got the second try of it, and under which number?
fn undone_at_the_second_try(old: BlockState) -> (Vec<DiskId>, Version) {
    let mut bench = refused_by(A);
    assert!(bench.done.is_empty());
    assert_eq!(bench.sent_to(), [A], "the old content is read where the write is not");
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![old.clone()] }));
    assert_eq!(bench.sent_to(), [A, B, C]);
    bench.answer_of(|disk, r| if disk == A { no_space(r) } else { told(r, 0) });
    bench.later(50_000);
    let again = bench.sent_to();
    let Request::Write(write) = &bench.sent[0].2 else { panic!("an undo writes") };
    let version = write.version;
    bench.answer_all(|r| told(r, 0));
    assert_eq!(bench.done, [(2, Err(ClientError::NoSpace))]);
    (again, version)
}

#[test]
fn what_another_member_refuses_is_undone() {
    let zeros = undone_at_the_second_try(BlockState::Absent);
    assert_eq!(zeros, (vec![A], Version::new(4, 3)), "zeros are tried until they are taken");
    let data = bytes::Bytes::from(vec![7; 4096]);
    let crc = checksum::block_crc(LAYER, 1, &data);
    let data = undone_at_the_second_try(BlockState::Data { data, crc });
    assert_eq!(data, (vec![A, B, C], Version::new(4, 4)), "its number is refused for good");
}

/// What it refused, the others may have overwritten: nobody else has the old content, and if it cannot be
/// read nothing would ever end.
#[test]
fn who_refuses_and_cannot_tell_what_was_there_is_put_out() {
    let mut bench = refused_by(A);
    let bad = |_: &Request| Some(Reply::Refused(Refusal::BadBlock));
    bench.answer_all(bad);
    assert_eq!(bench.sent_to(), [A], "once more: it may be mended by now");
    bench.answer_all(bad);
    let report = |command: &HeadCommand| {
        matches!(
            command,
            HeadCommand::ReportUnreachable { disk: A, reason: ReportReason::Unreadable }
        )
    };
    assert!(bench.other.iter().any(report), "{:?}", bench.other);
    bench.event(HeadEvent::View(view(2, &[B, C], None)));
    for _ in 0..4 {
        bench.later(50_000);
        bench.answer_all(|r| match r {
            Request::Install { .. } => Some(installed(vec![])),
            _ => told(r, 9),
        });
    }
    assert_eq!(bench.done, [(2, Ok(ClientReply::Written))], "{:?}", bench.sent);
}

/// All say that there is no room. If the one that has none were not asked first, every new block would
/// be taken by another one, and undone.
#[test]
fn who_said_no_last_is_asked_first() {
    let mut bench = refused_by(B);
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![BlockState::Absent] }));
    bench.answer_all(|r| told(r, 0));
    assert_eq!(bench.done, [(2, Err(ClientError::NoSpace))]);
    bench.later(1);
    for op in 3..6 {
        bench.write(op, op, 9);
        assert_eq!(bench.sent_to(), [B]);
        bench.answer_all(no_space);
        assert_eq!(bench.done.last(), Some(&(op, Err(ClientError::NoSpace))));
    }
}

/// Its first answer was lost with the connection. It may have been a yes.
#[test]
fn a_refusal_of_what_was_sent_twice_is_undone() {
    let mut bench = full();
    bench.write(2, 1, 9);
    bench.event(HeadEvent::Disconnected { disk: C });
    bench.sent.clear();
    bench.event(HeadEvent::Connected { disk: C });
    assert_eq!(bench.sent_to(), [C], "still alone");
    bench.answer_all(no_space);
    assert!(bench.done.is_empty());
    assert!(matches!(bench.sent[0], (C, _, Request::Read { .. })));
}

/// A new view sends to everyone in it. What the member said before counts for nothing.
#[test]
fn a_view_change_ends_the_asking_of_one() {
    let mut bench = full();
    bench.write(2, 1, 9);
    bench.event(HeadEvent::View(view(2, &[A, B], None)));
    assert_eq!(bench.sent_to(), [C, A, B]);
    bench.sent.remove(0);
    bench.answer_all(written);
    assert_eq!(bench.done, [(2, Ok(ClientReply::Written))]);
}

/// A joiner without room decides nothing: it is not the one that is asked.
#[test]
fn a_full_joiner_is_not_asked_first() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::View(view(2, &[A, B], Some(C))));
    bench.write(1, 0, 9);
    bench.answer_of(|disk, r| told(r, if disk == C { 0 } else { 100 }));
    bench.write(2, 1, 9);
    assert_eq!(bench.sent.len(), 3);
}

/// Its other groups may have found room: what is said is in which one it did not.
#[test]
fn a_full_joiner_is_reported_for_its_group_and_who_is_in_sync_is_not() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::View(view(2, &[A, B], Some(C))));
    bench.write(1, 0, 9);
    bench.answer_of(|disk, r| if disk == C { no_space(r) } else { None });
    bench.answer_of(|disk, r| if disk == B { no_space(r) } else { None });
    let reports = bench.other.iter().filter_map(|command| match command {
        HeadCommand::ReportUnreachable { disk, reason } => Some((*disk, *reason)),
        _ => None,
    });
    assert_eq!(reports.collect::<Vec<_>>(), [(C, ReportReason::Full { pg: PG })]);
}

/// While a member joins, zeros are kept. One that is in sync and has no room for them holds nothing there:
/// it is sent zeros that leave no trace, the joiner is not.
#[test]
fn only_a_joiner_has_to_keep_zeros_for_which_there_is_no_room() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::View(view(2, &[A, B], Some(C))));
    zero(&mut bench, 1, 8);
    let kept = |bench: &Bench| {
        let writes = bench.sent.iter().map(|(disk, _, request)| match request {
            Request::Write(write) => (*disk, matches!(write.body, Body::Zero { .. })),
            other => panic!("{other:?}"),
        });
        writes.collect::<Vec<_>>()
    };
    assert_eq!(kept(&bench), [(A, true), (B, true), (C, true)]);
    bench.answer_of(|disk, r| if disk == B { no_space(r) } else { None });
    bench.sent.remove(0);
    bench.sent.pop();
    assert_eq!(kept(&bench), [(A, false), (B, false), (C, true)]);
    bench.answer_all(written);
    assert_eq!(bench.done, [(1, Ok(ClientReply::Written))]);
    zero(&mut bench, 2, 8);
    assert_eq!(told_mark(&bench), Version::ZERO, "the numbers of it are withdrawn");
}

/// A store whose tables are full refuses zeros only where it holds nothing of the volume.
#[test]
fn zeros_that_are_refused_are_there_already() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 9);
    bench.answer_all(written);
    zero(&mut bench, 2, 8);
    bench.answer_of(|disk, r| if disk == B { no_space(r) } else { written(r) });
    assert_eq!(bench.done[1], (2, Ok(ClientReply::Written)));
    // The watermark stays behind: B never had that number.
    zero(&mut bench, 3, 0);
    assert_eq!(told_mark(&bench), Version::new(4, 1));
    bench.answer_all(written);
    zero(&mut bench, 4, 0);
    assert_eq!(told_mark(&bench), Version::new(4, 3), "complete, and everything before it");
}

/// Granted; B's store has no room for the layer. Its answer comes when the rest is settled.
fn without_layer() -> Bench {
    let mut bench = Bench::new(ReadMode::Lease);
    bench.event(HeadEvent::Lease { valid_until_us: 9_000_000 });
    let views = vec![view(1, &[A, B, C], None)];
    bench.event(HeadEvent::Granted { head_epoch: HeadEpoch(4), reads: ReadMode::Lease, views });
    bench.answer_of(|disk, request| match request {
        Request::OpenLayer { .. } => (disk != B).then_some(Reply::LayerOpened),
        Request::Install { .. } => Some(installed(vec![])),
        _ => None,
    });
    bench
}

fn refuse_layer(bench: &mut Bench) {
    bench.answer_of(|_, r| match r {
        Request::OpenLayer { .. } => no_space(r),
        _ => None,
    });
}

/// It cannot even name the volume's layer: ENOSPC at once, nobody is asked, and it is over when there
/// is room.
#[test]
fn a_layer_that_finds_no_room_is_no_space() {
    let mut bench = without_layer();
    refuse_layer(&mut bench);
    bench.write(1, 0, 9);
    assert_eq!(bench.done, [(1, Err(ClientError::NoSpace))]);
    assert!(bench.sent.is_empty(), "nobody was asked");
    bench.request(2, ClientOp::Read { offset: 10 * 4096, len: 4096 });
    assert_eq!(bench.sent.len(), 1, "the others know what there is");
    bench.answer_all(deleted);
    bench.sent.clear();
    bench.later(2_000_000);
    bench.write(3, 0, 9);
    assert_eq!(bench.done[1], (3, Err(ClientError::NoSpace)));
    bench.answer_of(|disk, request| {
        let asked = matches!(request, Request::OpenLayer { .. }) && disk == B;
        asked.then_some(Reply::LayerOpened)
    });
    bench.write(4, 0, 9);
    bench.answer_all(written);
    assert!(bench.done.contains(&(4, Ok(ClientReply::Written))), "{:?}", bench.done);
}

/// A write that was sent before the store's word on the layer came is undone: B holds nothing.
#[test]
fn a_write_ahead_of_a_layer_that_finds_no_room_is_undone() {
    let mut bench = without_layer();
    bench.write(1, 0, 9);
    refuse_layer(&mut bench);
    bench.answer_of(|disk, r| if disk == B { deleted(r) } else { written(r) });
    assert_eq!(bench.sent_to(), [A, B, C]);
    assert!(bench.sent.iter().all(|(_, _, r)| {
        matches!(r, Request::Write(w) if w.version == Version::new(4, 2)
            && w.body == Body::Zero { blocks: 1 })
    }));
    bench.answer_of(|disk, r| if disk == B { deleted(r) } else { written(r) });
    assert_eq!(bench.done, [(1, Err(ClientError::NoSpace))]);
}
