//! The head, event by event. What it does under faults in whole clusters: crate `sim`.

mod common;
#[path = "head/roll.rs"]
mod roll;
#[path = "head/space.rs"]
mod space;

use bytes::Bytes;
use common::*;
use shoal_engine::head::*;
use shoal_types::*;

#[test]
fn write_completes_when_every_target_holds_it() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(7, 3, 9);
    assert_eq!(bench.sent_to(), [A, B, C]);
    bench.answer_of(|disk, r| if disk == C { None } else { written(r) });
    assert!(bench.done.is_empty(), "two of three are not all");
    bench.answer_all(written);
    assert_eq!(bench.done, [(7, Ok(ClientReply::Written))]);
}

#[test]
fn new_view_restamps_and_forgets_acknowledgements() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(7, 3, 9);
    bench.answer_of(|disk, r| if disk == C { None } else { written(r) });
    let late = bench.sent.clone();
    bench.sent.clear();
    bench.event(HeadEvent::View(view(2, &[A, B], None)));
    assert_eq!(bench.sent_to(), [A, B]);
    for (disk, request_id, request) in late {
        let reply = written(&request).unwrap();
        bench.event(HeadEvent::Reply { disk, request_id, reply });
    }
    assert!(bench.done.is_empty(), "an answer under the old stamp counts for nothing");
    let stamps = |r: &Request| matches!(r, Request::Write(w) if w.pg_epoch == PgEpoch(2));
    assert!(bench.sent.iter().all(|(_, _, r)| stamps(r)));
    bench.answer_all(written);
    assert_eq!(bench.done.len(), 1);
}

#[test]
fn writes_wait_below_the_minimum_and_reads_go_on() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::View(view(2, &[A], None)));
    bench.write(1, 0, 1);
    assert!(bench.sent.is_empty());
    assert_eq!(bench.head.status().pgs_below_min, 1);
    bench.request(2, ClientOp::Read { offset: 4096, len: 4096 });
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![BlockState::Absent] }));
    assert_eq!(bench.done, [(2, Ok(ClientReply::Read(vec![Segment::Zeros(4096)])))]);
    bench.event(HeadEvent::View(view(3, &[A, B], None)));
    bench.answer_all(written);
    assert_eq!(bench.done[1], (1, Ok(ClientReply::Written)));
}

#[test]
fn a_smaller_minimum_lets_what_waited_go_on_and_a_greater_one_holds_back() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 1);
    bench.event(HeadEvent::View(view(2, &[A], None)));
    bench.answer_all(written);
    bench.write(2, 9, 1);
    assert!(bench.done.is_empty(), "one of two members is in sync");
    bench.event(HeadEvent::MinInSync { count: 1 });
    assert_eq!(bench.done, [(1, Ok(ClientReply::Written))]);
    bench.answer_all(written);
    assert_eq!(bench.done.len(), 2);
    bench.event(HeadEvent::MinInSync { count: 2 });
    bench.write(3, 10, 1);
    bench.answer_all(written);
    assert_eq!(bench.done.len(), 2);
    bench.event(HeadEvent::View(view(3, &[A, B], None)));
    bench.answer_all(written);
    assert_eq!(bench.done.len(), 3);
}

#[test]
fn overlapping_requests_take_turns() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 5, 1);
    bench.request(2, ClientOp::Read { offset: 5 * 4096, len: 4096 });
    bench.write(3, 5, 3);
    bench.write(4, 6, 4);
    assert_eq!(bench.sent.len(), 6, "the first write and the one beside it");
    bench.answer_all(written);
    assert_eq!(bench.sent.len(), 1, "then the read alone");
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(5, 1)] }));
    assert_eq!(bench.sent.len(), 3);
    bench.answer_all(written);
    let order: Vec<u64> = bench.done.iter().map(|(id, _)| *id).collect();
    assert_eq!(order, [1, 4, 2, 3]);
}

#[test]
fn bad_copy_is_passed_over_and_reported() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.request(1, ClientOp::Read { offset: 0, len: 8192 });
    assert_eq!(bench.sent_to(), [B], "the local copy first");
    // Right bytes at the wrong place: what a misdirected write looks like.
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 1), data(7, 2)] }));
    let bad = |c: &HeadCommand| matches!(c, HeadCommand::BadBlock { disk: B, block: 1, .. });
    assert!(bench.other.iter().any(bad));
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    // Every copy has something bad: block by block.
    bench.answer_of(|d, _| (d == B).then(|| Reply::Blocks { blocks: vec![data(0, 1)] }));
    // All of them twice, for one may be repaired meanwhile.
    for _ in 0..6 {
        assert!(bench.done.is_empty());
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    assert_eq!(bench.done, [(1, Err(ClientError::BadBlock { offset: 4096 }))]);
}

#[test]
fn a_copy_that_was_repaired_meanwhile_is_asked_again() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.request(1, ClientOp::Read { offset: 0, len: 4096 });
    for _ in 0..3 {
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 1)] }));
    assert!(matches!(bench.done[..], [(1, Ok(_))]));
    // So does one that was bad under an older view, when the good ones are gone.
    bench.request(2, ClientOp::Read { offset: 0, len: 4096 });
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    bench.event(HeadEvent::View(view(2, &[B], None)));
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 1)] }));
    assert!(matches!(bench.done[..], [_, (2, Ok(_))]));
}

#[test]
fn damage_is_told_only_under_the_newest_view() {
    let mut bench = Bench::active(ReadMode::Lease);
    let asked = |bench: &mut Bench| -> Vec<u64> {
        let number = |c: HeadCommand| match c {
            HeadCommand::RefreshView { asked, .. } => Some(asked),
            _ => None,
        };
        std::mem::take(&mut bench.other).into_iter().filter_map(number).collect()
    };
    bench.event(HeadEvent::View(view(2, &[A], Some(C))));
    bench.request(1, ClientOp::Read { offset: 0, len: 4096 });
    for _ in 0..2 {
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    assert_eq!(asked(&mut bench), [1], "the joiner may be in sync by now");
    // What is told without being asked, and answers to older questions, may be older themselves.
    bench.event(HeadEvent::Newest { view: view(2, &[A], Some(C)), asked: 0 });
    bench.event(HeadEvent::View(view(2, &[A], Some(C))));
    assert!(bench.done.is_empty() && bench.sent.is_empty());
    bench.later(300_000);
    assert_eq!(asked(&mut bench), [2], "an answer may be lost");
    bench.event(HeadEvent::Newest { view: view(3, &[A, C], None), asked: 1 });
    assert_eq!(bench.sent_to(), [A]);
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 1)] }));
    assert!(matches!(bench.done[..], [(1, Ok(_))]), "it is, and holds a good copy");

    bench.event(HeadEvent::MinInSync { count: 1 });
    bench.event(HeadEvent::View(view(4, &[A], Some(C))));
    bench.request(2, ClientOp::Read { offset: 0, len: 4096 });
    bench.request(3, ClientOp::Write { offset: 4096, data: Bytes::from(vec![1; 512]) });
    for _ in 0..4 {
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    bench.later(300_000);
    let last = asked(&mut bench).pop().expect("it is asked");
    bench.event(HeadEvent::Newest { view: view(4, &[A], Some(C)), asked: last });
    bench.later(300_000);
    let eio = |op, offset| (op, Err(ClientError::BadBlock { offset }));
    assert_eq!(bench.done[1..], [eio(2, 0), eio(3, 4096)], "nobody else came in sync");
}

#[test]
fn sub_block_write_is_merged_under_the_hold() {
    let mut bench = Bench::active(ReadMode::Lease);
    let bytes = Bytes::from(vec![7u8; 512]);
    bench.request(1, ClientOp::Write { offset: 4096 + 512, data: bytes });
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(1, 5)] }));
    let Request::Write(write) = &bench.sent[0].2 else { panic!("a write follows") };
    let Body::Data { data, crcs, .. } = &write.body else { panic!("with data") };
    assert!(data[..512].iter().all(|b| *b == 5) && data[1024..].iter().all(|b| *b == 5));
    assert!(data[512..1024].iter().all(|b| *b == 7));
    assert_eq!(crcs[0], checksum::block_crc(LAYER, 1, data));
    bench.answer_all(written);
    assert_eq!(bench.done.len(), 1);
}

#[test]
fn a_lapsed_lease_needs_a_round_that_began_after_the_read() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.now_us = 2_000_000;
    bench.request(1, ClientOp::Read { offset: 0, len: 4096 });
    let blocks = |r: &Request| match r {
        Request::Read { .. } => Some(Reply::Blocks { blocks: vec![data(0, 1)] }),
        _ => None,
    };
    bench.answer_all(blocks);
    assert!(bench.done.is_empty());
    assert_eq!(bench.sent_to(), [A, B, C], "everyone is asked");
    bench.request(2, ClientOp::Read { offset: 0, len: 4096 });
    bench.answer_all(blocks);
    bench.answer_all(|r| matches!(r, Request::Confirm { .. }).then_some(Reply::Confirmed));
    assert_eq!(bench.done.len(), 1, "the second read waits for a round of its own");
    bench.answer_all(|r| matches!(r, Request::Confirm { .. }).then_some(Reply::Confirmed));
    assert_eq!(bench.done.len(), 2);
}

#[test]
fn a_newer_head_ends_this_one() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 1);
    let installed = HeadEpoch(5);
    bench.answer_of(|d, _| (d == A).then_some(Reply::Refused(Refusal::StaleHead { installed })));
    assert_eq!(bench.done, [(1, Err(ClientError::Fenced))]);
    bench.answer_all(written);
    bench.request(2, ClientOp::Flush);
    assert_eq!(bench.done[1], (2, Err(ClientError::Fenced)));
    assert_eq!(bench.head.next_deadline_us(), None);
}

#[test]
fn raced_no_space_is_undone_everywhere() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 9);
    bench.answer_of(|disk, r| match disk {
        B => Some(Reply::Refused(Refusal::NoSpace)),
        C => None,
        _ => written(r),
    });
    assert!(bench.done.is_empty());
    let read = bench.sent.iter().position(|(_, _, r)| matches!(r, Request::Read { .. })).unwrap();
    assert_eq!(bench.sent[read].0, B, "the old content is where the write is not");
    bench.answer_all(|r| {
        let blocks = vec![data(0, 4)];
        matches!(r, Request::Read { .. }).then_some(Reply::Blocks { blocks })
    });
    let undo = bench.sent.iter().filter(|(_, _, r)| {
        matches!(r, Request::Write(w)
        if w.version == Version::new(4, 2))
    });
    assert_eq!(undo.count(), 3, "written back under a newer version, to everyone");
    bench.answer_all(written);
    assert_eq!(bench.done, [(1, Err(ClientError::NoSpace))]);
}

#[test]
fn a_holder_that_took_a_second_copy_of_what_it_refused_is_not_told_the_same_as_old() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.write(1, 0, 9);
    let refused = |disk| disk == B;
    bench.answer_of(|disk, r| match refused(disk) {
        true => Some(Reply::Refused(Refusal::NoSpace)),
        false => written(r),
    });
    // The copy found room between the refusal and this read.
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 9)] }));
    assert_eq!(bench.sent.len(), 3, "forward, under a newer version");
    bench.answer_all(written);
    assert_eq!(bench.done, [(1, Ok(ClientReply::Written))]);
}

#[test]
fn unknown_writes_of_older_heads_are_rolled_forward_before_anything_else() {
    let mut bench = Bench::new(ReadMode::Lease);
    bench.event(HeadEvent::Lease { valid_until_us: 1_000_000 });
    bench.request(1, ClientOp::Read { offset: 0, len: 4096 });
    let views = vec![view(1, &[A, B, C], None)];
    bench.event(HeadEvent::Granted { head_epoch: HeadEpoch(4), reads: ReadMode::Lease, views });
    let entry = |seq| message::EntryInfo {
        layer: LAYER,
        block: 0,
        version: Version::new(3, seq),
        stamp: PgEpoch(1),
        kind: message::EntryKind::Data,
    };
    bench.answer_of(|disk, r| match r {
        Request::Install { .. } if disk == A => Some(installed(vec![entry(8)])),
        Request::Install { .. } if disk == C => Some(installed(vec![entry(9)])),
        Request::Install { .. } => Some(installed(vec![])),
        _ => Some(Reply::LayerOpened),
    });
    assert_eq!(bench.sent_to(), [C], "the highest version is fetched");
    bench.answer_all(|_| Some(Reply::Entry { state: data(0, 9) }));
    assert_eq!(bench.sent_to(), [A, B, C]);
    let zero_mark = |r: &Request| matches!(r, Request::Write(w) if w.watermark == Version::ZERO);
    assert!(bench.sent.iter().all(|(_, _, r)| zero_mark(r)), "no watermark yet (H8)");
    let own = |r: &Request| matches!(r, Request::Write(w) if w.version.head_epoch == HeadEpoch(4));
    assert!(bench.sent.iter().all(|(_, _, r)| own(r)), "under a version of its own (H14)");
    bench.answer_all(written);
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 9)] }));
    assert_eq!(bench.done.len(), 1);
}

#[test]
fn flush_and_close_wait_for_what_is_in_flight() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.request(1, ClientOp::Flush);
    bench.write(2, 0, 1);
    bench.request(3, ClientOp::Flush);
    bench.event(HeadEvent::Close { deadline_us: 9_000_000 });
    bench.request(4, ClientOp::Flush);
    let refused = bench.done.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(refused, [1, 4], "nothing to wait for; no new ones");
    bench.answer_all(written);
    assert_eq!(bench.done.len(), 4, "{:?}", bench.done);
    assert!(matches!(bench.other.last(), Some(HeadCommand::Released)));
}

#[test]
fn silent_members_are_reported_and_reads_go_elsewhere() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.request(1, ClientOp::Read { offset: 0, len: 4096 });
    bench.write(2, 9, 1);
    bench.later(400_000);
    let reads = bench.sent.iter().filter(|(_, _, r)| matches!(r, Request::Read { .. }));
    let readers: Vec<DiskId> = reads.map(|(d, ..)| *d).collect();
    assert_eq!(readers.len(), 2);
    assert_ne!(readers[0], readers[1]);
    bench.event(HeadEvent::Disconnected { disk: C });
    let reported = |c: &HeadCommand| {
        matches!(c, HeadCommand::ReportUnreachable { disk: C, reason: ReportReason::Disconnected })
    };
    assert!(bench.other.iter().any(reported));
    let before = bench.sent.len();
    bench.event(HeadEvent::Connected { disk: C });
    assert_eq!(bench.sent.len(), before + 1, "what it owed is sent again");
}

/// It may never come back; a head that is owed something looks at the clock, and reports.
#[test]
fn a_disk_that_left_the_views_owes_nothing() {
    let mut bench = Bench::new(ReadMode::Lease);
    bench.event(HeadEvent::Lease { valid_until_us: 1_000_000 });
    bench.event(HeadEvent::Disconnected { disk: C });
    bench.event(HeadEvent::Granted {
        head_epoch: HeadEpoch(4),
        reads: ReadMode::Lease,
        views: vec![view(1, &[A, B, C], None)],
    });
    bench.event(HeadEvent::View(view(2, &[A, B], None)));
    bench.answer_all(|request| match request {
        Request::OpenLayer { .. } => Some(Reply::LayerOpened),
        Request::Install { .. } => Some(installed(vec![])),
        _ => None,
    });
    bench.other.clear();
    assert_eq!(bench.head.status().phase, HeadPhase::Active);
    for _ in 0..200 {
        bench.later(20_000);
    }
    let reports = |c: &HeadCommand| matches!(c, HeadCommand::ReportUnreachable { .. });
    assert!(!bench.other.iter().any(reports), "{:?}", bench.other);
}

/// Which of the groups has another store there the refusal does not say.
#[test]
fn a_confirmation_that_an_unfit_member_refused_has_each_view_refreshed() {
    let mut bench = Bench::new(ReadMode::Confirmed);
    bench.head = Head::new(HeadConfig { pg_count: 2, ..config() });
    let first = view(1, &[A, B, C], None);
    let second = PgView { pg: PgId::new(1, 1), ..first.clone() };
    bench.grant(vec![first, second]);
    bench.request(1, ClientOp::Read { offset: 0, len: 64 * 4096 });
    bench.other.clear();
    bench.answer_of(|disk, r| match r {
        Request::Confirm { pgs, .. } if disk == A && pgs.len() == 2 => {
            Some(Reply::Refused(Refusal::Unfit))
        }
        _ => None,
    });
    let refreshed = |c: &HeadCommand| match c {
        HeadCommand::RefreshView { pg, .. } => Some(pg.index),
        _ => None,
    };
    let mut refreshed: Vec<u32> = bench.other.iter().filter_map(refreshed).collect();
    refreshed.sort_unstable();
    assert_eq!(refreshed, [0, 1]);
}

#[test]
fn a_read_that_no_copy_answers_does_not_pile_up_at_them() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::Lease { valid_until_us: 99_000_000 });
    bench.event(HeadEvent::View(view(2, &[A], None)));
    bench.request(1, ClientOp::Read { offset: 0, len: 4096 });
    let patience_us = config().timing.read_retry_us;
    for _ in 0..3_000 {
        bench.later(10_000);
    }
    let asked = bench.sent.iter().filter(|(_, _, r)| matches!(r, Request::Read { .. })).count();
    let at_most = (30_000_000 / patience_us).ilog2() as usize + 3;
    assert!((4..=at_most).contains(&asked), "asked {asked} times in 30 s");
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![BlockState::Absent] }));
    assert_eq!(bench.done, [(1, Ok(ClientReply::Read(vec![Segment::Zeros(4096)])))]);
}

#[test]
fn a_view_that_was_told_before_the_grant_is_collected_after_it() {
    let mut bench = Bench::new(ReadMode::Lease);
    // A member left while the old owner's lease ran out.
    bench.event(HeadEvent::View(view(2, &[A, B], None)));
    bench.grant(vec![view(2, &[A, B], None)]);
}

#[test]
fn a_busy_head_looks_at_what_is_owed_as_well() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::Lease { valid_until_us: 9_000_000 });
    bench.write(1, 0, 1);
    bench.answer_of(|disk, request| if disk == C { None } else { written(request) });
    let patience_us = config().timing.report_after_us;
    let mut ticks = 0;
    // Reads of other blocks come and go all the time, each within a millisecond.
    for op_id in 2..4_000 {
        bench.now_us += 1_000;
        bench.request(op_id, ClientOp::Read { offset: 8 * 4096, len: 4096 });
        bench.answer_of(|_, request| match request {
            Request::Read { .. } => Some(Reply::Blocks { blocks: vec![BlockState::Absent] }),
            _ => None,
        });
        if bench.head.next_deadline_us().is_some_and(|due| due <= bench.now_us) {
            ticks += 1;
            bench.event(HeadEvent::Tick);
        }
    }
    assert!(bench.now_us > patience_us && ticks > 100, "{ticks} ticks");
    let slow = |c: &HeadCommand| {
        matches!(c, HeadCommand::ReportUnreachable { disk: C, reason: ReportReason::Slow })
    };
    assert!(bench.other.iter().any(slow), "who owes the write is reported");
}

/// It is filled anew, and has not heard of its session yet. Were it called worthless it would lose the
/// groups in which it is in sync again.
#[test]
fn a_joiner_that_is_behind_the_head_is_not_called_worthless() {
    let mut bench = Bench::active(ReadMode::Lease);
    bench.event(HeadEvent::View(view(2, &[A, B], Some(C))));
    bench.write(1, 0, 7);
    bench.answer_of(|d, _| (d == C).then_some(Reply::Refused(Refusal::Unfit)));
    let is_report = |c: &HeadCommand| matches!(c, HeadCommand::ReportUnreachable { .. });
    assert!(!bench.other.iter().any(is_report), "{:?}", bench.other);
    let asks = |c: &HeadCommand| matches!(c, HeadCommand::RefreshView { .. });
    assert!(bench.other.iter().any(asks), "it looks whether its view is old");
    bench.later(200_000);
    bench.answer_all(written);
    assert_eq!(bench.done, [(1, Ok(ClientReply::Written))]);
}
