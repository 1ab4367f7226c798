//! Full members: nothing that was refused is left anywhere, and what needs no room goes on.

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
    bench.event(HeadEvent::Granted { head_epoch: HeadEpoch(4), views });
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
