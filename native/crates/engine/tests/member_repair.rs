//! A bad block at a member: whom it asks, what it hands to its store, what it says in the end.

use bytes::Bytes;
use shoal_engine::member::*;
use shoal_types::message::CopyBlock;
use shoal_types::*;

const ME: DiskId = DiskId(1);
const S: DiskId = DiskId(2);
const T: DiskId = DiskId(3);
const PG: PgId = PgId::new(1, 0);
const LAYER: LayerId = LayerId(10);
const BLOCK: u64 = 7;
const BAD: Result<StoreReply, StoreError> = Err(StoreError::BadBlock { block: BLOCK });

struct Bench {
    member: Member,
    out: Vec<MemberOutput>,
}

impl Bench {
    fn new(in_sync: &[DiskId]) -> Self {
        let config = MemberConfig { disk: ME, fit: true, copy_window_bytes: 1 << 20 };
        let recovered = Recovered {
            heads: vec![(VolumeId(1), HeadEpoch(3))],
            pgs: vec![(PG, PgEpoch(5))],
            layers: vec![(VolumeId(1), LAYER)],
            ..Recovered::default()
        };
        let mut bench = Self { member: Member::new(config, recovered), out: vec![] };
        let (in_sync, members) = (in_sync.to_vec(), vec![ME, S, T]);
        let view = PgView { pg: PG, epoch: PgEpoch(9), in_sync, joining: None, members };
        bench.event(MemberEvent::View(view));
        bench
    }

    fn event(&mut self, event: MemberEvent) {
        self.member.handle(event, &mut self.out);
    }

    fn repair(&mut self) {
        self.event(MemberEvent::Repair { pg: PG, layer: LAYER, block: BLOCK });
    }

    /// A head's read, up to its store.
    fn read(&mut self, pg_epoch: PgEpoch) -> u64 {
        let (block, blocks) = (BLOCK - 1, 4);
        let (volume, head_epoch) = (VolumeId(1), HeadEpoch(3));
        let request =
            Request::Read { volume, pg: PG, layer: LAYER, block, blocks, head_epoch, pg_epoch };
        self.event(MemberEvent::Request { to: ReplyTo(1), request });
        self.store_op().0
    }

    fn read_fails(&mut self, pg_epoch: PgEpoch) {
        let token = self.read(pg_epoch);
        self.event(MemberEvent::Store { token, result: BAD });
    }

    fn refusal(&mut self) -> Refusal {
        match self.out.remove(0) {
            MemberOutput::Reply { to: ReplyTo(1), reply: Reply::Refused(refusal) } => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// The question that was sent, and to whom.
    fn asked(&mut self) -> (DiskId, u64) {
        match self.out.remove(0) {
            MemberOutput::Ask { disk, request_id, request } => {
                let Request::CopyRead { pg, layer, block, blocks, .. } = request else {
                    panic!("{request:?}")
                };
                assert_eq!((pg, layer, block, blocks), (PG, LAYER, BLOCK, 1));
                (disk, request_id)
            }
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, (disk, request_id): (DiskId, u64), reply: Reply) {
        self.event(MemberEvent::Answer { disk, request_id, reply });
    }

    fn store_op(&mut self) -> (u64, StoreOp) {
        match self.out.remove(0) {
            MemberOutput::Store { token, op } => (token, op),
            other => panic!("{other:?}"),
        }
    }

    fn ended(&mut self) -> RepairOutcome {
        match self.out.remove(0) {
            MemberOutput::RepairEnded { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }
}

fn copy(byte: u8) -> Reply {
    let data = Bytes::from(vec![byte; 4096]);
    let crc = checksum::block_crc(LAYER, BLOCK, &data);
    let state = BlockState::Data { data, crc };
    let (version, stamp) = (Version::new(3, 1), PgEpoch(1));
    Reply::CopyBlocks { blocks: vec![CopyBlock { version, stamp, state }] }
}

/// Where all copies are bad, members that repaired what they are asked would ask each other for ever.
#[test]
fn what_another_repair_asks_for_starts_none() {
    let mut bench = Bench::new(&[ME, S, T]);
    for (join_at, asks) in [(PgEpoch::ZERO, false), (PgEpoch(5), true)] {
        let request = Request::CopyRead { pg: PG, join_at, layer: LAYER, block: BLOCK, blocks: 1 };
        bench.event(MemberEvent::Request { to: ReplyTo(1), request });
        let token = bench.store_op().0;
        bench.event(MemberEvent::Store { token, result: BAD });
        let is_ask = |output: &MemberOutput| matches!(output, MemberOutput::Ask { .. });
        assert_eq!(bench.out.iter().any(is_ask), asks, "{join_at:?}");
        bench.out.retain(|output| !is_ask(output));
        assert_eq!(bench.refusal(), Refusal::BadBlock);
    }
}

#[test]
fn a_read_that_fails_is_refused_and_its_block_repaired() {
    let mut bench = Bench::new(&[ME, S, T]);
    bench.read_fails(PgEpoch(9));
    let asked = bench.asked();
    assert_eq!(bench.refusal(), Refusal::BadBlock);
    bench.answer(asked, copy(4));
    let (token, op) = bench.store_op();
    assert!(matches!(op, StoreOp::Repair { block: BLOCK, .. }));
    bench.event(MemberEvent::Store { token, result: Ok(StoreReply::Done) });
    assert_eq!(bench.ended(), RepairOutcome::Repaired);
    assert!(!bench.member.is_repairing());
}

#[test]
fn a_head_of_an_older_view_hears_of_the_newer_one_before_it_gives_a_block_up() {
    // The head's view may be from before S came in sync, and S has the block.
    let mut bench = Bench::new(&[ME, S]);
    bench.read_fails(PgEpoch(8));
    assert_eq!(bench.asked().0, S);
    assert_eq!(bench.refusal(), Refusal::StalePg { seen: PgEpoch(9) });
    // The next one asks under the view of now, and one from beyond it is nothing to wait for.
    for pg_epoch in [PgEpoch(9), PgEpoch(10)] {
        bench.read_fails(pg_epoch);
        assert_eq!(bench.refusal(), Refusal::BadBlock);
    }
}

#[test]
fn a_newer_view_at_the_time_of_the_answer_counts() {
    let mut bench = Bench::new(&[ME]);
    let token = bench.read(PgEpoch(9));
    let (in_sync, members) = (vec![ME, T], vec![ME, S, T]);
    let view = PgView { pg: PG, epoch: PgEpoch(10), in_sync, joining: None, members };
    bench.event(MemberEvent::View(view));
    bench.event(MemberEvent::Store { token, result: BAD });
    assert_eq!(bench.asked().0, T);
    assert_eq!(bench.refusal(), Refusal::StalePg { seen: PgEpoch(10) });
}

#[test]
fn bytes_that_the_store_will_not_have_are_asked_of_the_next() {
    let mut bench = Bench::new(&[ME, S, T]);
    bench.repair();
    bench.repair();
    let first = bench.asked();
    assert!(bench.out.is_empty(), "one repair of a block at a time");
    bench.answer(first, copy(4));
    let (token, _) = bench.store_op();
    let bad = Err(StoreError::BadBlock { block: BLOCK });
    bench.event(MemberEvent::Store { token, result: bad });
    let second = bench.asked();
    assert_ne!(first.0, second.0);
    bench.answer(second, Reply::Refused(Refusal::BadBlock));
    assert_eq!(bench.ended(), RepairOutcome::Postponed, "one copy is sound, though another one");
}

#[test]
fn lost_is_only_what_every_copy_is_bad_of() {
    let mut bench = Bench::new(&[ME, S, T]);
    bench.repair();
    for _ in 0..2 {
        let asked = bench.asked();
        bench.answer(asked, Reply::Refused(Refusal::BadBlock));
    }
    assert_eq!(bench.ended(), RepairOutcome::Lost);
    let mut alone = Bench::new(&[ME]);
    alone.repair();
    assert_eq!(alone.ended(), RepairOutcome::Lost);
    let mut away = Bench::new(&[ME, S, T]);
    away.event(MemberEvent::Disconnected { disk: T });
    away.repair();
    let asked = away.asked();
    assert_eq!(asked.0, S);
    away.event(MemberEvent::Disconnected { disk: S });
    assert_eq!(away.ended(), RepairOutcome::Postponed, "nobody could be asked");
    away.answer(asked, copy(4));
    assert!(away.out.is_empty(), "a late answer changes nothing");
}

#[test]
fn wrong_sums_and_foreign_shapes_never_reach_the_store() {
    let mut bench = Bench::new(&[ME, S, T]);
    bench.repair();
    let asked = bench.asked();
    let Reply::CopyBlocks { mut blocks } = copy(4) else { unreachable!() };
    if let BlockState::Data { crc, .. } = &mut blocks[0].state {
        *crc ^= 1;
    }
    bench.answer(asked, Reply::CopyBlocks { blocks });
    let asked = bench.asked();
    bench.answer(asked, Reply::CopyBlocks { blocks: vec![] });
    assert_eq!(bench.ended(), RepairOutcome::Postponed);
}

#[test]
fn a_member_that_is_not_in_sync_waits_for_its_resync() {
    let mut bench = Bench::new(&[S, T]);
    bench.repair();
    assert_eq!(bench.ended(), RepairOutcome::Postponed);
    bench.event(MemberEvent::StoreFenced);
    bench.repair();
    assert_eq!(bench.ended(), RepairOutcome::Postponed);
}
