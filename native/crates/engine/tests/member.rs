//! The member, event by event: what it refuses, when it answers, what hostile bytes do to it.

use bytes::Bytes;
use shoal_engine::member::*;
use shoal_types::message::{Encoding, WriteRequest};
use shoal_types::pg::Joining;
use shoal_types::*;

const ME: DiskId = DiskId(1);
const S: DiskId = DiskId(2);
const PG: PgId = PgId::new(1, 0);
const V: VolumeId = VolumeId(1);
const LAYER: LayerId = LayerId(10);

struct Bench {
    member: Member,
    to: u64,
    ops: Vec<(u64, StoreOp)>,
    replies: Vec<Reply>,
    other: Vec<MemberOutput>,
}

impl Bench {
    fn new(fit: bool) -> Self {
        let config = MemberConfig { disk: ME, fit, copy_window_bytes: 1 << 20 };
        let recovered = Recovered {
            heads: vec![(V, HeadEpoch(3))],
            pgs: if fit { vec![(PG, PgEpoch(5))] } else { vec![] },
            watermarks: vec![(V, PG, Version::new(3, 7), Version::new(3, 9))],
            layers: vec![(V, LAYER)],
            deleted_layers: vec![(V, LayerId(99))],
        };
        let member = Member::new(config, recovered);
        Self { member, to: 0, ops: vec![], replies: vec![], other: vec![] }
    }

    fn event(&mut self, event: MemberEvent) {
        let mut outputs = Vec::new();
        self.member.handle(event, &mut outputs);
        for output in outputs {
            match output {
                MemberOutput::Store { token, op } => self.ops.push((token, op)),
                MemberOutput::Reply { reply, .. } => self.replies.push(reply),
                other => self.other.push(other),
            }
        }
    }

    fn request(&mut self, request: Request) {
        self.to += 1;
        self.event(MemberEvent::Request { to: ReplyTo(self.to), request });
    }

    fn refused(&mut self, request: Request) -> Refusal {
        self.request(request);
        match self.replies.pop() {
            Some(Reply::Refused(refusal)) if self.ops.is_empty() => refusal,
            other => panic!("not refused: {other:?}, {:?}", self.ops),
        }
    }

    fn store(&mut self, result: Result<StoreReply, StoreError>) -> StoreOp {
        let (token, op) = self.ops.remove(0);
        self.event(MemberEvent::Store { token, result });
        op
    }

    fn join(&mut self, epoch: u32, full: bool) {
        let epoch = PgEpoch(epoch);
        let out_at = PgEpoch(4);
        let joining = Some(Joining { disk: ME, join_at: epoch, out_at, full });
        let members = vec![ME, S];
        let view = PgView { pg: PG, epoch, in_sync: vec![S], joining, members };
        self.event(MemberEvent::View(view));
    }

    fn ask(&mut self) -> (u64, Request) {
        match self.other.remove(0) {
            MemberOutput::Ask { disk, request_id, request } if disk == S => (request_id, request),
            other => panic!("nothing is asked: {other:?}"),
        }
    }

    fn answer(&mut self, reply: Reply) -> Request {
        let (request_id, request) = self.ask();
        self.event(MemberEvent::Answer { disk: S, request_id, reply });
        request
    }
}

fn write(he: u32, pe: u32, role: Role) -> WriteRequest {
    let data = Bytes::from(vec![1u8; 4096]);
    let crcs = vec![checksum::block_crc(LAYER, 8, &data)];
    WriteRequest {
        volume: V,
        pg: PG,
        layer: LAYER,
        block: 8,
        version: Version::new(he, 20),
        pg_epoch: PgEpoch(pe),
        watermark: Version::new(he, 19),
        role,
        body: Body::Data { data, crcs, encoding: Encoding::PLAIN },
    }
}

fn install(he: u32, pe: u32) -> Request {
    Request::Install {
        volume: V,
        pg: PG,
        head_epoch: HeadEpoch(he),
        pg_epoch: PgEpoch(pe),
        role: Role::InSync,
        after: None,
    }
}

fn read(he: u32, pe: u32) -> Request {
    let (head_epoch, pg_epoch) = (HeadEpoch(he), PgEpoch(pe));
    Request::Read { volume: V, pg: PG, layer: LAYER, block: 0, blocks: 1, head_epoch, pg_epoch }
}

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

#[test]
fn resync_begins_with_what_was_left_over_and_spares_live_writes() {
    let mut bench = Bench::new(true);
    bench.join(8, false);
    // A live write that comes before the session is open waits for it.
    let live = write(5, 8, Role::Joining { join_at: PgEpoch(8) });
    bench.request(Request::Write(live));
    assert!(bench.replies.is_empty() && bench.ops.is_empty());
    let marks = vec![(V, Version::new(4, 1), Version::new(4, 1))];
    bench.answer(Reply::JoinOpened { heads: vec![(V, HeadEpoch(5))], layers: vec![], marks });
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
    bench.answer(Reply::JoinOpened { heads, layers: vec![(V, LAYER)], marks });
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
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks });
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
        bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![] });
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
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks });
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
    bench.answer(Reply::JoinOpened { heads: vec![], layers, marks: vec![] });
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
        bench.answer(Reply::JoinOpened { heads: vec![], layers, marks: vec![] });
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

/// A store would fill with what is known of volumes that were.
#[test]
fn nothing_is_kept_of_a_volume_that_the_cluster_forgot() {
    let mut bench = Bench::new(true);
    let opened = |bench: &mut Bench| {
        bench.request(Request::JoinOpen { pg: PG, join_at: PgEpoch(8), joiner: S });
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
    let nothing = Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![] };
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
    let open = Request::JoinOpen { pg: PG, join_at: PgEpoch(9), joiner: S };
    assert_eq!(bench.refused(open), Refusal::Unfit, "nobody's source");
    bench.join(9, true);
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![] });
    assert!(matches!(bench.ops[0].1, StoreOp::DropPg { .. }));
    assert!(matches!(bench.ops[1].1, StoreOp::Raise(_)));
    assert_eq!(bench.ops.len(), 2);
}

#[test]
fn a_copy_with_a_wrong_sum_ends_the_session() {
    let mut bench = Bench::new(false);
    bench.join(9, true);
    bench.answer(Reply::JoinOpened { heads: vec![], layers: vec![], marks: vec![] });
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
