//! A member with a hand-fed store and source: each test says what they answer.
#![allow(dead_code)] // not every test file needs all of it

use bytes::Bytes;
use shoal_engine::member::*;
use shoal_types::message::{Encoding, WriteRequest};
use shoal_types::pg::Joining;
use shoal_types::*;

pub const ME: DiskId = DiskId(1);
pub const S: DiskId = DiskId(2);
pub const PG: PgId = PgId::new(1, 0);
pub const V: VolumeId = VolumeId(1);
pub const LAYER: LayerId = LayerId(10);

pub struct Bench {
    pub member: Member,
    pub to: u64,
    pub ops: Vec<(u64, StoreOp)>,
    pub replies: Vec<Reply>,
    pub other: Vec<MemberOutput>,
}

impl Bench {
    pub fn new(fit: bool) -> Self {
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

    pub fn event(&mut self, event: MemberEvent) {
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

    pub fn request(&mut self, request: Request) {
        self.to += 1;
        self.event(MemberEvent::Request { to: ReplyTo(self.to), request });
    }

    pub fn refused(&mut self, request: Request) -> Refusal {
        self.request(request);
        match self.replies.pop() {
            Some(Reply::Refused(refusal)) if self.ops.is_empty() => refusal,
            other => panic!("not refused: {other:?}, {:?}", self.ops),
        }
    }

    pub fn store(&mut self, result: Result<StoreReply, StoreError>) -> StoreOp {
        let (token, op) = self.ops.remove(0);
        self.event(MemberEvent::Store { token, result });
        op
    }

    pub fn join(&mut self, epoch: u32, full: bool) {
        let epoch = PgEpoch(epoch);
        let out_at = PgEpoch(4);
        let joining = Some(Joining { disk: ME, join_at: epoch, out_at, full });
        let members = vec![ME, S];
        let view = PgView { pg: PG, epoch, in_sync: vec![S], joining, members };
        self.event(MemberEvent::View(view));
    }

    pub fn ask(&mut self) -> (u64, Request) {
        match self.other.remove(0) {
            MemberOutput::Ask { disk, request_id, request } if disk == S => (request_id, request),
            other => panic!("nothing is asked: {other:?}"),
        }
    }

    pub fn answer(&mut self, reply: Reply) -> Request {
        let (request_id, request) = self.ask();
        self.event(MemberEvent::Answer { disk: S, request_id, reply });
        request
    }
}

pub fn write(he: u32, pe: u32, role: Role) -> WriteRequest {
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

pub fn install(he: u32, pe: u32) -> Request {
    Request::Install {
        volume: V,
        pg: PG,
        head_epoch: HeadEpoch(he),
        pg_epoch: PgEpoch(pe),
        role: Role::InSync,
        after: None,
    }
}

pub fn read(he: u32, pe: u32) -> Request {
    let (head_epoch, pg_epoch) = (HeadEpoch(he), PgEpoch(pe));
    Request::Read { volume: V, pg: PG, layer: LAYER, block: 0, blocks: 1, head_epoch, pg_epoch }
}
