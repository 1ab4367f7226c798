//! One connection per other peer for the cluster state's messages: dialled when there is
//! something to say, or accepted; whichever came last is used.

use std::collections::HashMap;
use std::sync::Arc;

use shoal_types::PeerId;
use shoal_wire::frame::{Header, Kind, SERVICE_BYTES_MAX, flags};
use shoal_wire::hello::Purpose;

use super::MetaMessage;
use crate::peer::{AddressBook, ConnEvent, DialError, DialTarget, Dialer, Established, PeerConns};
use crate::ring::{Reactor, Sender};
use crate::tag::Tag;

/// Messages that wait for a dial to end; older ones are dropped, for all of them are repeated.
const WAITING_MAX: usize = 256;
/// Longest message that is put together from several frames, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Pause after a failed dial.
const REDIAL_US: u64 = 300_000;

enum Way {
    Dialling { waiting: Vec<Vec<u8>> },
    Up { conn: usize },
    Down { until_us: u64 },
}

pub struct MetaPeers {
    inbox: Sender<MetaMessage>,
    book: Arc<AddressBook>,
    dialer: Arc<Dialer>,
    ways: HashMap<PeerId, Way>,
    by_conn: HashMap<usize, Side>,
}

/// What is known of a connection.
struct Side {
    peer: PeerId,
    /// A message of several frames, as far as it came.
    partial: Vec<u8>,
    /// Of the incarnation that the other side greeted with.
    incarnation: u64,
}

/// What came in.
pub enum Incoming {
    Message { from: PeerId, bytes: Vec<u8>, incarnation: u64 },
    Disconnected { peer: PeerId },
}

impl MetaPeers {
    pub fn new(inbox: Sender<MetaMessage>, book: Arc<AddressBook>, dialer: Arc<Dialer>) -> Self {
        Self { inbox, book, dialer, ways: HashMap::new(), by_conn: HashMap::new() }
    }

    /// Best effort, as the service expects: what cannot be sent now is dropped.
    pub fn send(&mut self, now_us: u64, to: PeerId, bytes: Vec<u8>, conns: &mut PeerConns) {
        match self.ways.get_mut(&to) {
            Some(Way::Up { conn }) => push(conns, *conn, &bytes),
            Some(Way::Dialling { waiting }) => {
                if waiting.len() < WAITING_MAX {
                    waiting.push(bytes);
                }
            }
            Some(Way::Down { until_us }) if *until_us > now_us => {}
            Some(Way::Down { .. }) | None => self.dial(to, bytes),
        }
    }

    fn dial(&mut self, to: PeerId, first: Vec<u8>) {
        let inbox = self.inbox.clone();
        let done = move |result| inbox.send(MetaMessage::Dialled { peer: to, result });
        self.ways.insert(to, Way::Dialling { waiting: vec![first] });
        match self.book.peer(to) {
            Some(address) => {
                self.dialer.dial(DialTarget { address, purpose: Purpose::Meta }, done);
            }
            None => done(Err(DialError::other("no address is known"))),
        }
    }

    pub fn on_dialled(
        &mut self,
        now_us: u64,
        peer: PeerId,
        result: Result<Box<Established>, DialError>,
        conns: &mut PeerConns,
        reactor: &mut Reactor<Tag>,
        events: &mut Vec<ConnEvent>,
    ) {
        match result {
            Ok(established) => self.up(peer, *established, conns, reactor, events),
            Err(_) => {
                if let Some(Way::Dialling { .. }) = self.ways.get(&peer) {
                    self.ways.insert(peer, Way::Down { until_us: now_us + REDIAL_US });
                }
            }
        }
    }

    pub fn on_accepted(
        &mut self,
        established: Established,
        conns: &mut PeerConns,
        reactor: &mut Reactor<Tag>,
        events: &mut Vec<ConnEvent>,
    ) {
        let peer = established.greeting.peer;
        self.up(peer, established, conns, reactor, events);
    }

    fn up(
        &mut self,
        peer: PeerId,
        established: Established,
        conns: &mut PeerConns,
        reactor: &mut Reactor<Tag>,
        events: &mut Vec<ConnEvent>,
    ) {
        let incarnation = established.greeting.incarnation;
        let conn = conns.adopt(established, reactor, events);
        self.by_conn.insert(conn, Side { peer, partial: Vec::new(), incarnation });
        if let Some(Way::Dialling { waiting }) = self.ways.insert(peer, Way::Up { conn }) {
            waiting.iter().for_each(|bytes| push(conns, conn, bytes));
        }
    }

    pub fn on_event(&mut self, event: ConnEvent, conns: &mut PeerConns) -> Option<Incoming> {
        match event {
            ConnEvent::Service { conn, kind: Kind::Meta, flags: bits, bytes, .. } => {
                let side = self.by_conn.get_mut(&conn)?;
                side.partial.extend_from_slice(&bytes);
                if side.partial.len() > MESSAGE_BYTES_MAX {
                    conns.close(conn);
                    return None;
                }
                if bits & flags::MORE != 0 {
                    return None;
                }
                let bytes = std::mem::take(&mut side.partial);
                Some(Incoming::Message { from: side.peer, bytes, incarnation: side.incarnation })
            }
            ConnEvent::Closed { conn, .. } => {
                let side = self.by_conn.remove(&conn)?;
                let peer = side.peer;
                if matches!(self.ways.get(&peer), Some(Way::Up { conn: used }) if *used == conn) {
                    self.ways.remove(&peer);
                    return Some(Incoming::Disconnected { peer });
                }
                None
            }
            _ => None,
        }
    }
}

/// One message as one or more frames.
fn push(conns: &mut PeerConns, conn: usize, bytes: &[u8]) {
    let Some(out) = conns.outgoing(conn) else { return };
    let mut parts = bytes.chunks(SERVICE_BYTES_MAX as usize).peekable();
    while let Some(part) = parts.next() {
        let bits = if parts.peek().is_some() { flags::MORE } else { 0 };
        let header = Header { flags: bits, ..Header::new(Kind::Meta, 0) };
        out.push(header, part).expect("parts fit a frame");
    }
}
