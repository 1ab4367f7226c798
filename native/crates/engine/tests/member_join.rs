//! A member that joins, or is a source, event by event.

mod member_bench;

use bytes::Bytes;
use member_bench::*;
use shoal_engine::member::*;
use shoal_types::*;

#[test]
fn resync_begins_with_what_was_left_over_and_spares_live_writes() {
    let mut bench = Bench::new(true);
    bench.join(8, false);
    // A live write that comes before the session is open waits for it.
    let live = write(5, 8, Role::Joining { join_at: PgEpoch(8) });
    bench.request(Request::Write(live));
    assert!(bench.replies.is_empty() && bench.ops.is_empty());
    let marks = vec![(V, Version::new(4, 1), Version::new(4, 1))];
    bench.answer(Reply::JoinOpened {
        heads: vec![(V, HeadEpoch(5))],
        layers: vec![],
        marks,
        more: false,
    });
    let StoreOp::Raise(raise) = bench.store(Ok(StoreReply::Done)) else { panic!() };
    assert_eq!((raise.volumes, raise.pgs), (vec![(V, HeadEpoch(5))], vec![(PG, PgEpoch(8))]));
    let left = |block| message::EntryInfo {
        layer: LAYER,
        block,
        version: Version::new(3, 9),
        stamp: PgEpoch(3),
        kind: message::EntryKind::Data,
    };
    let entries = vec![left(8), left(70)];
    bench.store(Ok(StoreReply::Unsettled { entries, more: false }));
    let StoreOp::Write { watermark, .. } = &bench.ops[0].1 else { panic!("the live write") };
    assert_eq!(*watermark, None, "leftovers would look settled (H7)");
    bench.store(Ok(StoreReply::Done));
    let block = |byte: u8, at: u64| {
        let data = Bytes::from(vec![byte; 4096]);
        let crc = checksum::block_crc(LAYER, at, &data);
        let (version, stamp) = (Version::new(2, 2), PgEpoch(2));
        message::CopyBlock { version, stamp, state: BlockState::Data { data, crc } }
    };
    bench.answer(Reply::CopyBlocks { blocks: vec![block(3, 8)] });
    assert!(bench.ops.is_empty(), "block 8 was written live: no copy goes over it");
    bench.answer(Reply::CopyBlocks { blocks: vec![block(3, 70)] });
    let StoreOp::Copy { items, .. } = bench.store(Ok(StoreReply::Done)) else { panic!() };
    assert_eq!(items[0].version, Version::new(2, 2), "the source is right, even if older");
    // Clean now: the source's watermark is taken over, and the rest is asked for.
    let StoreOp::Raise(raise) = bench.store(Ok(StoreReply::Done)) else { panic!() };
    assert_eq!(raise.watermarks, [(V, PG, Version::new(4, 1))]);
    bench.store(Ok(StoreReply::Changed { entries: vec![], more: false }));
    bench.answer(Reply::CopyList { entries: vec![], more: false });
    let done = bench.other.remove(0);
    assert!(matches!(done, MemberOutput::JoinDone { source: S, .. }), "{done:?}");
}

/// The cluster forgot the volume; a source had told of its layer before, and its last head finishes only now.
#[test]
fn what_was_under_way_for_long_brings_no_deleted_layer_back() {
    let mut bench = Bench::new(true);
    bench.event(MemberEvent::DeleteLayer { layer: LAYER });
    bench.store(Ok(StoreReply::Done));
    bench.event(MemberEvent::ForgetLayer { layer: LAYER });
    bench.store(Ok(StoreReply::Done));
    bench.other.clear();
    let open = Request::OpenLayer { volume: V, layer: LAYER, head_epoch: HeadEpoch(3) };
    assert_eq!(bench.refused(open), Refusal::Deleted);
    bench.join(8, false);
    let (heads, marks) = (vec![(V, HeadEpoch(5))], vec![]);
    bench.answer(Reply::JoinOpened { heads, layers: vec![(V, LAYER)], marks, more: false });
    let StoreOp::Raise(_) = bench.store(Ok(StoreReply::Done)) else { panic!("it is opened") };
    bench.store(Ok(StoreReply::Unsettled { entries: vec![], more: false }));
    bench.ops.clear();
    let live = write(5, 8, Role::Joining { join_at: PgEpoch(8) });
    assert_eq!(bench.refused(Request::Write(live)), Refusal::Deleted);
}

/// The last that was written were zeros where nothing was: no copy tells their number, and who is in
/// sync without it would be taken for one that lost them (rule 31).
#[test]
fn a_joiner_is_in_sync_only_with_the_newest_number_of_its_source() {
    let mut bench = Bench::new(true);
    bench.join(8, false);
    let newest = Version::new(4, 9);
    let marks = vec![(V, Version::new(4, 1), newest)];
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks, more: false });
    bench.store(Ok(StoreReply::Done));
    bench.store(Ok(StoreReply::Unsettled { entries: vec![], more: false }));
    let raise = bench.ops.remove(0);
    assert!(matches!(&raise.1, StoreOp::Raise(r) if r.newest == [(V, PG, newest)]), "{raise:?}");
    bench.store(Ok(StoreReply::Changed { entries: vec![], more: false }));
    bench.answer(Reply::CopyList { entries: vec![], more: false });
    assert!(bench.other.is_empty(), "not durable yet");
    bench.ops.insert(0, raise);
    bench.store(Ok(StoreReply::Done));
    assert!(matches!(bench.other[..], [MemberOutput::JoinDone { .. }]), "{:?}", bench.other);
}

/// What a copy was passed over for must be durable before this member is in sync: the store may yet
/// refuse it for space, and would have neither.
#[test]
fn a_joiner_waits_for_the_live_writes_that_it_spared() {
    for found_room in [true, false] {
        let mut bench = Bench::new(true);
        bench.join(8, false);
        bench.answer(Reply::JoinOpened {
            heads: vec![],
            layers: vec![],
            marks: vec![],
            more: false,
        });
        bench.store(Ok(StoreReply::Done));
        bench.store(Ok(StoreReply::Unsettled { entries: vec![], more: false }));
        bench.store(Ok(StoreReply::Changed { entries: vec![], more: false }));
        bench.request(Request::Write(write(5, 8, Role::Joining { join_at: PgEpoch(8) })));
        let (volume, layer, stamp) = (V, LAYER, PgEpoch(2));
        let entry = message::CopyEntry { volume, layer, block: 8, mask: 1, stamp };
        bench.answer(Reply::CopyList { entries: vec![entry], more: false });
        let state = BlockState::Zero;
        let block = message::CopyBlock { version: Version::new(2, 2), stamp, state };
        bench.answer(Reply::CopyBlocks { blocks: vec![block] });
        assert!(bench.other.is_empty(), "{:?}", bench.other);
        bench.store(if found_room { Ok(StoreReply::Done) } else { Err(StoreError::NoSpace) });
        let ended = matches!(bench.other[..], [MemberOutput::JoinDone { .. }]);
        assert_eq!(ended, found_room, "{:?}", bench.other);
    }
}

/// A store whose tables are full takes no marks, and comes back in sync all the same.
#[test]
fn a_joiner_without_room_for_marks_goes_on() {
    let mut bench = Bench::new(true);
    bench.join(8, false);
    let marks = vec![(V, Version::new(4, 1), Version::new(4, 9))];
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks, more: false });
    bench.store(Ok(StoreReply::Done));
    bench.store(Ok(StoreReply::Unsettled { entries: vec![], more: false }));
    bench.store(Err(StoreError::NoSpace));
    bench.store(Ok(StoreReply::Changed { entries: vec![], more: false }));
    bench.answer(Reply::CopyList { entries: vec![], more: false });
    assert!(matches!(bench.other[..], [MemberOutput::JoinDone { .. }]), "{:?}", bench.other);
}

/// A joiner that has begun, with nothing left over, and knows of no more than the source's list.
fn listing(layers: Vec<(VolumeId, LayerId)>) -> Bench {
    let mut bench = Bench::new(true);
    bench.join(8, false);
    bench.answer(Reply::JoinOpened { heads: vec![], layers, marks: vec![], more: false });
    bench.store(Ok(StoreReply::Done));
    bench.store(Ok(StoreReply::Unsettled { entries: vec![], more: false }));
    bench.store(Ok(StoreReply::Changed { entries: vec![], more: false }));
    bench
}

fn listed(mask: u32) -> Reply {
    let (volume, layer, stamp) = (V, LAYER, PgEpoch(2));
    let entry = message::CopyEntry { volume, layer, block: 0, mask, stamp };
    Reply::CopyList { entries: vec![entry], more: false }
}

fn zeros() -> Reply {
    let (version, stamp, state) = (Version::new(2, 2), PgEpoch(2), BlockState::Zero);
    Reply::CopyBlocks { blocks: vec![message::CopyBlock { version, stamp, state }] }
}

#[test]
fn a_layer_that_found_no_room_is_opened_again_by_the_next_session() {
    let mut bench = Bench::new(true);
    for epoch in [8, 9] {
        bench.join(epoch, false);
        let layers = vec![(V, LAYER), (V, LayerId(11))];
        bench.answer(Reply::JoinOpened { heads: vec![], layers, marks: vec![], more: false });
        let opened = bench.store(Err(StoreError::NoSpace));
        assert!(matches!(opened, StoreOp::OpenLayer { layer: LayerId(11), .. }), "{opened:?}");
        let failed = bench.other.remove(0);
        assert!(matches!(failed, MemberOutput::JoinFailed { .. }), "{failed:?}");
        bench.ops.clear();
    }
}

/// Nothing of that layer would be here, and in sync this member would answer zeros.
#[test]
fn a_copy_into_a_layer_that_the_store_does_not_know_ends_the_session() {
    let mut bench = listing(vec![]);
    bench.answer(listed(1));
    bench.answer(zeros());
    bench.store(Err(StoreError::NoLayer));
    let failed = bench.other.remove(0);
    assert!(matches!(failed, MemberOutput::JoinFailed { .. }), "{failed:?}");
}

/// It has no room for the layer: zeros. What was left over here may be of a write that was refused.
#[test]
fn what_the_source_has_no_layer_for_is_nothing_here_too() {
    let mut bench = listing(vec![]);
    bench.answer(listed(0b101));
    bench.answer(Reply::Refused(Refusal::Deleted));
    let StoreOp::Copy { items, .. } = bench.store(Ok(StoreReply::Done)) else { panic!() };
    let blocks: Vec<_> = items.iter().map(|item| (item.block, item.state.clone())).collect();
    assert_eq!(blocks, [(0, BlockState::Absent), (2, BlockState::Absent)]);
    assert!(matches!(bench.other[..], [MemberOutput::JoinDone { .. }]), "{:?}", bench.other);
}

#[test]
fn a_bad_block_at_the_source_that_is_not_wanted_keeps_nobody_out() {
    let mut bench = listing(vec![]);
    bench.answer(listed(0b101));
    bench.answer(Reply::Refused(Refusal::BadBlock));
    for wanted in [0, 2] {
        let asked = bench.answer(zeros());
        let one = |r: &Request| matches!(r, Request::CopyRead { block, blocks: 1, .. } if *block == wanted);
        assert!(one(&asked), "{asked:?}");
        bench.store(Ok(StoreReply::Done));
    }
    assert!(matches!(bench.other[..], [MemberOutput::JoinDone { .. }]), "{:?}", bench.other);
}

/// Its space would be lost to the disk. The epoch stays, and a view that is newer decides.
#[test]
fn what_is_held_of_a_group_that_moved_away_is_dropped() {
    let view = |epoch, members: Vec<DiskId>| {
        let (epoch, in_sync) = (PgEpoch(epoch), vec![S]);
        MemberEvent::View(PgView { pg: PG, epoch, in_sync, joining: None, members })
    };
    let mut bench = Bench::new(true);
    bench.event(view(7, vec![S, ME]));
    bench.event(MemberEvent::Left { pg: PG, epoch: PgEpoch(7) });
    bench.event(view(8, vec![S]));
    bench.event(MemberEvent::Left { pg: PG, epoch: PgEpoch(7) });
    assert!(bench.ops.is_empty(), "{:?}", bench.ops);
    bench.event(MemberEvent::Left { pg: PG, epoch: PgEpoch(8) });
    let StoreOp::Raise(raise) = bench.store(Ok(StoreReply::Done)) else { panic!() };
    assert_eq!(raise.pgs, [(PG, PgEpoch(8))]);
    assert!(matches!(bench.store(Ok(StoreReply::Done)), StoreOp::DropPg { pg: PG }));
    let stale = Refusal::StalePg { seen: PgEpoch(8) };
    assert_eq!(bench.refused(Request::Write(write(3, 7, Role::InSync))), stale);
    bench.event(view(9, vec![S, ME]));
    bench.event(MemberEvent::Left { pg: PG, epoch: PgEpoch(8) });
    assert!(bench.ops.is_empty(), "{:?}", bench.ops);
}

/// Of as many volumes as there may be in a cluster: no message is longer than its limit.
#[test]
fn what_a_joiner_begins_with_comes_in_pages() {
    let volumes = 40_000;
    let recovered = Recovered {
        heads: (1..=volumes).map(|v| (VolumeId(v), HeadEpoch(3))).collect(),
        layers: (1..=volumes).map(|v| (VolumeId(v), LayerId(v))).collect(),
        pgs: vec![(PG, PgEpoch(5))],
        ..Recovered::default()
    };
    let config = MemberConfig { disk: S, fit: true, copy_window_bytes: 1 << 20 };
    let mut source = Bench::new(true);
    source.member = Member::new(config, recovered);
    let mut joiner = Bench::new(true);
    joiner.join(8, false);
    let mut pages = 0;
    while let Some(MemberOutput::Ask { .. }) = joiner.other.first() {
        let (request_id, request) = joiner.ask();
        source.request(request);
        source.store(Ok(StoreReply::Done));
        let page = source.replies.pop().expect("an answer");
        let rows = match &page {
            Reply::JoinOpened { heads, layers, marks, .. } => {
                heads.len() + layers.len() + marks.len()
            }
            other => panic!("{other:?}"),
        };
        assert!(rows <= 16_384, "{rows}");
        pages += 1;
        joiner.event(MemberEvent::Answer { disk: S, request_id, reply: page });
    }
    assert_eq!(pages, 5);
    let (mut opened, mut raised) = (0, 0);
    for (_, op) in &joiner.ops {
        match op {
            StoreOp::OpenLayer { .. } => opened += 1,
            StoreOp::Raise(raise) => {
                assert!(raise.volumes.len() <= 4096);
                raised += raise.volumes.len();
            }
            other => panic!("{other:?}"),
        }
    }
    // Volume 1 and layer 10 were known, layer 99 was deleted here.
    assert_eq!((opened, raised), (volumes as usize - 2, volumes as usize - 2));
}

/// A store would fill with what is known of volumes that were.
#[test]
fn nothing_is_kept_of_a_volume_that_the_cluster_forgot() {
    let mut bench = Bench::new(true);
    let opened = |bench: &mut Bench| {
        bench.request(Request::JoinOpen { pg: PG, join_at: PgEpoch(8), joiner: S, after: None });
        bench.store(Ok(StoreReply::Done));
        bench.replies.pop()
    };
    let known = opened(&mut bench);
    assert!(
        matches!(&known, Some(Reply::JoinOpened { heads, marks, .. })
        if heads.len() == 1 && marks.len() == 1),
        "{known:?}"
    );
    for layer in [LAYER, LayerId(99)] {
        bench.event(MemberEvent::DeleteLayer { layer });
        bench.store(Ok(StoreReply::Done));
        bench.event(MemberEvent::ForgetLayer { layer });
        bench.store(Ok(StoreReply::Done));
    }
    let known = opened(&mut bench);
    let nothing = Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![], more: false };
    assert_eq!(known, Some(nothing));
}

#[test]
fn a_session_of_before_the_restart_is_not_taken_up() {
    let mut bench = Bench::new(true);
    bench.join(5, false);
    let reason = JoinFailure::Restarted;
    let failed = MemberOutput::JoinFailed { pg: PG, join_at: PgEpoch(5), reason };
    assert_eq!(format!("{:?}", bench.other[0]), format!("{failed:?}"));
}

#[test]
fn a_replaced_store_serves_only_after_a_full_join() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.refused(install(9, 9)), Refusal::Unfit);
    assert_eq!(bench.refused(Request::Write(write(9, 9, Role::InSync))), Refusal::Unfit);
    let open = Request::JoinOpen { pg: PG, join_at: PgEpoch(9), joiner: S, after: None };
    assert_eq!(bench.refused(open), Refusal::Unfit, "nobody's source");
    bench.join(9, true);
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![], more: false });
    assert!(matches!(bench.ops[0].1, StoreOp::DropPg { .. }));
    assert!(matches!(bench.ops[1].1, StoreOp::Raise(_)));
    assert_eq!(bench.ops.len(), 2);
}

#[test]
fn a_copy_with_a_wrong_sum_ends_the_session() {
    let mut bench = Bench::new(false);
    bench.join(9, true);
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![], more: false });
    while !bench.ops.is_empty() {
        bench.store(Ok(StoreReply::Done));
    }
    let (volume, layer, stamp) = (V, LAYER, PgEpoch(2));
    let entry = message::CopyEntry { volume, layer, block: 0, mask: 1, stamp };
    bench.answer(Reply::CopyList { entries: vec![entry], more: false });
    let data = Bytes::from(vec![1; 4096]);
    let state = BlockState::Data { data, crc: 1 };
    let copied = message::CopyBlock { version: Version::new(1, 1), stamp, state };
    bench.answer(Reply::CopyBlocks { blocks: vec![copied] });
    assert!(bench.ops.is_empty());
    assert!(matches!(bench.other[0], MemberOutput::JoinFailed { .. }));
}
