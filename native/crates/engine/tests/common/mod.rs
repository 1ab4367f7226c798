//! A head with hand-fed members: each test says what they answer.

use bytes::Bytes;
use shoal_engine::head::*;
use shoal_types::pg::Joining;
use shoal_types::*;

pub const A: DiskId = DiskId(1);
pub const B: DiskId = DiskId(2);
pub const C: DiskId = DiskId(3);
pub const PG: PgId = PgId::new(1, 0);
pub const LAYER: LayerId = LayerId(10);

pub struct Bench {
    pub head: Head,
    pub reads: ReadMode,
    pub now_us: u64,
    pub sent: Vec<(DiskId, u64, Request)>,
    pub done: Vec<(u64, Result<ClientReply, ClientError>)>,
    pub other: Vec<HeadCommand>,
}

pub fn view(epoch: u32, in_sync: &[DiskId], joiner: Option<DiskId>) -> PgView {
    let epoch = PgEpoch(epoch);
    let joining =
        joiner.map(|disk| Joining { disk, join_at: epoch, out_at: PgEpoch(1), full: false });
    PgView { pg: PG, epoch, in_sync: in_sync.to_vec(), joining, members: vec![A, B, C] }
}

pub fn config() -> HeadConfig {
    HeadConfig {
        volume: VolumeId(1),
        lineage: LineageId(1),
        layer: LAYER,
        size_bytes: 64 * 4096,
        policy: PolicyId(1),
        pg_count: 1,
        blocks_per_extent: 32,
        min_in_sync: 2,
        local_disks: vec![B],
        timing: HeadTiming::default(),
    }
}

impl Bench {
    pub fn new(reads: ReadMode) -> Self {
        let head = Head::new(config());
        Self { head, reads, now_us: 1, sent: vec![], done: vec![], other: vec![] }
    }

    /// Granted, collected (nothing unsettled), active, with a lease.
    pub fn active(reads: ReadMode) -> Self {
        let mut bench = Self::new(reads);
        bench.event(HeadEvent::Lease { valid_until_us: 1_000_000 });
        let views = vec![view(1, &[A, B, C], None)];
        bench.grant(views);
        bench
    }

    /// Granted, and collected where nothing is unsettled.
    pub fn grant(&mut self, views: Vec<PgView>) {
        let (head_epoch, reads) = (HeadEpoch(4), self.reads);
        self.event(HeadEvent::Granted { head_epoch, reads, views });
        self.answer_all(|request| match request {
            Request::OpenLayer { .. } => Some(Reply::LayerOpened),
            Request::Install { .. } => Some(installed(vec![])),
            _ => None,
        });
        assert_eq!(self.head.status().phase, HeadPhase::Active);
    }

    pub fn event(&mut self, event: HeadEvent) {
        let mut commands = Vec::new();
        self.head.handle(self.now_us, event, &mut commands);
        for command in commands {
            match command {
                HeadCommand::Send { disk, request_id, request } => {
                    self.sent.push((disk, request_id, request));
                }
                HeadCommand::Complete { op_id, result, .. } => self.done.push((op_id, result)),
                other => self.other.push(other),
            }
        }
    }

    pub fn request(&mut self, op_id: u64, op: ClientOp) {
        self.event(HeadEvent::Request { op_id, op });
    }

    pub fn write(&mut self, op_id: u64, block: u64, byte: u8) {
        let data = Bytes::from(vec![byte; 4096]);
        self.request(op_id, ClientOp::Write { offset: block * 4096, data });
    }

    /// Answers everything sent so far to which `answer` knows one; the rest stays.
    pub fn answer_all(&mut self, answer: impl Fn(&Request) -> Option<Reply>) {
        self.answer_of(|_, request| answer(request));
    }

    pub fn answer_of(&mut self, answer: impl Fn(DiskId, &Request) -> Option<Reply>) {
        for (disk, request_id, request) in std::mem::take(&mut self.sent) {
            match answer(disk, &request) {
                Some(reply) => self.event(HeadEvent::Reply { disk, request_id, reply }),
                None => self.sent.push((disk, request_id, request)),
            }
        }
    }

    pub fn later(&mut self, us: u64) {
        self.now_us += us;
        self.event(HeadEvent::Tick);
    }

    pub fn sent_to(&self) -> Vec<DiskId> {
        self.sent.iter().map(|(disk, ..)| *disk).collect()
    }
}

pub fn installed(entries: Vec<message::EntryInfo>) -> Reply {
    let newest = entries.iter().map(|e| e.version).max().unwrap_or(Version::ZERO);
    Reply::Installed { entries, watermark: Version::ZERO, newest, more: false }
}

pub fn written(request: &Request) -> Option<Reply> {
    let Request::Write(write) = request else { return None };
    let (version, pg_epoch) = (write.version, write.pg_epoch);
    Some(Reply::Written { version, pg_epoch, free_blocks: 1000 })
}

pub fn data(block: u64, byte: u8) -> BlockState {
    let data = Bytes::from(vec![byte; 4096]);
    let crc = checksum::block_crc(LAYER, block, &data);
    BlockState::Data { data, crc }
}
