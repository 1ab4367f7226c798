//! Take-over of a PG in which the newest version of a block cannot be read where it is listed.

use super::common::*;
use shoal_engine::head::{HeadEvent, ReadMode};
use shoal_types::message::{EntryInfo, EntryKind};
use shoal_types::*;

const OLD: Version = Version::new(3, 8);
const NEWEST: Version = Version::new(3, 9);

fn entry(version: Version) -> EntryInfo {
    EntryInfo { layer: LAYER, block: 0, version, stamp: PgEpoch(1), kind: EntryKind::Data }
}

/// B lists the newest version; what A and C say is given as (entries, watermark).
fn taken_over(others: &(Vec<EntryInfo>, Version)) -> Bench {
    let mut bench = Bench::new(ReadMode::Lease);
    bench.event(HeadEvent::Lease { valid_until_us: 1_000_000 });
    let views = vec![view(1, &[A, B, C], None)];
    bench.event(HeadEvent::Granted { head_epoch: HeadEpoch(4), reads: ReadMode::Lease, views });
    bench.answer_of(|disk, request| {
        let lists = if disk == B { (vec![entry(NEWEST)], OLD) } else { others.clone() };
        let (entries, watermark) = lists;
        Some(match request {
            Request::Install { .. } => {
                Reply::Installed { entries, watermark, newest: NEWEST, more: false }
            }
            _ => Reply::LayerOpened,
        })
    });
    // Asked twice: it may be repaired meanwhile.
    assert_eq!(bench.sent_to(), [B]);
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    bench
}

fn rolls(bench: &mut Bench, fill: u8) {
    assert_eq!(bench.sent_to(), [A, B, C]);
    let is_it = |body: &Body| match (body, data(0, fill)) {
        (Body::Data { data, .. }, BlockState::Data { data: wanted, .. }) => *data == wanted,
        _ => false,
    };
    assert!(bench.sent.iter().all(|(_, _, r)| matches!(r, Request::Write(w) if is_it(&w.body))));
}

#[test]
fn a_version_that_was_never_complete_is_passed_over() {
    let mut bench = taken_over(&(vec![entry(OLD)], Version::ZERO));
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    let asks_old =
        |r: &Request| matches!(r, Request::ReadEntry { entry, .. } if entry.version == OLD);
    assert!(bench.sent.iter().all(|(disk, _, r)| *disk != B && asks_old(r)), "{:?}", bench.sent);
    bench.answer_all(|_| Some(Reply::Entry { state: data(0, 8) }));
    rolls(&mut bench, 8);
}

#[test]
fn with_no_older_one_in_the_lists_what_the_others_hold_is_rolled() {
    let mut bench = taken_over(&(vec![], OLD));
    bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    assert!(matches!(bench.sent[..], [(_, _, Request::Read { .. })]), "{:?}", bench.sent);
    if bench.sent_to() == [B] {
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 8)] }));
    rolls(&mut bench, 8);
}

#[test]
fn a_version_that_is_settled_elsewhere_is_read_there_and_never_passed_over() {
    let mut bench = taken_over(&(vec![], NEWEST));
    // B again, or one of those where it is settled; only what they hold is taken.
    while bench.sent_to() == [B] {
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    assert!(matches!(bench.sent[..], [(A | C, _, Request::Read { .. })]), "{:?}", bench.sent);
    bench.answer_all(|_| Some(Reply::Blocks { blocks: vec![data(0, 9)] }));
    rolls(&mut bench, 9);
}

#[test]
fn a_version_that_everyone_lists_is_waited_for() {
    let mut bench = taken_over(&(vec![entry(NEWEST)], OLD));
    for round in 0..12 {
        let asked = bench.sent.len();
        assert!(asked <= 1, "round {round}");
        bench.answer_all(|_| Some(Reply::Refused(Refusal::BadBlock)));
    }
    let writes = bench.sent.iter().any(|(_, _, r)| matches!(r, Request::Write(_)));
    assert!(!writes, "it may have been acknowledged");
}
