//! The thread of one store: it owns the disk, the member that guards it, and the sockets of the
//! heads that write to it. Receive, decrypt, append, acknowledge: no other thread in between.

mod join_clock;
mod latency;
mod message;
mod open;
mod pace;
mod routes;
mod scrubs;
mod slowness;
mod stall;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use shoal_engine::member::{Member, MemberEvent, MemberOutput, ReplyTo};
use shoal_store::{BadBlock, DiskIo, Output, Store};
use shoal_types::buffer::BufferPool;
use shoal_types::{DiskId, Reply};

use join_clock::JoinClock;
pub use join_clock::RunningJoin;
use latency::Latency;
pub use latency::Medians;
pub use message::{StoreMessage, StoreNotice, StoreReport};
pub use open::{RING_ENTRIES, format, recover};
use pace::{Ask, Pace};
pub use pace::{PaceOrder, PeerPace};
use routes::{Route, Routes};
use scrubs::Scrubs;
pub use scrubs::{SCRUB_EVERY_MS, ScrubOrder, ScrubProgress, ScrubResult};
use slowness::Slowness;
use stall::Stall;

use crate::clock;
use crate::disk::{DiskFile, port};
use crate::peer::{ConnEvent, LinkEvent, Links, PeerConns};
use crate::ring::{Completion, Mailbox, Reactor};
use crate::tag::Tag;

/// Tells the supervisor.
pub type NoticeSink = Arc<dyn Fn(DiskId, StoreNotice) + Send + Sync>;

pub struct StoreThread {
    disk: DiskId,
    file: DiskFile,
    pool: BufferPool,
    store: Box<Store>,
    member: Member,
    reactor: Reactor<Tag>,
    inbox: Mailbox<StoreMessage>,
    conns: PeerConns,
    links: Links,
    routes: Routes,
    notices: NoticeSink,
    position: Arc<AtomicU64>,
    fence_told: bool,
    scrubs: Scrubs,
    stall: Stall,
    latency: Latency,
    pace: Pace,
    slowness: Slowness,
    join_clock: JoinClock,
    stopping: Option<std::sync::mpsc::SyncSender<()>>,
    conn_events: Vec<ConnEvent>,
    link_events: Vec<LinkEvent>,
    member_events: Vec<MemberEvent>,
    member_outputs: Vec<MemberOutput>,
}

/// Everything a store's thread is made of.
pub struct StoreParts {
    pub disk: DiskId,
    pub file: DiskFile,
    /// Memory of what is read.
    pub pool: BufferPool,
    pub store: Box<Store>,
    pub member: Member,
    pub reactor: Reactor<Tag>,
    pub inbox: Mailbox<StoreMessage>,
    pub links: Links,
    pub peer_pace: PeerPace,
    pub notices: NoticeSink,
    /// How far the log has come, for others to look at.
    pub position: Arc<AtomicU64>,
}

impl StoreThread {
    pub fn new(parts: StoreParts) -> Self {
        Self {
            disk: parts.disk,
            file: parts.file,
            pool: parts.pool,
            store: parts.store,
            member: parts.member,
            reactor: parts.reactor,
            inbox: parts.inbox,
            conns: PeerConns::new(),
            links: parts.links,
            routes: Routes::default(),
            notices: parts.notices,
            position: parts.position,
            fence_told: false,
            scrubs: Scrubs::default(),
            stall: Stall::default(),
            latency: Latency::default(),
            pace: Pace::new(parts.disk, parts.peer_pace),
            slowness: Slowness::default(),
            join_clock: JoinClock::default(),
            stopping: None,
            conn_events: Vec::new(),
            link_events: Vec::new(),
            member_events: Vec::new(),
            member_outputs: Vec::new(),
        }
    }

    /// Serve until told to stop.
    pub fn run(mut self) {
        let mut done = Vec::new();
        loop {
            self.settle();
            if self.is_finished() {
                return;
            }
            let timeout = self.timeout();
            let woken = self.reactor.wait(timeout, &mut done).expect("io_uring failed");
            for Completion { tag, result } in done.drain(..) {
                self.on_completion(tag, result);
            }
            if woken {
                self.take_messages();
            }
            self.tick();
        }
    }

    /// THE KERNEL MUST BE DONE WITH ALL BUFFERS before the thread drops them: connections are
    /// closed once the store is at rest, and the end waits for their last operations.
    fn is_finished(&mut self) -> bool {
        let Some(answer) = &self.stopping else { return false };
        if !(self.store.is_idle() || self.store.is_fenced()) {
            return false;
        }
        if self.reactor.in_flight() > 0 {
            self.conns.close_all();
            return false;
        }
        let _nobody_waits = answer.send(());
        true
    }

    fn timeout(&self) -> Option<Duration> {
        let now_us = clock::now_us();
        let store_us = self.store.next_deadline().map(|ms| ms * 1_000);
        let others = self
            .links
            .next_deadline_us()
            .into_iter()
            .chain(self.scrubs.wake_us())
            .chain(self.stall.due_us())
            .chain(self.pace.due_us())
            .chain(self.slowness.due_us());
        let due_us = store_us.into_iter().chain(others).min()?;
        Some(Duration::from_micros(due_us.saturating_sub(now_us).max(1)))
    }

    fn tick(&mut self) {
        self.store.tick(clock::now_ms());
        self.links.tick(clock::now_us());
        self.ask_on();
        if self.stall.look(clock::now_us()) {
            self.tell(StoreNotice::Stalled);
        }
        if self.slowness.look(clock::now_us()) {
            let limit_ms = self.slowness.limit_us() / 1_000;
            let is_very = self.slowness.is_very();
            self.tell(StoreNotice::Slow { limit_ms, is_very });
        }
    }

    fn on_completion(&mut self, tag: Tag, result: i32) {
        match tag {
            Tag::Timed(op, issued_us) => {
                let now_us = clock::now_us();
                self.latency.answered(&op, issued_us, now_us);
                if self.stall.answered(now_us) {
                    self.tell(StoreNotice::Moving);
                }
                let (id, result) = port::finish(op, result);
                self.slowness.answered(id.0, now_us);
                self.store.on_io(id, result);
            }
            Tag::PeerRecv(conn) => self.conns.on_recv(conn, result, &mut self.conn_events),
            Tag::PeerSend(conn) => self.conns.on_send(conn, result),
            Tag::Disk(_)
            | Tag::NbdRecv(_)
            | Tag::NbdSend(_)
            | Tag::NbdAccept
            | Tag::Ublk { .. } => {
                unreachable!("a store that serves times its disk, and has no NBD clients")
            }
        }
    }

    fn take_messages(&mut self) {
        let mut batch = self.inbox.take();
        for message in batch.drain(..) {
            self.on_message(message);
        }
        self.inbox.recycle(batch);
    }

    fn on_message(&mut self, message: StoreMessage) {
        match message {
            StoreMessage::Request { port, owner, request_id, request } => {
                let to = self.routes.insert(Route::Local { port, owner, request_id });
                self.member_events.push(MemberEvent::Request { to, request });
            }
            StoreMessage::Accepted(established) => {
                self.conns.adopt(*established, &mut self.reactor, &mut self.conn_events);
            }
            StoreMessage::Admit(pgs) => {
                let admit = |(pg, epoch)| MemberEvent::Admit { pg, epoch };
                self.member_events.extend(pgs.into_iter().map(admit));
            }
            StoreMessage::Pace(order) => self.pace.set(order),
            StoreMessage::Budget(budget) => self.store.set_budget(budget),
            StoreMessage::Views(views) => {
                self.join_clock.note(self.disk, &views, clock::now_ms());
                self.pace.note(&views);
                self.member_events.extend(views.into_iter().map(MemberEvent::View));
            }
            StoreMessage::Scrub(order) => self.scrubs.add(order),
            StoreMessage::KeepMap { order, body } => {
                if let Err(refused) = self.store.keep_map(order, &body) {
                    self.tell(StoreNotice::MapRefused(refused));
                }
            }
            StoreMessage::DeleteLayer(layer) => {
                self.member_events.push(MemberEvent::DeleteLayer { layer });
            }
            StoreMessage::Left { pg, epoch } => {
                self.member_events.push(MemberEvent::Left { pg, epoch });
            }
            StoreMessage::ForgetLayer(layer) => {
                self.member_events.push(MemberEvent::ForgetLayer { layer });
            }
            StoreMessage::Link(message) => self.links.on_message(
                clock::now_us(),
                message,
                &mut self.conns,
                &mut self.reactor,
                &mut self.link_events,
            ),
            StoreMessage::MembersChanged => self.conns.close_revoked(),
            StoreMessage::Report { layers, answer } => {
                let _nobody_waits = answer.send(self.report(&layers));
            }
            StoreMessage::Stop(answer) => {
                self.store.fold();
                self.stopping = Some(answer);
            }
        }
    }

    /// Carry everything to the end: events of connections to the member, the member's orders to
    /// the store, the store's to the disk, its results back, and the answers out.
    fn settle(&mut self) {
        loop {
            self.take_conn_events();
            self.take_link_events();
            let before = self.member_events.len();
            self.run_member();
            let moved = self.run_store();
            if before == 0 && !moved && self.member_events.is_empty() {
                self.conns.flush(&mut self.reactor, &mut self.conn_events);
                if self.conn_events.is_empty() {
                    return;
                }
            }
        }
    }

    fn take_conn_events(&mut self) {
        let now_us = clock::now_us();
        for event in std::mem::take(&mut self.conn_events) {
            match self.links.on_conn(now_us, event, &mut self.link_events) {
                Some(ConnEvent::Request { conn, wire_id, request, .. }) => {
                    let to = self.routes.insert(Route::Remote { conn, wire_id });
                    self.member_events.push(MemberEvent::Request { to, request });
                }
                Some(ConnEvent::Closed { conn, .. }) => self.routes.forget(conn),
                Some(ConnEvent::Reply { .. } | ConnEvent::Service { .. }) | None => {}
            }
        }
    }

    fn take_link_events(&mut self) {
        let event = |event| match event {
            LinkEvent::Reply { disk, request_id, reply, .. } => {
                MemberEvent::Answer { disk, request_id, reply }
            }
            LinkEvent::Connected { disk } => MemberEvent::Connected { disk },
            LinkEvent::Disconnected { disk } => MemberEvent::Disconnected { disk },
        };
        self.member_events.extend(self.link_events.drain(..).map(event));
    }

    fn run_member(&mut self) {
        let free_blocks = self.store.free_blocks_soft().min(u64::from(u32::MAX));
        self.member.set_free_blocks(free_blocks as u32);
        for event in std::mem::take(&mut self.member_events) {
            self.member.handle(event, &mut self.member_outputs);
            for output in std::mem::take(&mut self.member_outputs) {
                self.carry_out(output);
            }
        }
    }

    fn carry_out(&mut self, output: MemberOutput) {
        match output {
            MemberOutput::Store { token, op } => self.store.submit(token, op),
            MemberOutput::Reply { to, reply } => self.answer(to, reply),
            MemberOutput::Ask { disk, request_id, request } => {
                self.pace.push(Ask { disk, request_id, request });
                self.ask_on();
            }
            MemberOutput::JoinDone { pg, join_at, source } => {
                self.tell(StoreNotice::JoinDone { pg, join_at, source });
            }
            MemberOutput::JoinFailed { pg, join_at, reason } => {
                self.tell(StoreNotice::JoinFailed { pg, join_at, reason });
            }
            MemberOutput::RepairEnded { pg, layer, block, outcome } => {
                self.scrubs.repair_ended(BadBlock { pg, layer, block }, outcome);
            }
            MemberOutput::LayerDeleted { layer } => self.tell(StoreNotice::LayerDeleted { layer }),
            MemberOutput::StoreLost { error } => self.tell(StoreNotice::Lost { error }),
        }
    }

    /// Sends what the member asks of others, as far as it may go now.
    fn ask_on(&mut self) {
        while let Some(Ask { disk, request_id, request }) = self.pace.pop(clock::now_us()) {
            let (conns, events) = (&mut self.conns, &mut self.link_events);
            self.links.send(disk, 0, request_id, request, conns, events);
        }
    }

    fn answer(&mut self, to: ReplyTo, reply: Reply) {
        match self.routes.take(to) {
            Route::Local { port, owner, request_id } => {
                let disk = self.disk;
                port(crate::peer::LinkMessage::Reply { disk, owner, request_id, reply });
            }
            Route::Remote { conn, wire_id } => {
                self.conns.send_reply(conn, self.disk, wire_id, &reply);
            }
            Route::Nowhere => {}
        }
    }

    /// Whether the store had anything to say.
    fn run_store(&mut self) -> bool {
        let mut moved = self.run_scrubs();
        self.position.store(self.store.log_position(), Ordering::Relaxed);
        while let Some(output) = self.store.poll() {
            moved = true;
            match output {
                Output::Io(io) => self.start_io(io),
                Output::Done { token, result } if scrubs::is_scrub(token) => {
                    self.on_scrub_done(token, &result);
                }
                Output::Done { token, result } => {
                    self.member_events.push(MemberEvent::Store { token, result });
                }
            }
        }
        if self.store.is_fenced() && !self.fence_told {
            self.fence_told = true;
            self.member_events.push(MemberEvent::StoreFenced);
            self.tell(StoreNotice::Fenced);
        }
        moved
    }

    fn start_io(&mut self, io: DiskIo) {
        self.slowness.issued(&io, clock::now_us());
        match port::prepare(&self.file, &self.pool, io) {
            Ok((entry, op)) => {
                let now_us = clock::now_us();
                self.stall.issued(now_us);
                // SAFETY: the tag owns the buffers.
                let _key = unsafe { self.reactor.push(entry, Tag::Timed(op, now_us)) };
            }
            Err((id, result)) => self.store.on_io(id, result.map(|none: Option<Bytes>| none)),
        }
    }

    fn tell(&self, notice: StoreNotice) {
        (self.notices)(self.disk, notice);
    }

    fn report(&self, layers: &[shoal_types::LayerId]) -> StoreReport {
        StoreReport {
            disk: self.disk,
            stats: self.store.stats(),
            latency: self.latency.medians(clock::now_us()),
            free_blocks: self.store.free_blocks_soft(),
            usage: layers.iter().map(|l| (*l, self.store.layer_usage(*l))).collect(),
            joins: self.join_clock.running(self.member.progress(), clock::now_ms()),
            scrub: self.scrubs.progress(clock::now_us()),
            connections: self.conns.len(),
        }
    }
}
