//! One encrypted connection on the ring: at most one receive and one send in flight. What is to
//! be sent gathers until the end of a turn, and goes out as one run of records.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::{opcode, types};
use shoal_types::{DiskId, Reply, Request};
use shoal_wire::codec::{self, CodecError, Malformed};
use shoal_wire::frame::{Frame, Header, Kind, Outgoing};
use shoal_wire::hello::Greeting;
use shoal_wire::link::{Link, LinkHandler, LinkStatus};
use shoal_wire::service;
use shoal_wire::session::SendBuf;
use slab::Slab;

use super::conns::ConnEvent;
use super::established::{EarlyFrame, Established};
use crate::ring::Reactor;
use crate::tag::Tag;

/// Send memory kept by a connection that had a burst, in bytes.
const SEND_KEPT_BYTES_MAX: usize = 1 << 20;

/// Who asked, and under which number of theirs.
#[derive(Clone, Copy, Debug)]
struct Asked {
    owner: u64,
    request_id: u64,
    serial: u32,
}

pub struct PeerConn {
    socket: OwnedFd,
    link: Link,
    pub greeting: Greeting,
    outgoing: Outgoing,
    /// Sealed and waiting for the send in flight to end.
    filling: SendBuf,
    in_flight: SendBuf,
    /// Requests of ours that wait for an answer. The id on the wire is key | serial << 32.
    asked: Slab<Asked>,
    serial: u32,
    receiving: bool,
    sending: bool,
    dead: bool,
    reason: Option<String>,
}

impl PeerConn {
    pub fn new(established: Established) -> Self {
        Self {
            socket: established.socket,
            link: established.link,
            greeting: established.greeting,
            outgoing: Outgoing::new(),
            filling: established.unsent,
            in_flight: SendBuf::new(),
            asked: Slab::new(),
            serial: 0,
            receiving: false,
            sending: false,
            dead: false,
            reason: None,
        }
    }

    pub fn request(&mut self, disk: DiskId, owner: u64, request_id: u64, request: &Request) {
        self.serial = self.serial.wrapping_add(1);
        let key = self.asked.insert(Asked { owner, request_id, serial: self.serial });
        let wire_id = key as u64 | u64::from(self.serial) << 32;
        if let Err(error) = codec::encode_request(&mut self.outgoing, wire_id, disk, request) {
            panic!("a request of ours breaks the limits of its frame: {error}");
        }
    }

    pub fn reply(&mut self, disk: DiskId, wire_id: u64, reply: &Reply) {
        if let Err(error) = codec::encode_reply(&mut self.outgoing, wire_id, disk, reply) {
            panic!("an answer of ours breaks the limits of its frame: {error}");
        }
    }

    /// Opaque frames of the cluster state and of consensus.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    pub fn is_dead(&self) -> bool {
        self.dead
    }

    pub fn is_quiet(&self) -> bool {
        !self.receiving && !self.sending
    }

    pub fn is_revoked(&self) -> bool {
        self.link.is_revoked()
    }

    pub fn reason(&mut self) -> String {
        self.reason.take().unwrap_or_else(|| "closed".to_owned())
    }

    /// Seal what gathered, start what can be started.
    pub fn pump(&mut self, key: usize, reactor: &mut Reactor<Tag>) {
        if self.dead {
            return;
        }
        if !self.outgoing.is_empty() {
            let sealed = self.link.seal(&self.outgoing, &mut self.filling);
            self.outgoing.clear();
            if let Err(error) = sealed {
                return self.fail(error.to_string());
            }
        }
        self.start_send(key, reactor);
        self.start_recv(key, reactor);
    }

    fn start_send(&mut self, key: usize, reactor: &mut Reactor<Tag>) {
        if self.sending {
            return;
        }
        if self.in_flight.is_empty() {
            self.in_flight.shrink(SEND_KEPT_BYTES_MAX);
            std::mem::swap(&mut self.in_flight, &mut self.filling);
        }
        let bytes = self.in_flight.filled();
        if bytes.is_empty() {
            return;
        }
        let fd = types::Fd(self.socket.as_raw_fd());
        let length = bytes.len().min(1 << 30) as u32;
        let entry = opcode::Send::new(fd, bytes.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        // SAFETY: `in_flight` is not touched until the completion, and the connection is kept
        // until then.
        unsafe { reactor.push(entry, Tag::PeerSend(key)) };
        self.sending = true;
    }

    fn start_recv(&mut self, key: usize, reactor: &mut Reactor<Tag>) {
        if self.receiving {
            return;
        }
        let fd = types::Fd(self.socket.as_raw_fd());
        let space = self.link.space();
        let entry = opcode::Recv::new(fd, space.as_mut_ptr(), space.len() as u32).build();
        // SAFETY: the session keeps its memory in place until `received`, and the connection is
        // kept until the completion.
        unsafe { reactor.push(entry, Tag::PeerRecv(key)) };
        self.receiving = true;
    }

    pub fn on_send(&mut self, result: i32) {
        self.sending = false;
        match result {
            0.. => self.in_flight.sent(result as usize),
            _ if is_passing(result) => {}
            _ => self.fail(format!("send: {}", std::io::Error::from_raw_os_error(-result))),
        }
    }

    pub fn on_recv(&mut self, key: usize, result: i32, events: &mut Vec<ConnEvent>) {
        self.receiving = false;
        match result {
            1.. if !self.dead => self.take_in(key, result as usize, events),
            0 => self.fail("the other side closed".to_owned()),
            _ if is_passing(result) => {}
            _ => self.fail(format!("receive: {}", std::io::Error::from_raw_os_error(-result))),
        }
    }

    fn take_in(&mut self, key: usize, count: usize, events: &mut Vec<ConnEvent>) {
        self.link.received(count);
        let Self { link, filling, asked, outgoing, .. } = self;
        let mut desk = Desk { conn: key, asked, outgoing, events };
        let advanced = link.advance(filling, &mut desk);
        match advanced {
            Ok(LinkStatus::Open) => {}
            Ok(_) => self.fail(match self.link.goaway() {
                Some(reason) => format!("the other side goes away: {reason:?}"),
                None => "the other side closed".to_owned(),
            }),
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// Frames that came in with the end of the hello.
    pub fn take_early(&mut self, key: usize, early: Vec<EarlyFrame>, events: &mut Vec<ConnEvent>) {
        for EarlyFrame { kind, wire_id, flags, meta, payload } in early {
            let header = Header { flags, ..Header::new(kind, wire_id) };
            let frame = Frame { header, meta: &meta, payload };
            let Self { asked, outgoing, .. } = self;
            let mut desk = Desk { conn: key, asked, outgoing, events };
            if let Err(error) = desk.take(&frame) {
                return self.fail(error.to_string());
            }
        }
    }

    /// Nothing more in either direction; operations in flight end soon.
    pub fn fail(&mut self, reason: String) {
        if !self.dead {
            self.dead = true;
            self.reason = Some(reason);
            // SAFETY: the descriptor is open; shutting a socket down twice is harmless.
            unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_RDWR) };
        }
    }
}

/// Turns frames of the other side into events. An error ends the connection.
struct Desk<'a> {
    conn: usize,
    asked: &'a mut Slab<Asked>,
    outgoing: &'a mut Outgoing,
    events: &'a mut Vec<ConnEvent>,
}

impl LinkHandler for Desk<'_> {
    fn serves(&mut self, _: &Greeting) -> bool {
        false
    }

    fn frame(&mut self, _: &Greeting, frame: Frame<'_>) -> Result<(), CodecError> {
        self.take(&frame)
    }
}

impl Desk<'_> {
    fn take(&mut self, frame: &Frame<'_>) -> Result<(), CodecError> {
        let (conn, wire_id) = (self.conn, frame.header.request_id);
        let event = match frame.header.kind {
            Kind::Request => {
                let request = codec::decode_request(frame)?;
                ConnEvent::Request { conn, disk: frame.header.store, wire_id, request }
            }
            Kind::Reply => {
                let Asked { owner, request_id, .. } = self.asked_as(wire_id)?;
                let reply = codec::decode_reply(frame)?;
                ConnEvent::Reply { conn, owner, request_id, reply }
            }
            Kind::Ping => {
                service::pong(self.outgoing, wire_id);
                return Ok(());
            }
            kind => {
                let (flags, bytes) = (frame.header.flags, frame.meta.to_vec());
                ConnEvent::Service { conn, kind, wire_id, flags, bytes }
            }
        };
        self.events.push(event);
        Ok(())
    }

    /// The question that this is the answer to.
    fn asked_as(&mut self, wire_id: u64) -> Result<Asked, CodecError> {
        let key = (wire_id & u64::from(u32::MAX)) as usize;
        let is_ours = |asked: &&Asked| u64::from(asked.serial) == wire_id >> 32;
        match self.asked.get(key).filter(is_ours) {
            Some(_) => Ok(self.asked.remove(key)),
            None => Err(Malformed::Value { field: "request id", value: wire_id }.into()),
        }
    }
}

fn is_passing(result: i32) -> bool {
    matches!(-result, libc::EINTR | libc::EAGAIN)
}
