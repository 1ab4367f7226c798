//! From a thread to the stores it talks to: a mailbox where the store is in this process, one
//! encrypted connection where it is not. Heads (I/O threads) and joining members (store threads)
//! use the same.

use std::collections::HashMap;
use std::sync::Arc;

use shoal_types::{DiskId, Reply, Request};

use super::conns::{ConnEvent, PeerConns};
use super::dialer::{DialError, DialTarget, Dialer};
use super::{AddressBook, Established};
use crate::ring::{Reactor, Sender};
use crate::store_thread::StoreMessage;
use crate::tag::Tag;
use shoal_wire::hello::Purpose;

/// First pause after a failed dial; doubles up to the longest.
const BACKOFF_FIRST_US: u64 = 50_000;
const BACKOFF_LONGEST_US: u64 = 2_000_000;

/// What reaches a thread's links from outside of its ring.
pub enum LinkMessage {
    /// A dial ended.
    Dialled { disk: DiskId, result: Result<Box<Established>, DialError> },
    /// A store of this process opened or closed.
    Local { disk: DiskId, store: Option<Sender<StoreMessage>> },
    /// A local store's answer. `owner` and `request_id` as given to `send`.
    Reply { disk: DiskId, owner: u64, request_id: u64, reply: Reply },
}

/// Where a local store sends its answers.
pub type ReplyPort = Arc<dyn Fn(LinkMessage) + Send + Sync>;

/// What links tell their thread.
pub enum LinkEvent {
    Reply {
        disk: DiskId,
        owner: u64,
        request_id: u64,
        reply: Reply,
    },
    Connected {
        disk: DiskId,
    },
    /// What was sent and not answered is lost or unknown.
    Disconnected {
        disk: DiskId,
    },
}

enum State {
    Local(Sender<StoreMessage>),
    /// Requests wait for the first dial to end.
    Dialling {
        waiting: Vec<(u64, u64, Request)>,
    },
    Up {
        conn: usize,
    },
    Down {
        since_us: u64,
        retry_at_us: u64,
    },
}

struct Link {
    state: State,
    backoff_us: u64,
}

pub struct Links {
    port: ReplyPort,
    book: Arc<AddressBook>,
    dialer: Arc<Dialer>,
    links: HashMap<DiskId, Link>,
    locals: HashMap<DiskId, Sender<StoreMessage>>,
    /// Disk of each outgoing connection.
    by_conn: HashMap<usize, DiskId>,
}

impl Links {
    pub fn new(port: ReplyPort, book: Arc<AddressBook>, dialer: Arc<Dialer>) -> Self {
        Self {
            port,
            book,
            dialer,
            links: HashMap::new(),
            locals: HashMap::new(),
            by_conn: HashMap::new(),
        }
    }

    /// Send, or connect and then send. Where there is no way, `Disconnected` follows.
    pub fn send(
        &mut self,
        disk: DiskId,
        owner: u64,
        request_id: u64,
        request: Request,
        conns: &mut PeerConns,
        events: &mut Vec<LinkEvent>,
    ) {
        if !self.links.contains_key(&disk) {
            self.open(disk);
        }
        let link = self.links.get_mut(&disk).expect("opened above");
        match &mut link.state {
            State::Local(store) => store.send(StoreMessage::Request {
                port: self.port.clone(),
                owner,
                request_id,
                request,
            }),
            State::Dialling { waiting } => waiting.push((owner, request_id, request)),
            State::Up { conn } => conns.send_request(*conn, disk, owner, request_id, &request),
            State::Down { .. } => events.push(LinkEvent::Disconnected { disk }),
        }
    }

    /// A group names this disk: what waits for it has no time for the long pause of one that was away
    /// for minutes. It is over after the first one's length.
    pub fn hasten(&mut self, now_us: u64, disk: DiskId) {
        let Some(link) = self.links.get_mut(&disk) else { return };
        let State::Down { since_us, retry_at_us } = &mut link.state else { return };
        *retry_at_us = (*retry_at_us).min(*since_us + BACKOFF_FIRST_US);
        link.backoff_us = BACKOFF_FIRST_US;
        if *retry_at_us <= now_us {
            link.state = State::Dialling { waiting: Vec::new() };
            self.dial(disk);
        }
    }

    fn open(&mut self, disk: DiskId) {
        let state = match self.locals.get(&disk) {
            Some(store) => State::Local(store.clone()),
            None => {
                self.dial(disk);
                State::Dialling { waiting: Vec::new() }
            }
        };
        self.links.insert(disk, Link { state, backoff_us: BACKOFF_FIRST_US });
    }

    fn dial(&self, disk: DiskId) {
        let port = self.port.clone();
        let done = move |result| port(LinkMessage::Dialled { disk, result });
        match self.book.owner(disk) {
            Some(address) => {
                let purpose = Purpose::Replication(disk);
                self.dialer.dial(DialTarget { address, purpose }, done);
            }
            None => done(Err(DialError::other(format!("no peer is known to carry {disk}")))),
        }
    }

    pub fn on_message(
        &mut self,
        now_us: u64,
        message: LinkMessage,
        conns: &mut PeerConns,
        reactor: &mut Reactor<Tag>,
        events: &mut Vec<LinkEvent>,
    ) {
        match message {
            LinkMessage::Reply { disk, owner, request_id, reply } => {
                events.push(LinkEvent::Reply { disk, owner, request_id, reply });
            }
            LinkMessage::Local { disk, store } => self.on_local(now_us, disk, store, events),
            LinkMessage::Dialled { disk, result: Ok(established) } => {
                // The accepting side of replication only answers: nothing comes early.
                let conn = conns.adopt(*established, reactor, &mut Vec::new());
                self.on_up(disk, conn, conns, events);
            }
            LinkMessage::Dialled { disk, result: Err(_) } => self.on_down(now_us, disk, events),
        }
    }

    fn on_local(
        &mut self,
        now_us: u64,
        disk: DiskId,
        store: Option<Sender<StoreMessage>>,
        events: &mut Vec<LinkEvent>,
    ) {
        let was_used = self.links.contains_key(&disk);
        match store {
            Some(store) => {
                self.locals.insert(disk, store.clone());
                if was_used {
                    // WHATEVER WAS UNDER WAY ELSEWHERE IS LOST: say so before the new way opens.
                    events.push(LinkEvent::Disconnected { disk });
                    self.links.insert(
                        disk,
                        Link { state: State::Local(store), backoff_us: BACKOFF_FIRST_US },
                    );
                    events.push(LinkEvent::Connected { disk });
                }
            }
            None => {
                self.locals.remove(&disk);
                if was_used {
                    self.on_down(now_us, disk, events);
                }
            }
        }
    }

    fn on_up(
        &mut self,
        disk: DiskId,
        conn: usize,
        conns: &mut PeerConns,
        events: &mut Vec<LinkEvent>,
    ) {
        let Some(link) = self.links.get_mut(&disk) else { return conns.close(conn) };
        match std::mem::replace(&mut link.state, State::Up { conn }) {
            State::Dialling { waiting } => {
                self.by_conn.insert(conn, disk);
                link.backoff_us = BACKOFF_FIRST_US;
                events.push(LinkEvent::Connected { disk });
                for (owner, request_id, request) in waiting {
                    conns.send_request(conn, disk, owner, request_id, &request);
                }
            }
            // It became local meanwhile.
            other => {
                link.state = other;
                conns.close(conn);
            }
        }
    }

    fn on_down(&mut self, now_us: u64, disk: DiskId, events: &mut Vec<LinkEvent>) {
        let Some(link) = self.links.get_mut(&disk) else { return };
        link.state = State::Down { since_us: now_us, retry_at_us: now_us + link.backoff_us };
        link.backoff_us = (link.backoff_us * 2).min(BACKOFF_LONGEST_US);
        events.push(LinkEvent::Disconnected { disk });
    }

    /// An event of a connection. Gives back what is not about a link of ours.
    pub fn on_conn(
        &mut self,
        now_us: u64,
        event: ConnEvent,
        events: &mut Vec<LinkEvent>,
    ) -> Option<ConnEvent> {
        match event {
            ConnEvent::Reply { conn, owner, request_id, reply } => {
                let disk = *self.by_conn.get(&conn)?;
                events.push(LinkEvent::Reply { disk, owner, request_id, reply });
                None
            }
            ConnEvent::Closed { conn, .. } if self.by_conn.contains_key(&conn) => {
                let disk = self.by_conn.remove(&conn)?;
                self.on_down(now_us, disk, events);
                None
            }
            other => Some(other),
        }
    }

    /// Dial again what is due.
    pub fn tick(&mut self, now_us: u64) {
        let is_due = |link: &Link| match link.state {
            State::Down { retry_at_us, .. } => retry_at_us <= now_us,
            _ => false,
        };
        let due: Vec<DiskId> =
            self.links.iter().filter(|(_, link)| is_due(link)).map(|(disk, _)| *disk).collect();
        for disk in due {
            let link = self.links.get_mut(&disk).expect("listed above");
            link.state = State::Dialling { waiting: Vec::new() };
            self.dial(disk);
        }
    }

    pub fn next_deadline_us(&self) -> Option<u64> {
        let due = |link: &Link| match link.state {
            State::Down { retry_at_us, .. } => Some(retry_at_us),
            _ => None,
        };
        self.links.values().filter_map(due).min()
    }

    /// Nobody here needs this disk any more (it left the map): close and forget.
    pub fn forget(&mut self, disk: DiskId, conns: &mut PeerConns) {
        if let Some(Link { state: State::Up { conn }, .. }) = self.links.remove(&disk) {
            self.by_conn.remove(&conn);
            conns.close(conn);
        }
    }
}
