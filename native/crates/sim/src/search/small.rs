//! One PG of three members, one volume, and everything that may happen to them next: the smallest
//! world in which the protocol can go wrong. Packets arrive in any order; stores are durable at once.

use shoal_engine::head::{
    ClientOp, Head, HeadCommand, HeadConfig, HeadEvent, HeadTiming, ReadMode,
};
use shoal_engine::insync::PgRecord;
use shoal_engine::member::{Member, MemberConfig, MemberEvent, MemberOutput, ReplyTo};
use shoal_types::{
    DiskId, HeadEpoch, LayerId, LineageId, PgEpoch, PgId, PolicyId, Reply, Request, Version,
    VolumeId,
};

use crate::check::value::{SECTORS, fill};
use crate::check::{Action as Effect, Register};
use crate::model_store::ModelStore;
use crate::rng::Rng;

pub const PG: PgId = PgId::new(1, 0);
pub const VOLUME: VolumeId = VolumeId(1);
pub const LAYER: LayerId = LayerId(10);
const BLOCK: u64 = 4096;
/// Capacity of a store: never full.
const ROOM: usize = 100;

/// What may still happen: each is used up.
#[derive(Clone, Debug, Hash)]
pub struct Budget {
    pub writes: u32,
    pub reads: u32,
    pub removals: u32,
    pub joins: u32,
    pub take_overs: u32,
    pub member_crashes: u32,
    pub head_crashes: u32,
    pub breaks: u32,
    pub ticks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    Head(u64),
    Member(DiskId),
}

#[derive(Clone, Debug)]
pub enum Packet {
    Ask { disk: DiskId, asker: Asker, id: u64, request: Request },
    Answer { disk: DiskId, asker: Asker, id: u64, reply: Reply },
    JoinDone { disk: DiskId, join_at: PgEpoch, source: DiskId },
    JoinFailed { disk: DiskId, join_at: PgEpoch },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Deliver(usize),
    TellHead(usize),
    TellMember(usize),
    Write { head: usize, block: u64 },
    Read { head: usize, block: u64 },
    Remove(DiskId),
    Join(DiskId),
    TakeOver,
    CrashMember(usize),
    CrashHead(usize),
    Break { head: usize, disk: DiskId },
    Tick(usize),
}

#[derive(Clone, Debug)]
pub struct HeadSlot {
    pub id: u64,
    pub head: Head,
    pub epoch: HeadEpoch,
    pub(super) told: PgEpoch,
    now_us: u64,
    pub active: bool,
}

#[derive(Clone, Debug)]
pub struct MemberSlot {
    pub disk: DiskId,
    pub member: Member,
    pub store: ModelStore,
    fit: bool,
    told: PgEpoch,
    replies: Vec<(u64, Asker, u64)>,
    next_reply: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Doing {
    pub(super) op: u64,
    pub(super) head: u64,
    pub(super) block: u64,
    pub(super) start: u64,
    /// Of a write.
    pub(super) value: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Small {
    pub record: PgRecord,
    pub epoch: HeadEpoch,
    pub lease: bool,
    pub heads: Vec<HeadSlot>,
    pub members: Vec<MemberSlot>,
    pub net: Vec<Packet>,
    pub budget: Budget,
    pub(super) blocks: u64,
    pub(super) doing: Vec<Doing>,
    pub histories: Vec<Register>,
    pub(super) acked: Vec<(u64, Version)>,
    next: u64,
    clock: u64,
    pub broken: Option<String>,
}

impl Small {
    pub fn new(
        record: PgRecord,
        stores: Vec<ModelStore>,
        blocks: u64,
        lease: bool,
        budget: Budget,
    ) -> Self {
        let member = |(i, store): (usize, ModelStore)| {
            let disk = record.members[i].disk;
            MemberSlot::open(disk, store, !record.members[i].full)
        };
        let members = stores.into_iter().enumerate().map(member).collect();
        let histories = vec![Register::default(); blocks as usize];
        Self {
            record,
            epoch: HeadEpoch(1),
            lease,
            heads: Vec::new(),
            members,
            net: Vec::new(),
            budget,
            blocks,
            doing: Vec::new(),
            histories,
            acked: Vec::new(),
            next: 1_000,
            clock: 1,
            broken: None,
        }
    }

    /// A value that was written and acknowledged before the beginning.
    pub fn was_written(&mut self, block: u64, value: u64, version: Version) {
        let (start, end) = (self.tick(), self.tick());
        self.histories[block as usize].add(start, Some(end), Effect::Write(value));
        self.acked.push((block, version));
    }

    /// A value that some member may hold, and nobody was told of.
    pub fn was_tried(&mut self, block: u64, value: u64) {
        let start = self.tick();
        self.histories[block as usize].add(start, None, Effect::Write(value));
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Everything that may come next.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = (0..self.net.len()).map(Step::Deliver).collect();
        let b = &self.budget;
        for (i, slot) in self.heads.iter().enumerate() {
            if slot.told < self.record.epoch {
                steps.push(Step::TellHead(i));
            }
            for block in 0..self.blocks {
                if b.writes > 0 {
                    steps.push(Step::Write { head: i, block });
                }
                if b.reads > 0 {
                    steps.push(Step::Read { head: i, block });
                }
            }
            if b.head_crashes > 0 {
                steps.push(Step::CrashHead(i));
            }
            if b.breaks > 0 {
                steps.extend(self.members.iter().map(|m| Step::Break { head: i, disk: m.disk }));
            }
            if b.ticks > 0 && slot.head.next_deadline_us().is_some() {
                steps.push(Step::Tick(i));
            }
        }
        for (i, slot) in self.members.iter().enumerate() {
            if slot.told < self.record.epoch {
                steps.push(Step::TellMember(i));
            }
            if b.member_crashes > 0 {
                steps.push(Step::CrashMember(i));
            }
            let in_sync = self.record.is_in_sync(slot.disk);
            if b.removals > 0 && in_sync && self.record.in_sync.len() > 1 {
                steps.push(Step::Remove(slot.disk));
            }
            if b.joins > 0 && !in_sync && self.record.joining.is_none() {
                steps.push(Step::Join(slot.disk));
            }
        }
        if b.take_overs > 0 {
            steps.push(Step::TakeOver);
        }
        steps
    }

    pub fn take(&mut self, step: Step) {
        match step {
            Step::Deliver(i) => {
                let packet = self.net.remove(i);
                self.deliver(packet);
            }
            Step::TellHead(i) => {
                self.heads[i].told = self.record.epoch;
                self.head_event(self.heads[i].id, HeadEvent::View(self.record.view()));
            }
            Step::TellMember(i) => self.tell_member(i),
            Step::Write { head, block } => self.client(head, block, true),
            Step::Read { head, block } => self.client(head, block, false),
            Step::Remove(disk) => {
                self.budget.removals -= 1;
                self.record.remove(disk, None).expect("it is one of several");
            }
            Step::Join(disk) => {
                self.budget.joins -= 1;
                self.record.join(disk, self.record.epoch).expect("nobody joins");
            }
            Step::TakeOver => {
                self.budget.take_overs -= 1;
                self.take_over();
            }
            Step::CrashMember(i) => self.crash_member(i),
            Step::CrashHead(i) => {
                self.budget.head_crashes -= 1;
                self.drop_head(self.heads[i].id);
            }
            Step::Break { head, disk } => {
                self.budget.breaks -= 1;
                let id = self.heads[head].id;
                self.reconnect(id, disk);
            }
            Step::Tick(i) => {
                self.budget.ticks -= 1;
                let slot = &mut self.heads[i];
                slot.now_us = slot.head.next_deadline_us().unwrap_or(0).max(slot.now_us);
                self.head_event(self.heads[i].id, HeadEvent::Tick);
            }
        }
        self.check_at_rest();
    }

    fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Ask { disk, asker, id, request } => {
                let slot = self.slot(disk);
                let to = slot.next_reply;
                slot.next_reply += 1;
                slot.replies.push((to, asker, id));
                self.member_event(disk, MemberEvent::Request { to: ReplyTo(to), request });
            }
            Packet::Answer { disk, asker: Asker::Head(head), id, reply } => {
                self.head_event(head, HeadEvent::Reply { disk, request_id: id, reply });
            }
            Packet::Answer { disk, asker: Asker::Member(joiner), id, reply } => {
                self.member_event(joiner, MemberEvent::Answer { disk, request_id: id, reply });
            }
            Packet::JoinDone { disk, join_at, source } => {
                if self.record.mark_in_sync(disk, join_at, source).is_ok() {
                    self.check_acked("is in sync");
                }
            }
            Packet::JoinFailed { disk, join_at } => {
                let current =
                    self.record.joining.is_some_and(|j| j.disk == disk && j.join_at == join_at);
                if current && self.budget.joins > 0 {
                    self.budget.joins -= 1;
                    self.record.join(disk, self.record.epoch).expect("it is joining");
                } else if current {
                    self.record.cancel_join(disk, None).expect("it is joining");
                }
            }
        }
    }

    pub fn take_over(&mut self) {
        if self.lease {
            // Rule 11: the old lease is over.
            for id in self.heads.iter().map(|h| h.id).collect::<Vec<_>>() {
                self.head_event(id, HeadEvent::Lease { valid_until_us: 0 });
            }
        }
        self.epoch = self.epoch.next();
        let id = self.epoch.0.into();
        let slot = HeadSlot {
            id,
            head: Head::new(config(self.blocks)),
            epoch: self.epoch,
            told: self.record.epoch,
            now_us: 1,
            active: false,
        };
        self.heads.push(slot);
        if self.lease {
            self.head_event(id, HeadEvent::Lease { valid_until_us: u64::MAX });
        }
        let (head_epoch, views) = (self.epoch, vec![self.record.view()]);
        let reads = if self.lease { ReadMode::Lease } else { ReadMode::Confirmed };
        self.head_event(id, HeadEvent::Granted { head_epoch, reads, views });
    }

    fn client(&mut self, head: usize, block: u64, write: bool) {
        let left = if write { &mut self.budget.writes } else { &mut self.budget.reads };
        *left -= 1;
        self.submit(head, block, write.then_some(self.next));
    }

    /// Only prepared starts have these.
    pub(super) fn zero(&mut self, head: usize, block: u64) {
        self.submit(head, block, Some(0));
    }

    fn submit(&mut self, head: usize, block: u64, value: Option<u64>) {
        let (head, op, start) = (self.heads[head].id, self.next, self.tick());
        self.next += 1;
        self.doing.push(Doing { op, head, block, start, value });
        let offset = block * BLOCK;
        let request = match value {
            Some(0) => ClientOp::Zero { offset, len: BLOCK },
            Some(value) => ClientOp::Write { offset, data: fill(value, SECTORS) },
            None => ClientOp::Read { offset, len: BLOCK as u32 },
        };
        self.head_event(head, HeadEvent::Request { op_id: op, op: request });
    }

    pub fn head_event(&mut self, id: u64, event: HeadEvent) {
        let Some(slot) = self.heads.iter_mut().find(|h| h.id == id) else { return };
        let mut commands = Vec::new();
        slot.head.handle(slot.now_us, event, &mut commands);
        for command in commands {
            match command {
                HeadCommand::Send { disk, request_id, request } => {
                    let asker = Asker::Head(id);
                    self.net.push(Packet::Ask { disk, asker, id: request_id, request });
                }
                HeadCommand::Complete { op_id, result, .. } => self.completed(op_id, result.ok()),
                HeadCommand::Active { .. } => {
                    if let Some(slot) = self.heads.iter_mut().find(|h| h.id == id) {
                        slot.active = true;
                    }
                }
                HeadCommand::Fenced { .. } | HeadCommand::Released => self.drop_head(id),
                _ => {}
            }
        }
    }

    /// What it sent may still arrive; nobody hears the answers.
    fn drop_head(&mut self, id: u64) {
        self.heads.retain(|h| h.id != id);
        let answers_it =
            |p: &Packet| matches!(p, Packet::Answer { asker, .. } if *asker == Asker::Head(id));
        self.net.retain(|p| !answers_it(p));
        for doing in self.doing.extract_if(.., |d| d.head == id).collect::<Vec<_>>() {
            self.unknown(&doing);
        }
    }

    pub(super) fn unknown(&mut self, doing: &Doing) {
        if let Some(value) = doing.value {
            self.histories[doing.block as usize].add(doing.start, None, Effect::Write(value));
        }
    }

    fn slot(&mut self, disk: DiskId) -> &mut MemberSlot {
        self.members.iter_mut().find(|m| m.disk == disk).expect("one of three")
    }

    fn tell_member(&mut self, i: usize) {
        self.members[i].told = self.record.epoch;
        let (disk, view) = (self.members[i].disk, self.record.view());
        self.member_event(disk, MemberEvent::View(view));
    }

    fn member_event(&mut self, disk: DiskId, event: MemberEvent) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let slot = self.slot(disk);
            let mut outputs = Vec::new();
            slot.member.set_free_blocks(ROOM as u32);
            slot.member.handle(event, &mut outputs);
            let mut done = Vec::new();
            for output in outputs {
                self.member_output(disk, output, &mut done);
            }
            // The oldest first.
            events.extend(done.into_iter().rev());
        }
    }

    fn member_output(&mut self, disk: DiskId, output: MemberOutput, done: &mut Vec<MemberEvent>) {
        let slot = self.slot(disk);
        match output {
            MemberOutput::Store { token, op } => {
                slot.store.submit(token, op);
                let ended = slot.store.commit(usize::MAX, &mut Rng::new(0));
                done.extend(
                    ended.into_iter().map(|(token, result)| MemberEvent::Store { token, result }),
                );
            }
            MemberOutput::Reply { to, reply } => {
                let at = slot.replies.iter().position(|(t, ..)| *t == to.0).expect("asked");
                let (_, asker, id) = slot.replies.remove(at);
                self.net.push(Packet::Answer { disk, asker, id, reply });
            }
            MemberOutput::Ask { disk: source, request_id, request } => {
                let asker = Asker::Member(disk);
                self.net.push(Packet::Ask { disk: source, asker, id: request_id, request });
            }
            MemberOutput::JoinDone { join_at, source, .. } => {
                self.net.push(Packet::JoinDone { disk, join_at, source });
            }
            MemberOutput::JoinFailed { join_at, .. } => {
                self.net.push(Packet::JoinFailed { disk, join_at });
            }
            _ => {}
        }
    }

    /// Its process ends and begins again; connections to it and from it break.
    fn crash_member(&mut self, i: usize) {
        self.budget.member_crashes -= 1;
        let disk = self.members[i].disk;
        let gone = |p: &Packet| match p {
            Packet::Ask { disk: d, asker, .. } | Packet::Answer { disk: d, asker, .. } => {
                *d == disk || *asker == Asker::Member(disk)
            }
            Packet::JoinDone { disk: d, .. } | Packet::JoinFailed { disk: d, .. } => *d == disk,
        };
        self.net.retain(|p| !gone(p));
        let old = &self.members[i];
        let (mut store, fit) = (old.store.clone(), old.fit);
        store.crash_after(0);
        self.members[i] = MemberSlot::open(disk, store, fit);
        self.tell_member(i);
        for id in self.heads.iter().map(|h| h.id).collect::<Vec<_>>() {
            self.reconnect(id, disk);
        }
        for other in self.members.iter().map(|m| m.disk).filter(|d| *d != disk).collect::<Vec<_>>()
        {
            self.member_event(other, MemberEvent::Disconnected { disk });
            self.member_event(other, MemberEvent::Connected { disk });
        }
    }

    /// What was sent may still arrive; the answers are lost.
    fn reconnect(&mut self, id: u64, disk: DiskId) {
        let answer = |p: &Packet| {
            matches!(p, Packet::Answer { disk: d, asker, .. }
            if *d == disk && *asker == Asker::Head(id))
        };
        self.net.retain(|p| !answer(p));
        self.head_event(id, HeadEvent::Disconnected { disk });
        self.head_event(id, HeadEvent::Connected { disk });
    }
}

impl MemberSlot {
    fn open(disk: DiskId, mut store: ModelStore, fit: bool) -> Self {
        let recovered = store.open(disk).expect("a sound store");
        let config = MemberConfig { disk, fit, copy_window_bytes: 4096 };
        let member = Member::new(config, recovered);
        let (told, replies, next_reply) = (PgEpoch::ZERO, Vec::new(), 1);
        Self { disk, member, store, fit, told, replies, next_reply }
    }
}

fn config(blocks: u64) -> HeadConfig {
    HeadConfig {
        volume: VOLUME,
        lineage: LineageId(1),
        layer: LAYER,
        size_bytes: blocks * BLOCK,
        policy: PolicyId(1),
        pg_count: 1,
        blocks_per_extent: 8,
        min_in_sync: 1,
        local_disks: Vec::new(),
        timing: HeadTiming::default(),
    }
}
