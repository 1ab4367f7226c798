//! Clients: each does one thing after the other, at whatever head says it serves the volume, and
//! remembers what it was told.

use std::collections::BTreeMap;

use shoal_engine::head::{ClientError, ClientOp, ClientReply, HeadEvent, Segment};
use shoal_types::{HeadEpoch, VolumeId};

use super::World;
use super::event::Event;
use crate::check::value::{SECTOR_BYTES, SECTORS, fill, value_of};
use crate::check::{Action, Register};

pub struct Clients {
    busy: BTreeMap<u64, Doing>,
    next_op: u64,
    next_value: u64,
    /// Orders beginnings and ends; no two are equal.
    clock: u64,
    pub histories: BTreeMap<(VolumeId, u64), Register>,
    /// Clients rest: the world is about to be checked.
    pub rest: bool,
    pub final_reads: BTreeMap<VolumeId, bool>,
    /// The newest head of each volume that served, and since when.
    served: BTreeMap<VolumeId, (HeadEpoch, u64)>,
}

#[derive(Clone, Debug)]
struct Doing {
    volume: VolumeId,
    client: Option<u64>,
    head: u64,
    head_epoch: HeadEpoch,
    start: u64,
    what: What,
    /// Sectors.
    from: u64,
    count: u64,
    /// Its client goes on without an answer.
    given_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Read,
    Write(u64),
    Flush,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write(0) => "zero",
            Self::Write(_) => "write",
            Self::Flush => "flush",
        }
    }
}

/// Requests that nobody waits for any more; beyond it clients wait after all.
const GIVEN_UP_MAX: usize = 12;

impl Clients {
    pub fn new() -> Self {
        Self {
            busy: BTreeMap::new(),
            next_op: 1,
            next_value: 1,
            clock: 1,
            histories: BTreeMap::new(),
            rest: false,
            final_reads: BTreeMap::new(),
            served: BTreeMap::new(),
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Every in-sync member installed this head's epoch: no older head may write from here on.
    pub fn served(&mut self, volume: VolumeId, head_epoch: HeadEpoch) {
        let now = self.tick();
        let newest = self.served.entry(volume).or_insert((head_epoch, now));
        if newest.0 < head_epoch {
            *newest = (head_epoch, now);
        }
    }

    /// Its device was taken away before it was asked: no write of it may happen, ever.
    fn is_fenced(&self, doing: &Doing) -> bool {
        let newest = self.served.get(&doing.volume);
        newest.is_some_and(|(epoch, since)| *epoch > doing.head_epoch && *since < doing.start)
    }

    pub fn is_idle(&self) -> bool {
        self.busy.is_empty()
    }

    pub fn oldest(&self) -> String {
        format!("{:?}", self.busy.values().next())
    }

    fn add(&mut self, doing: &Doing, end: Option<u64>, action: impl Fn(u64) -> Action) {
        for sector in (doing.from..doing.from + doing.count).filter(|s| is_watched(*s)) {
            let register = self.histories.entry((doing.volume, sector)).or_default();
            register.add(doing.start, end, action(sector));
        }
    }
}

/// Histories are kept of the first, a middle and the last sector of each block.
fn is_watched(sector: u64) -> bool {
    matches!(sector % SECTORS, 0 | 3 | 7)
}

impl World {
    pub fn client_turn(&mut self, volume: VolumeId, client: u64) {
        if self.clients.rest || !self.cluster.volumes.contains_key(&volume) {
            return;
        }
        let heads: Vec<u64> =
            self.heads.iter().filter(|(_, h)| h.volume == volume).map(|(id, _)| *id).collect();
        // Mostly the newest; sometimes one that does not know yet that it is over.
        let newest = self.rng.percent(70);
        let chosen = if newest { heads.last().copied() } else { self.rng.pick(&heads).copied() };
        let awake = |id: &u64| self.pause_left(self.heads[id].peer).is_none();
        let Some(head) = chosen.filter(awake) else {
            return self.at(20_000, Event::Client { volume, client });
        };
        let used = self.cluster.volumes[&volume].used;
        let (what, from, count) = match self.only_reads_at(head) {
            true => (What::Read, self.rng.below(used) * self.plan.stride * SECTORS, SECTORS),
            false => self.choose(used),
        };
        self.submit(volume, Some(client), head, what, from, count);
    }

    fn choose(&mut self, blocks: u64) -> (What, u64, u64) {
        let stride = self.plan.stride;
        let first = self.rng.below(blocks) * stride;
        let most = if stride > 1 { 1 } else { (blocks - first).min(6) };
        let many = self.rng.percent(25);
        let count = if many { self.rng.range(1, most + 1) } else { 1 };
        self.clients.next_value += 1;
        let value = self.clients.next_value;
        let (from, sectors) = (first * SECTORS, count * SECTORS);
        match self.rng.below(100) {
            0..45 => (What::Write(value), from, sectors),
            45..82 => (What::Read, from, sectors),
            82..90 => (What::Write(0), from, sectors),
            90..97 => {
                let skip = self.rng.below(SECTORS);
                let len = self.rng.range(1, sectors - skip + 1);
                let what = if self.rng.percent(25) { What::Write(0) } else { What::Write(value) };
                (what, from + skip, len)
            }
            _ => (What::Flush, 0, 0),
        }
    }

    fn submit(
        &mut self,
        volume: VolumeId,
        client: Option<u64>,
        head: u64,
        what: What,
        from: u64,
        count: u64,
    ) {
        let (offset, len) = (from * SECTOR_BYTES as u64, count * SECTOR_BYTES as u64);
        let op = match what {
            What::Read => ClientOp::Read { offset, len: len as u32 },
            What::Write(0) => ClientOp::Zero { offset, len },
            What::Write(value) => ClientOp::Write { offset, data: fill(value, count) },
            What::Flush => ClientOp::Flush,
        };
        let (op_id, start) = (self.clients.next_op, self.clients.tick());
        self.clients.next_op += 1;
        let given_up = false;
        let head_epoch = self.heads[&head].head_epoch;
        let doing = Doing { volume, client, head, head_epoch, start, what, from, count, given_up };
        self.note(|| format!("op {op_id}: {doing:?}"));
        self.clients.busy.insert(op_id, doing);
        self.counts.ops += 1;
        *self.counts.op_kinds.entry(what.name()).or_default() += 1;
        if client.is_some() {
            let patience = self.rng.range(50_000, 1_500_000);
            self.at(patience, Event::Patience { op_id });
        }
        self.head_event(head, HeadEvent::Request { op_id, op });
    }

    /// The client does something else; the request is still under way.
    pub fn lose_patience(&mut self, op_id: u64) {
        let given_up = self.clients.busy.values().filter(|d| d.given_up).count();
        let Some(doing) = self.clients.busy.get_mut(&op_id) else { return };
        if given_up >= GIVEN_UP_MAX {
            return self.at(500_000, Event::Patience { op_id });
        }
        doing.given_up = true;
        let (volume, client) = (doing.volume, doing.client.expect("only clients lose patience"));
        self.at(1, Event::Client { volume, client });
    }

    pub fn completed(&mut self, head: u64, op_id: u64, result: Result<ClientReply, ClientError>) {
        let doing = self.clients.busy.remove(&op_id).expect("each request ends once");
        let end = self.clients.tick();
        self.trace.mix((op_id, result.is_ok()));
        let in_silence = result.is_ok() && doing.what != What::Flush && self.is_silent();
        self.counts.ops_in_silence += u64::from(in_silence);
        self.note(|| format!("op {op_id} ends: {:?}", result.as_ref().map(|_| ())));
        match (doing.what, result) {
            (What::Flush, Ok(ClientReply::Flushed)) => {}
            (What::Write(_), Ok(_)) if self.clients.is_fenced(&doing) => {
                self.fail(format!("{doing:?} was accepted, and a newer head served before"));
            }
            (What::Write(value), Ok(ClientReply::Written)) => {
                self.clients.add(&doing, Some(end), |_| Action::Write(value));
                self.check_acknowledged(head, doing.volume, doing.from, doing.count, value);
            }
            (What::Read, Ok(ClientReply::Read(segments))) => {
                self.add_read(&doing, end, segments);
                if doing.client.is_none() {
                    self.clients.final_reads.insert(doing.volume, true);
                }
            }
            (What::Write(_), Err(ClientError::BadBlock { .. })) if !self.may_be_bad() => {
                self.fail(format!("{doing:?} failed by a bad block with a good copy there"));
            }
            (What::Write(_), Err(ClientError::OutOfRange)) if self.is_beyond(head, &doing) => {
                self.counts.ops_failed += 1;
            }
            (What::Write(value), Err(error)) => {
                self.counts.ops_failed += 1;
                self.counts.no_space += u64::from(error == ClientError::NoSpace);
                self.end_unknown(&doing, value, error == ClientError::NoSpace);
            }
            (_, Err(ClientError::Fenced | ClientError::Closed)) => self.counts.ops_failed += 1,
            (_, Err(ClientError::Deleted)) if self.cluster.deleted.has(doing.volume) => {
                self.counts.ops_failed += 1;
            }
            (What::Read, Err(ClientError::OutOfRange)) if self.is_beyond(head, &doing) => {
                self.counts.ops_failed += 1;
                if doing.client.is_none() {
                    self.clients.final_reads.remove(&doing.volume);
                }
            }
            (What::Read, Err(ClientError::BadBlock { .. })) if self.may_be_bad() => {
                self.counts.ops_failed += 1;
                if doing.client.is_none() {
                    self.clients.final_reads.remove(&doing.volume);
                }
            }
            (what, result) => self.fail(format!("{what:?} was answered with {result:?}")),
        }
        self.next_turn(&doing);
    }

    /// The head has not heard yet that the volume grew.
    fn is_beyond(&self, head: u64, doing: &Doing) -> bool {
        let used = self.heads.get(&head).map_or(0, |h| h.used);
        doing.from + doing.count > self.plan.blocks_between(used) * SECTORS
    }

    /// It may happen at any later time or never; one that found no room, or came to a head that was
    /// over, did not happen. (Of several blocks, some may have had room.)
    fn end_unknown(&mut self, doing: &Doing, value: u64, no_space: bool) {
        let single = doing.from / SECTORS == (doing.from + doing.count - 1) / SECTORS;
        if (no_space && single) || self.clients.is_fenced(doing) {
            return;
        }
        self.clients.add(doing, None, |_| Action::Write(value));
    }

    fn next_turn(&mut self, doing: &Doing) {
        if doing.given_up {
            return;
        }
        let think = self.rng.below(self.plan.think_us) + 1;
        match doing.client {
            Some(client) => self.at(think, Event::Client { volume: doing.volume, client }),
            None => {
                self.clients.final_reads.entry(doing.volume).or_insert(false);
            }
        }
    }

    fn add_read(&mut self, doing: &Doing, end: u64, segments: Vec<Segment>) {
        let mut bytes = Vec::new();
        for segment in segments {
            match segment {
                Segment::Data(data) => bytes.extend_from_slice(&data),
                Segment::Zeros(len) => bytes.resize(bytes.len() + len, 0),
            }
        }
        let values: Vec<Option<u64>> = bytes.chunks(SECTOR_BYTES).map(value_of).collect();
        if values.len() as u64 != doing.count || values.contains(&None) {
            return self.fail(format!("{doing:?} returned wrong bytes: {values:?}"));
        }
        let value = |sector: u64| values[(sector - doing.from) as usize].expect("checked");
        self.clients.add(doing, Some(end), |sector| Action::Read(value(sector)));
    }

    /// The head's process died: its clients will never know.
    pub fn lose_requests_of(&mut self, head: u64) {
        let of = |(id, d): (&u64, &Doing)| (d.head == head).then_some(*id);
        for op in self.clients.busy.iter().filter_map(of).collect::<Vec<_>>() {
            let doing = self.clients.busy.remove(&op).expect("listed");
            if let What::Write(value) = doing.what {
                self.end_unknown(&doing, value, false);
            }
            if doing.client.is_none() {
                self.clients.final_reads.remove(&doing.volume);
            }
            self.next_turn(&doing);
        }
    }

    /// One read of everything, at the newest head.
    pub fn read_all(&mut self, volume: VolumeId) {
        let heads = self.heads.iter().rev();
        let newest = heads.filter(|(_, h)| h.volume == volume).map(|(id, _)| *id).next();
        if let Some(head) = newest {
            self.clients.final_reads.insert(volume, false);
            let sectors = self.volume_blocks(volume) * SECTORS;
            self.submit(volume, None, head, What::Read, 0, sectors);
        }
    }
}
