//! The encrypted connections of one ring thread.

use shoal_types::{DiskId, Reply, Request};
use shoal_wire::frame::{Kind, Outgoing};
use shoal_wire::hello::Greeting;
use slab::Slab;

use super::Established;
use super::conn::PeerConn;
use crate::ring::Reactor;
use crate::tag::Tag;

#[derive(Debug)]
pub enum ConnEvent {
    /// The other side asks the store on `disk`; answer with `send_reply` and this `wire_id`.
    Request { conn: usize, disk: DiskId, wire_id: u64, request: Request },
    /// The answer to `send_request`.
    Reply { conn: usize, owner: u64, request_id: u64, reply: Reply },
    /// A frame of consensus, cluster state or API, or a pong.
    Service { conn: usize, kind: Kind, wire_id: u64, flags: u16, bytes: Vec<u8> },
    /// Over; its key will be used again.
    Closed { conn: usize, reason: String },
}

#[derive(Default)]
pub struct PeerConns {
    conns: Slab<PeerConn>,
    /// Connections that have something to do before the next wait.
    touched: Vec<usize>,
}

impl PeerConns {
    pub fn new() -> Self {
        Self::default()
    }

    /// Take a connection over; its key.
    pub fn adopt(
        &mut self,
        mut established: Established,
        reactor: &mut Reactor<Tag>,
        events: &mut Vec<ConnEvent>,
    ) -> usize {
        let early = std::mem::take(&mut established.early);
        let key = self.conns.insert(PeerConn::new(established));
        let conn = &mut self.conns[key];
        conn.take_early(key, early, events);
        conn.pump(key, reactor);
        key
    }

    pub fn len(&self) -> usize {
        self.conns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    pub fn greeting(&self, conn: usize) -> Option<Greeting> {
        self.conns.get(conn).map(|conn| conn.greeting)
    }

    pub fn send_request(
        &mut self,
        conn: usize,
        disk: DiskId,
        owner: u64,
        request_id: u64,
        request: &Request,
    ) {
        self.conns[conn].request(disk, owner, request_id, request);
        self.touched.push(conn);
    }

    /// Answers are dropped when their connection is gone: the asker knows it by then.
    pub fn send_reply(&mut self, conn: usize, disk: DiskId, wire_id: u64, reply: &Reply) {
        if let Some(to) = self.conns.get_mut(conn) {
            to.reply(disk, wire_id, reply);
            self.touched.push(conn);
        }
    }

    /// Where opaque frames of this connection are appended.
    pub fn outgoing(&mut self, conn: usize) -> Option<&mut Outgoing> {
        self.touched.push(conn);
        self.conns.get_mut(conn).map(PeerConn::outgoing)
    }

    pub fn on_recv(&mut self, conn: usize, result: i32, events: &mut Vec<ConnEvent>) {
        self.conns[conn].on_recv(conn, result, events);
        self.touched.push(conn);
    }

    pub fn on_send(&mut self, conn: usize, result: i32) {
        self.conns[conn].on_send(result);
        self.touched.push(conn);
    }

    pub fn close(&mut self, conn: usize) {
        if let Some(to) = self.conns.get_mut(conn) {
            to.fail("closed here".to_owned());
            self.touched.push(conn);
        }
    }

    pub fn close_all(&mut self) {
        for (key, conn) in self.conns.iter_mut() {
            conn.fail("closed here".to_owned());
            self.touched.push(key);
        }
    }

    /// Close connections with peers that are members no more.
    pub fn close_revoked(&mut self) {
        for (key, conn) in self.conns.iter_mut().filter(|(_, conn)| conn.is_revoked()) {
            conn.fail("the peer was removed from the cluster".to_owned());
            self.touched.push(key);
        }
    }

    /// Once per turn, last: everything that gathered goes out; who is gone is told.
    pub fn flush(&mut self, reactor: &mut Reactor<Tag>, events: &mut Vec<ConnEvent>) {
        self.touched.sort_unstable();
        self.touched.dedup();
        for key in std::mem::take(&mut self.touched) {
            let Some(conn) = self.conns.get_mut(key) else { continue };
            conn.pump(key, reactor);
            if conn.is_dead() && conn.is_quiet() {
                let reason = conn.reason();
                self.conns.remove(key);
                events.push(ConnEvent::Closed { conn: key, reason });
            }
        }
    }
}
