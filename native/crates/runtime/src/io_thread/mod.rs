//! An I/O thread: the heads of some volumes, their clients' requests, and the connections to the
//! stores. A volume lives on one of these threads, so that no lock and no hop is on its path.

mod action;
mod exports;
mod host;
mod message;
mod nbd_client;
mod nbd_front;
mod translate;
mod ublk_front;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shoal_engine::head::{ClientError, ClientReply, HeadCommand, HeadEvent};
use shoal_types::PgView;
use shoal_types::buffer::BufferPool;

use action::{Completed, FrontAction};
pub use exports::{ExportDirectory, Served};
use host::Host;
pub use message::{HeadNotice, HeadReport, IoMessage, MovedClient, NewHead};
use nbd_front::NbdFront;
pub use translate::OpKind;
pub use ublk_front::NewDevice;
use ublk_front::UblkFront;

use crate::clock;
use crate::metrics::SlowLog;
use crate::peer::{ConnEvent, LinkEvent, Links, PeerConns};
use crate::ring::{Completion, Mailbox, Reactor, Sender};
use crate::tag::Tag;

/// Names a head; never used twice by one process.
pub type HeadKey = u64;

/// Tells the supervisor.
pub type HeadSink = Arc<dyn Fn(HeadNotice) + Send + Sync>;

/// Ring entries of an I/O thread.
pub const RING_ENTRIES: u32 = 1024;

pub struct IoThread {
    reactor: Reactor<Tag>,
    inbox: Mailbox<IoMessage>,
    /// All I/O threads, this one among them, by index.
    threads: Vec<Sender<IoMessage>>,
    hosts: HashMap<HeadKey, Host>,
    nbd: NbdFront,
    ublk: UblkFront,
    conns: PeerConns,
    links: Links,
    notices: HeadSink,
    slow: Arc<SlowLog>,
    stopping: bool,
    now_us: u64,
    lease_until_us: u64,
    conn_events: Vec<ConnEvent>,
    link_events: Vec<LinkEvent>,
    actions: Vec<FrontAction>,
    commands: Vec<HeadCommand>,
}

/// Everything an I/O thread is made of.
pub struct IoParts {
    pub index: usize,
    pub reactor: Reactor<Tag>,
    pub inbox: Mailbox<IoMessage>,
    pub threads: Vec<Sender<IoMessage>>,
    pub directory: Arc<ExportDirectory>,
    pub pool: BufferPool,
    pub links: Links,
    pub notices: HeadSink,
    pub slow: Arc<SlowLog>,
}

impl IoThread {
    pub fn new(parts: IoParts) -> Self {
        Self {
            reactor: parts.reactor,
            inbox: parts.inbox,
            threads: parts.threads,
            hosts: HashMap::new(),
            nbd: NbdFront::new(parts.index, parts.directory, parts.pool.clone()),
            ublk: UblkFront::new(parts.pool),
            conns: PeerConns::new(),
            links: parts.links,
            notices: parts.notices,
            slow: parts.slow,
            stopping: false,
            now_us: clock::now_us(),
            lease_until_us: 0,
            conn_events: Vec::new(),
            link_events: Vec::new(),
            actions: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// Serve until told to stop.
    pub fn run(mut self) {
        let mut done = Vec::new();
        loop {
            self.settle();
            if self.stopping && self.reactor.in_flight() == 0 {
                return;
            }
            let timeout = self.timeout();
            let woken = self.reactor.wait(timeout, &mut done).expect("io_uring failed");
            self.now_us = clock::now_us();
            for Completion { tag, result } in done.drain(..) {
                self.on_completion(tag, result);
            }
            if woken {
                self.take_messages();
            }
            self.tick();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let heads = self.hosts.values().filter_map(|host| host.head.next_deadline_us());
        let others = [self.links.next_deadline_us(), self.nbd.next_deadline_us()];
        let due_us = heads.chain(others.into_iter().flatten()).min()?;
        Some(Duration::from_micros(due_us.saturating_sub(self.now_us).max(1)))
    }

    fn tick(&mut self) {
        self.links.tick(self.now_us);
        self.nbd.tick(self.now_us, &mut self.reactor);
        let now_us = self.now_us;
        let due = |host: &&mut Host| host.head.next_deadline_us().is_some_and(|at| at <= now_us);
        for host in self.hosts.values_mut().filter(due) {
            host.head.handle(now_us, HeadEvent::Tick, &mut host.commands);
        }
    }

    fn on_completion(&mut self, tag: Tag, result: i32) {
        match tag {
            Tag::NbdAccept if self.stopping => {}
            Tag::NbdAccept => self.nbd.on_accept(result, self.now_us, &mut self.reactor),
            Tag::NbdRecv(client) => self.nbd.on_recv(client, result, &mut self.actions),
            Tag::NbdSend(client) => self.nbd.on_send(client, result, &mut self.actions),
            Tag::Ublk { queue, tag } => {
                let (reactor, actions) = (&mut self.reactor, &mut self.actions);
                self.ublk.on_cqe(queue, tag, result, reactor, actions);
            }
            Tag::PeerRecv(conn) => self.conns.on_recv(conn, result, &mut self.conn_events),
            Tag::PeerSend(conn) => self.conns.on_send(conn, result),
            Tag::Disk(_) | Tag::Timed(..) => unreachable!("an I/O thread has no disk"),
        }
    }

    fn take_messages(&mut self) {
        let mut batch = self.inbox.take();
        for message in batch.drain(..) {
            self.on_message(message);
        }
        self.inbox.recycle(batch);
    }

    fn on_message(&mut self, message: IoMessage) {
        match message {
            IoMessage::AddHead(new) => self.add_head(*new),
            IoMessage::Head { key, event } => self.tell_head(key, event),
            IoMessage::Lease { valid_until_us } => {
                self.lease_until_us = valid_until_us;
                for host in self.hosts.values_mut() {
                    let event = HeadEvent::Lease { valid_until_us };
                    host.head.handle(self.now_us, event, &mut host.commands);
                }
            }
            IoMessage::RemoveHead { key } => {
                // What is on its way to it, or from it, gets there first.
                self.take_actions();
                self.run_heads();
                self.hosts.remove(&key);
                self.nbd.close_clients(key);
                self.ublk.head_gone(key);
            }
            IoMessage::CloseClients { key } => self.nbd.close_clients(key),
            IoMessage::Listen(listener) => self.nbd.listen(listener, &mut self.reactor),
            IoMessage::AdoptNbd(client) => {
                let has_head = self.hosts.contains_key(&client.head);
                self.nbd.adopt(*client, has_head, &mut self.actions);
            }
            IoMessage::Link(message) => self.links.on_message(
                self.now_us,
                message,
                &mut self.conns,
                &mut self.reactor,
                &mut self.link_events,
            ),
            IoMessage::AddDevice(new) => self.ublk.add(*new),
            IoMessage::FenceDevice { volume, done } => {
                self.ublk.fence(volume, &mut self.reactor);
                done();
            }
            IoMessage::Status(answer) => {
                let report =
                    |(key, host): (&HeadKey, &Host)| host.report(*key, self.nbd.count(*key));
                let _nobody_waits = answer.send(self.hosts.iter().map(report).collect());
            }
            IoMessage::Stop => {
                self.stopping = true;
                self.nbd.stop(&mut self.reactor);
                self.ublk.stop();
                self.conns.close_all();
            }
        }
    }

    fn add_head(&mut self, new: NewHead) {
        let (key, valid_until_us) = (new.key, self.lease_until_us);
        self.ublk.head_came(new.volume, key, &mut self.reactor, &mut self.actions);
        self.hosts.insert(key, Host::new(new));
        self.tell_head(key, HeadEvent::Lease { valid_until_us });
    }

    fn tell_head(&mut self, key: HeadKey, event: HeadEvent) {
        let views = match &event {
            HeadEvent::View(view) | HeadEvent::Newest { view, .. } => std::slice::from_ref(view),
            HeadEvent::Granted { views, .. } => views,
            _ => &[],
        };
        for disk in views.iter().flat_map(PgView::targets) {
            self.links.hasten(self.now_us, disk);
        }
        if let Some(host) = self.hosts.get_mut(&key) {
            host.head.handle(self.now_us, event, &mut host.commands);
        }
    }

    /// Carry everything to the end: connection events to the heads, requests to the heads, the
    /// heads' orders to connections and clients.
    fn settle(&mut self) {
        loop {
            self.take_conn_events();
            self.take_link_events();
            self.take_actions();
            self.run_heads();
            if self.is_settled() {
                self.start_devices();
                self.nbd.flush(&mut self.reactor, &mut self.actions);
                self.conns.flush(&mut self.reactor, &mut self.conn_events);
                if self.is_settled() {
                    return;
                }
            }
        }
    }

    fn start_devices(&mut self) {
        let hosts = &self.hosts;
        let head_of = |volume| hosts.iter().find(|(_, h)| h.volume == volume).map(|(key, _)| *key);
        self.ublk.start(&mut self.reactor, head_of);
    }

    fn is_settled(&self) -> bool {
        self.conn_events.is_empty()
            && self.link_events.is_empty()
            && self.actions.is_empty()
            && self.hosts.values().all(|host| host.commands.is_empty())
    }

    fn take_conn_events(&mut self) {
        let mut events = std::mem::take(&mut self.conn_events);
        for event in events.drain(..) {
            // All connections of an I/O thread are dialled links: nothing else comes.
            self.links.on_conn(self.now_us, event, &mut self.link_events);
        }
        self.conn_events = events;
    }

    fn take_link_events(&mut self) {
        let mut events = std::mem::take(&mut self.link_events);
        for event in events.drain(..) {
            match event {
                LinkEvent::Reply { disk, owner, request_id, reply } => {
                    self.tell_head(owner, HeadEvent::Reply { disk, request_id, reply });
                }
                LinkEvent::Connected { disk } => self.tell_all(&HeadEvent::Connected { disk }),
                LinkEvent::Disconnected { disk } => {
                    self.tell_all(&HeadEvent::Disconnected { disk });
                }
            }
        }
        self.link_events = events;
    }

    fn tell_all(&mut self, event: &HeadEvent) {
        for host in self.hosts.values_mut() {
            host.head.handle(self.now_us, event.clone(), &mut host.commands);
        }
    }

    fn take_actions(&mut self) {
        for action in std::mem::take(&mut self.actions) {
            match action {
                FrontAction::Move { thread, client } => {
                    self.threads[thread].send(IoMessage::AdoptNbd(client));
                }
                FrontAction::Ask { head, op_id, op } => match self.hosts.get_mut(&head) {
                    Some(host) => {
                        let event = HeadEvent::Request { op_id, op };
                        host.head.handle(self.now_us, event, &mut host.commands);
                    }
                    None => drop(self.complete(op_id, Err(ClientError::Closed))),
                },
            }
        }
    }

    fn complete(&mut self, op_id: u64, result: Result<ClientReply, ClientError>) -> Completed {
        if UblkFront::owns(op_id) {
            self.ublk.complete(op_id, result, &mut self.reactor)
        } else {
            self.nbd.complete(op_id, result)
        }
    }

    fn run_heads(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        let keys: Vec<HeadKey> = self
            .hosts
            .iter()
            .filter(|(_, host)| !host.commands.is_empty())
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            let host = self.hosts.get_mut(&key).expect("listed above");
            commands.append(&mut host.commands);
            for command in commands.drain(..) {
                self.carry_out(key, command);
            }
        }
        self.commands = commands;
    }

    fn carry_out(&mut self, key: HeadKey, command: HeadCommand) {
        match command {
            HeadCommand::Send { disk, request_id, request } => {
                let (conns, events) = (&mut self.conns, &mut self.link_events);
                self.links.send(disk, key, request_id, request, conns, events);
            }
            HeadCommand::Complete { op_id, result, trace } => {
                let failed = result.is_err();
                let completed = self.complete(op_id, result);
                if let Some(host) = self.hosts.get(&key) {
                    // The clock is read anew: the request took part of this turn, too.
                    host.measure(&completed, failed, &trace, clock::now_us(), &self.slow);
                }
            }
            command => {
                let Some(host) = self.hosts.get(&key) else { return };
                (self.notices)(HeadNotice { key, volume: host.volume, command });
            }
        }
    }
}
