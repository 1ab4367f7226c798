//! The NBD clients of one I/O thread: accepts, negotiates, turns requests into the head's, and
//! answers back.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use io_uring::{opcode, types};
use shoal_engine::head::{ClientError, ClientReply};
use shoal_nbd::{Connection, Event, Limits, Request, Tag as NbdTag};
use shoal_types::buffer::BufferPool;
use slab::Slab;

use super::action::{Completed, FrontAction};
use super::message::MovedClient;
use super::nbd_client::NbdClient;
use super::translate::{self, OpKind};
use super::{ExportDirectory, HeadKey};
use crate::ring::Reactor;
use crate::tag::Tag;

/// Clients of one thread; more are closed at once.
const CLIENTS_MAX: usize = 1024;
/// Pause before clients are accepted again when that failed.
const ACCEPT_PAUSE_US: u64 = 100_000;

struct Client {
    io: NbdClient,
    head: Option<HeadKey>,
    /// Handed to a head and not completed: their completions name this client.
    ops: usize,
    /// Waiting to be moved to the thread of its volume, with what it asked meanwhile.
    moving: Option<(usize, Vec<Request>)>,
    /// The kernel's client. ITS CONNECTION IS CUT WHERE OTHERS ARE TOLD OF THE END: what it asked
    /// is asked again on the next one, while an error would be the file system's.
    is_kernel: bool,
}

impl Client {
    /// In order: what it asked before is answered.
    fn disconnect(&mut self) {
        if self.is_kernel {
            self.io.close();
        } else {
            self.io.connection.shutdown();
        }
    }
}

/// A request in a head's hands.
struct PendingOp {
    client: usize,
    tag: NbdTag,
    kind: OpKind,
    offset: u64,
    length: u64,
}

pub struct NbdFront {
    thread: usize,
    directory: Arc<ExportDirectory>,
    pool: BufferPool,
    listener: Option<UnixListener>,
    /// Ring key of the accept in flight.
    accepting: Option<usize>,
    /// None is in flight until then.
    accept_at_us: Option<u64>,
    clients: Slab<Client>,
    ops: Slab<PendingOp>,
    /// Clients that have something to do before the next wait.
    touched: Vec<usize>,
}

impl NbdFront {
    pub fn new(thread: usize, directory: Arc<ExportDirectory>, pool: BufferPool) -> Self {
        let (clients, ops) = (Slab::new(), Slab::new());
        Self {
            thread,
            directory,
            pool,
            listener: None,
            accepting: None,
            accept_at_us: None,
            clients,
            ops,
            touched: Vec::new(),
        }
    }

    pub fn listen(&mut self, listener: UnixListener, reactor: &mut Reactor<Tag>) {
        self.listener = Some(listener);
        self.accept_next(reactor);
    }

    fn accept_next(&mut self, reactor: &mut Reactor<Tag>) {
        let Some(listener) = &self.listener else { return };
        let fd = types::Fd(std::os::fd::AsRawFd::as_raw_fd(listener));
        let null = std::ptr::null_mut();
        let entry = opcode::Accept::new(fd, null, null.cast()).flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: no buffers; the listener is never dropped while its thread runs.
        self.accepting = Some(unsafe { reactor.push(entry, Tag::NbdAccept) });
    }

    pub fn on_accept(&mut self, result: i32, now_us: u64, reactor: &mut Reactor<Tag>) {
        self.accepting = None;
        if result < 0 {
            // Out of descriptors, most likely: give connections time to end.
            self.accept_at_us = Some(now_us + ACCEPT_PAUSE_US);
            return;
        }
        // SAFETY: the kernel gave us this descriptor.
        let socket = unsafe { OwnedFd::from_raw_fd(result) };
        if self.clients.len() < CLIENTS_MAX {
            let exports = self.directory.clone();
            let connection = Connection::new(exports, Limits::default(), self.pool.clone());
            self.insert(socket, connection, None);
        }
        self.accept_next(reactor);
    }

    /// When `tick` has something to do.
    pub fn next_deadline_us(&self) -> Option<u64> {
        self.accept_at_us
    }

    pub fn tick(&mut self, now_us: u64, reactor: &mut Reactor<Tag>) {
        if self.accept_at_us.take_if(|at| *at <= now_us).is_some() {
            self.accept_next(reactor);
        }
    }

    fn insert(&mut self, socket: OwnedFd, connection: Connection, head: Option<HeadKey>) -> usize {
        let io = NbdClient::new(socket, connection);
        let key = self.clients.insert(Client { io, head, ops: 0, moving: None, is_kernel: false });
        self.touched.push(key);
        key
    }

    /// A client that negotiated elsewhere. Its export may have ended while it was on its way: then
    /// it goes the way of those that were here. `has_head`: this thread has its head.
    pub fn adopt(&mut self, moved: MovedClient, has_head: bool, actions: &mut Vec<FrontAction>) {
        let is_exported = moved.is_kernel || self.directory.has(moved.head);
        let key = self.insert(moved.socket, moved.connection, Some(moved.head));
        let client = &mut self.clients[key];
        client.is_kernel = moved.is_kernel;
        if !has_head || !is_exported {
            client.disconnect();
        }
        for request in moved.requests {
            self.ask(key, request, actions);
        }
        self.take_events(key, actions);
    }

    pub fn on_recv(&mut self, key: usize, result: i32, actions: &mut Vec<FrontAction>) {
        self.clients[key].io.on_recv(result);
        self.take_events(key, actions);
        self.touched.push(key);
    }

    pub fn on_send(&mut self, key: usize, result: i32, actions: &mut Vec<FrontAction>) {
        self.clients[key].io.on_send(result);
        // Room in the outbox may let more requests through.
        self.take_events(key, actions);
        self.touched.push(key);
    }

    fn take_events(&mut self, key: usize, actions: &mut Vec<FrontAction>) {
        while let Some(event) = self.clients[key].io.connection.next_event() {
            match event {
                Event::Opened(export) => self.opened(key, &export.name),
                Event::Request(request) => match &mut self.clients[key].moving {
                    Some((_, requests)) => requests.push(request),
                    None => self.ask(key, request, actions),
                },
            }
        }
    }

    fn opened(&mut self, key: usize, name: &str) {
        let Some(served) = self.directory.get(name) else {
            self.clients[key].io.connection.shutdown();
            return;
        };
        let client = &mut self.clients[key];
        client.head = Some(served.head);
        if served.thread != self.thread {
            client.moving = Some((served.thread, Vec::new()));
        }
    }

    fn ask(&mut self, key: usize, request: Request, actions: &mut Vec<FrontAction>) {
        let Some((kind, op)) = translate::client_op(&request) else {
            self.clients[key].io.connection.reply_ok(request.tag);
            self.touched.push(key);
            return;
        };
        let client = &mut self.clients[key];
        let head = client.head.expect("requests come after the export was opened");
        client.ops += 1;
        let (tag, offset, length) = (request.tag, request.offset, u64::from(request.length));
        let op_id = self.ops.insert(PendingOp { client: key, tag, kind, offset, length }) as u64;
        actions.push(FrontAction::Ask { head, op_id, op });
    }

    /// A head finished (or there is no such head: `ClientError::Closed`).
    pub fn complete(&mut self, op_id: u64, result: Result<ClientReply, ClientError>) -> Completed {
        let op = self.ops.remove(op_id as usize);
        let client = &mut self.clients[op.client];
        client.ops -= 1;
        let connection = &mut client.io.connection;
        match result {
            Ok(ClientReply::Read(segments)) if op.kind == OpKind::Status => {
                connection.reply_block_status(op.tag, &translate::extents(&segments));
            }
            Ok(ClientReply::Read(segments)) => {
                connection.reply_read(op.tag, translate::read_parts(segments));
            }
            Ok(ClientReply::Written | ClientReply::Flushed) => connection.reply_ok(op.tag),
            Err(ClientError::Closed) if client.is_kernel => client.io.close(),
            Err(error) => connection.reply_error(op.tag, translate::errno(error)),
        }
        self.touched.push(op.client);
        Completed { kind: op.kind, offset: op.offset, length: op.length }
    }

    /// Start what can be started, move what is to be moved, forget who is gone. Once per turn.
    pub fn flush(&mut self, reactor: &mut Reactor<Tag>, actions: &mut Vec<FrontAction>) {
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            // A key may come twice, and its client may be gone by then.
            if self.clients.contains(key) {
                self.flush_one(key, reactor, actions);
            }
        }
        touched.append(&mut self.touched);
        self.touched = touched;
    }

    fn flush_one(
        &mut self,
        key: usize,
        reactor: &mut Reactor<Tag>,
        actions: &mut Vec<FrontAction>,
    ) {
        let client = &mut self.clients[key];
        let may_move = client.moving.is_some() && client.io.connection.outgoing_bytes() == 0;
        if may_move && client.io.is_quiet() && !client.io.is_dead() {
            let client = self.clients.remove(key);
            let (thread, requests) = client.moving.expect("checked above");
            let head = client.head.expect("moves to a head");
            let (socket, connection) = client.io.into_parts();
            let client =
                Box::new(MovedClient { head, socket, connection, requests, is_kernel: false });
            actions.push(FrontAction::Move { thread, client });
            return;
        }
        client.io.pump(key, reactor, client.moving.is_some());
        if client.io.is_dead() && client.io.is_quiet() && client.ops == 0 {
            self.clients.remove(key);
        }
    }

    /// Disconnect the clients of a head in order.
    pub fn close_clients(&mut self, head: HeadKey) {
        for (key, client) in self.clients.iter_mut().filter(|(_, c)| c.head == Some(head)) {
            client.disconnect();
            self.touched.push(key);
        }
    }

    /// Accept nobody any more, drop everybody.
    pub fn stop(&mut self, reactor: &mut Reactor<Tag>) {
        self.accept_at_us = None;
        if let Some(key) = self.accepting.take() {
            reactor.cancel(key);
        }
        for (key, client) in self.clients.iter_mut() {
            client.io.close();
            self.touched.push(key);
        }
    }

    pub fn count(&self, head: HeadKey) -> u32 {
        let of = |client: &&Client| {
            client.head == Some(head) && !client.io.is_dead() && !client.is_kernel
        };
        self.clients.iter().map(|(_, client)| client).filter(of).count() as u32
    }
}

#[cfg(test)]
mod tests;
