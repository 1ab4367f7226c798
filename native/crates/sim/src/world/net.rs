//! Links between peers, and connections over them. A connection keeps what was sent while its
//! link is blocked (as TCP does) until it is found broken; what was under way on a broken one is
//! lost, or arrives late.

use std::collections::{BTreeMap, BTreeSet};

use shoal_engine::head::HeadEvent;
use shoal_engine::member::MemberEvent;
use shoal_types::{DiskId, Reply, Request};

use super::World;
use super::event::{Asker, Event};

#[derive(Debug)]
pub struct Net {
    /// (from, to) pairs that carry nothing. Peer number `peers` stands for the cluster's voters.
    blocked: BTreeSet<(u64, u64)>,
    /// (from, to): until then everything takes so much longer.
    clogged: BTreeMap<(u64, u64), (u64, u64)>,
    connections: BTreeMap<(Asker, DiskId), Connection>,
    next_link: u64,
    /// Of each disk's member as it runs now: links that are older led to another process.
    first_links: BTreeMap<DiskId, u64>,
    pub voters: u64,
}

#[derive(Debug)]
struct Connection {
    /// A new number each time it is made.
    link: u64,
    up: bool,
    /// Of the disk's member when it was made: no connection outlives a process.
    life: u64,
    /// A look at it is scheduled.
    looked_at: bool,
}

/// Between two attempts to connect.
const RECONNECT_US: u64 = 50_000;
/// How often a blocked connection is tried.
const RESEND_US: u64 = 25_000;

impl Net {
    pub fn new(peers: u64) -> Self {
        let (blocked, connections) = (BTreeSet::new(), BTreeMap::new());
        let (clogged, first_links) = (BTreeMap::new(), BTreeMap::new());
        Self { blocked, clogged, connections, next_link: 1, first_links, voters: peers }
    }

    /// A process begins: what was on its way to the one before it is lost.
    pub fn begin(&mut self, disk: DiskId) {
        self.first_links.insert(disk, self.next_link);
    }

    fn led_elsewhere(&self, disk: DiskId, link: u64) -> bool {
        self.first_links.get(&disk).is_some_and(|first| link < *first)
    }

    pub fn block(&mut self, from: u64, to: u64) {
        if from != to {
            self.blocked.insert((from, to));
        }
    }

    pub fn unblock(&mut self, from: u64, to: u64) {
        self.blocked.remove(&(from, to));
    }

    pub fn clog(&mut self, from: u64, to: u64, until_us: u64, extra_us: u64) {
        self.clogged.insert((from, to), (until_us, extra_us));
    }

    pub fn unblock_all(&mut self) {
        self.clogged.clear();
        self.blocked.clear();
    }

    pub fn carries(&self, from: u64, to: u64) -> bool {
        !self.blocked.contains(&(from, to))
    }

    pub fn both_ways(&self, a: u64, b: u64) -> bool {
        self.carries(a, b) && self.carries(b, a)
    }

    pub fn forget(&mut self, asker: Asker) {
        self.connections.retain(|(a, _), _| *a != asker);
    }

    fn is_current(&self, asker: Asker, disk: DiskId, link: u64) -> bool {
        self.connections.get(&(asker, disk)).is_some_and(|c| c.up && c.link == link)
    }

    /// Connections that go through a pair of peers, in order.
    pub fn across(&self, hit: impl Fn(Asker, DiskId) -> bool) -> Vec<(Asker, DiskId)> {
        self.connections.keys().copied().filter(|(a, d)| hit(*a, *d)).collect()
    }
}

impl World {
    pub fn delay(&mut self) -> u64 {
        if self.rng.permille(self.plan.late_permille) && !self.healing {
            return self.rng.range(50_000, 900_000);
        }
        self.rng.range(20, 20 + self.plan.delay_us_max)
    }

    /// How much longer a message takes that is sent now.
    pub fn clog(&self, from: u64, to: u64) -> u64 {
        let clogged = self.net.clogged.get(&(from, to));
        clogged.filter(|(until, _)| *until > self.now_us).map_or(0, |(_, extra)| *extra)
    }

    fn asker_peer(&self, asker: Asker) -> Option<u64> {
        match asker {
            Asker::Head(head) => self.heads.get(&head).map(|h| h.peer),
            Asker::Member(disk) => Some(self.plan.peer_of(disk)),
        }
    }

    fn can_connect(&self, asker: Asker, disk: DiskId) -> bool {
        let Some(from) = self.asker_peer(asker) else { return false };
        let up = self.disks.get(&disk).is_some_and(|d| d.member.is_some());
        up && self.net.both_ways(from, self.plan.peer_of(disk))
    }

    pub fn send_request(&mut self, asker: Asker, disk: DiskId, request_id: u64, request: Request) {
        if !self.net.connections.contains_key(&(asker, disk)) {
            let up = self.can_connect(asker, disk);
            let link = self.net.next_link;
            self.net.next_link += 1;
            let life = self.disks[&disk].life;
            let fresh = Connection { link, up, life, looked_at: !up };
            self.net.connections.insert((asker, disk), fresh);
            if !up {
                self.tell_connection(asker, disk, false);
                self.at(RECONNECT_US, Event::Connection { asker, disk });
            }
        }
        let connection = &self.net.connections[&(asker, disk)];
        if !connection.up {
            return;
        }
        let link = connection.link;
        self.counts.messages += 1;
        let copies = 1 + u64::from(self.rng.permille(self.plan.duplicate_permille));
        for _ in 0..copies {
            let mut delay = self.delay();
            if matches!(request, Request::CopyRead { .. }) && !self.healing {
                delay += self.rng.below(self.plan.copy_pause_us);
            }
            let request = request.clone();
            self.at(delay, Event::ToMember { disk, asker, link, request_id, request });
        }
    }

    pub fn send_reply(&mut self, asker: Asker, disk: DiskId, link: u64, id: u64, reply: Reply) {
        self.counts.messages += 1;
        let copies = 1 + u64::from(self.rng.permille(self.plan.duplicate_permille));
        for _ in 0..copies {
            let (delay, reply) = (self.delay(), reply.clone());
            self.at(delay, Event::ToAsker { asker, disk, link, request_id: id, reply });
        }
    }

    pub fn deliver_request(
        &mut self,
        disk: DiskId,
        asker: Asker,
        link: u64,
        request_id: u64,
        request: Request,
    ) {
        let again = |request| Event::ToMember { disk, asker, link, request_id, request };
        let current = self.net.is_current(asker, disk, link);
        // What a broken connection still held may arrive all the same, even after its sender died.
        if !current && (self.rng.percent(50) || self.net.led_elsewhere(disk, link)) {
            return;
        }
        let from = self.asker_peer(asker);
        if from.is_some_and(|from| !self.net.carries(from, self.plan.peer_of(disk))) {
            if current {
                self.at(RESEND_US, again(request));
            }
            return;
        }
        if let Some(wait) = self.pause_left(self.plan.peer_of(disk)) {
            return self.put_off(wait, again(request));
        }
        let life = self.disks[&disk].life;
        let old = current && self.net.connections[&(asker, disk)].life != life;
        if old || self.disks[&disk].member.is_none() {
            return self.break_connection(asker, disk);
        }
        self.member_request(disk, asker, link, request_id, request);
    }

    pub fn deliver_reply(
        &mut self,
        asker: Asker,
        disk: DiskId,
        link: u64,
        request_id: u64,
        reply: Reply,
    ) {
        let Some(to) = self.asker_peer(asker) else { return };
        if !self.net.is_current(asker, disk, link) {
            return;
        }
        let again = |reply| Event::ToAsker { asker, disk, link, request_id, reply };
        if !self.net.carries(self.plan.peer_of(disk), to) {
            return self.at(RESEND_US, again(reply));
        }
        if let Some(wait) = self.pause_left(to) {
            return self.put_off(wait, again(reply));
        }
        match asker {
            Asker::Head(head) => {
                self.head_event(head, HeadEvent::Reply { disk, request_id, reply });
            }
            Asker::Member(joiner) => {
                self.member_event(joiner, MemberEvent::Answer { disk, request_id, reply });
            }
        }
    }

    /// The connection is found broken: what is under way on it is as good as lost.
    pub fn break_connection(&mut self, asker: Asker, disk: DiskId) {
        let Some(connection) = self.net.connections.get_mut(&(asker, disk)) else { return };
        if !connection.up {
            return;
        }
        connection.up = false;
        let look = !std::mem::replace(&mut connection.looked_at, true);
        self.tell_connection(asker, disk, false);
        if look {
            self.at(RECONNECT_US, Event::Connection { asker, disk });
        }
    }

    pub fn look_at_connection(&mut self, asker: Asker, disk: DiskId) {
        if !self.net.connections.contains_key(&(asker, disk)) {
            return;
        }
        let able = self.can_connect(asker, disk);
        let life = self.disks[&disk].life;
        let link = self.net.next_link;
        let connection = self.net.connections.get_mut(&(asker, disk)).expect("just seen");
        connection.looked_at = false;
        match (connection.up, able && (!connection.up || connection.life == life)) {
            (true, false) => self.break_connection(asker, disk),
            (false, true) => {
                (connection.up, connection.link, connection.life) = (true, link, life);
                self.net.next_link += 1;
                self.tell_connection(asker, disk, true);
            }
            (false, false) => {
                connection.looked_at = true;
                self.at(RECONNECT_US, Event::Connection { asker, disk });
            }
            (true, true) => {}
        }
    }

    /// Looks at a connection after a while, as a time-out would.
    pub fn suspect_connection(&mut self, asker: Asker, disk: DiskId, after_us: u64) {
        if let Some(connection) = self.net.connections.get_mut(&(asker, disk)) {
            connection.looked_at = true;
            self.at(after_us, Event::Connection { asker, disk });
        }
    }

    fn tell_connection(&mut self, asker: Asker, disk: DiskId, up: bool) {
        match asker {
            Asker::Head(head) => {
                let event = match up {
                    true => HeadEvent::Connected { disk },
                    false => HeadEvent::Disconnected { disk },
                };
                self.head_event_soon(head, event);
            }
            Asker::Member(joiner) => {
                let event = match up {
                    true => MemberEvent::Connected { disk },
                    false => MemberEvent::Disconnected { disk },
                };
                self.member_event_soon(joiner, event);
            }
        }
    }
}
