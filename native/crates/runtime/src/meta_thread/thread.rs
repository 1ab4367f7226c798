//! The loop of the cluster state's thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use shoal_engine::insync::Probe;
use shoal_meta::hex::{Hex, ProposalId};
use shoal_meta::log_store::{DirLog, FsDir};
use shoal_meta::raft::{self, Fatal};
use shoal_meta::service::{MetaService, Now, Output, ServiceConfig, ServiceInit};
use shoal_meta::state::ClusterState;
use shoal_types::{DiskId, PeerId};
use shoal_wire::hello::Purpose;
use shoal_wire::identity::PublicKey;

use super::blame::Blame;
use super::handle::{Done, MetaError, MetaShared, Proposed, Service};
use super::keeper::{Keeper, known};
use super::peers::{Incoming, MetaPeers};
use super::{MetaMessage, MetaStart};
use crate::peer::{ConnEvent, DialTarget, PeerAddress, PeerConns};
use crate::ring::{Completion, Mailbox, Reactor, Sender};
use crate::supervisor::{ClusterFile, Event};
use crate::tag::Tag;
use crate::{clock, random};

/// Between two ticks, in ms; consensus counts in these.
const TICK_MS: u64 = 100;
/// How often a leader calls those that do not answer to it, in ms.
const CALL_EVERY_MS: u64 = 1_000;
/// Bytes of a start's last messages are given this long to leave.
const FAREWELL: Duration = Duration::from_millis(100);
/// Longest time that somebody else may take to lead instead.
const HAND_OVER_MS: u64 = 400;

pub struct MetaThread {
    start: MetaStart,
    shared: Arc<MetaShared>,
    reactor: Reactor<Tag>,
    inbox: Mailbox<MetaMessage>,
    conns: PeerConns,
    peers: MetaPeers,
    proposals: HashMap<ProposalId, Vec<Done<Proposed>>>,
    barriers: HashMap<u64, Done<()>>,
    next_barrier: u64,
    lease_until_ms: u64,
    events: Vec<ConnEvent>,
    keeper: Keeper,
    blame: Blame,
    call_at_ms: u64,
    stop_asked: Option<SyncSender<()>>,
    stopping: Option<SyncSender<()>>,
}

impl MetaThread {
    pub fn new(
        start: MetaStart,
        shared: Arc<MetaShared>,
        reactor: Reactor<Tag>,
        inbox: Mailbox<MetaMessage>,
    ) -> Self {
        let keeper = Keeper::start(start.dir.clone());
        let peers = MetaPeers::new(inbox.sender(), start.book.clone(), start.dialer.clone());
        Self {
            start,
            shared,
            reactor,
            inbox,
            conns: PeerConns::new(),
            peers,
            proposals: HashMap::new(),
            barriers: HashMap::new(),
            next_barrier: 1,
            lease_until_ms: 0,
            events: Vec::new(),
            keeper,
            blame: Blame::default(),
            call_at_ms: 0,
            stop_asked: None,
            stopping: None,
        }
    }

    /// Open the service of a member.
    pub fn enter(&mut self, file: &ClusterFile) -> Result<(), String> {
        let named =
            |error: &dyn std::fmt::Display| format!("{}: {error}", self.start.dir.display());
        let dir = FsDir::open(&self.start.dir).map_err(|error| named(&error))?;
        let mut log = DirLog::open(dir, file.cluster_id, file.peer_id);
        let has_log = log.exists().map_err(|error| named(&error))?;
        let mut config = ServiceConfig::new(file.peer(), Hex(self.start.process), random::number());
        config.lease_ms = self.start.lease_ms;
        config.raft_tick_ms = TICK_MS;
        let contacts = file.contacts.iter().map(|contact| PeerId(contact.peer_id)).collect();
        let state = known(&self.start.dir, file.cluster_id);
        let init = ServiceInit { log, has_log, state, contacts };
        let service = MetaService::open(config, init, now()).map_err(|error| named(&error))?;
        self.know_contacts(file);
        self.shared.update(|slot| *slot = Some(Box::new(service)));
        self.drive(|_| Ok(()));
        Ok(())
    }

    /// Until the state is known, the contacts' addresses are all there is.
    fn know_contacts(&self, file: &ClusterFile) {
        let address = |contact: &crate::supervisor::Contact| PeerAddress {
            peer: PeerId(contact.peer_id),
            key: PublicKey(contact.public_key.0),
            addresses: contact.addresses.clone(),
        };
        self.start.book.replace(file.contacts.iter().map(address), []);
    }

    pub fn run(mut self) {
        loop {
            self.settle();
            if self.is_finished() {
                return;
            }
            self.turn();
            if let Some(answer) = self.stop_asked.take() {
                self.stop(answer);
            }
        }
    }

    /// Waits for whatever comes, at most for a tick, and deals with it.
    fn turn(&mut self) {
        let mut done = Vec::new();
        let wait = Some(Duration::from_millis(TICK_MS));
        let woken = self.reactor.wait(wait, &mut done).expect("io_uring failed");
        for Completion { tag, result } in done {
            match tag {
                Tag::PeerRecv(conn) => self.conns.on_recv(conn, result, &mut self.events),
                Tag::PeerSend(conn) => self.conns.on_send(conn, result),
                _ => unreachable!("this thread has connections only"),
            }
        }
        if woken {
            self.take_messages();
        }
        self.drive(|service| service.tick(now()));
        self.call_absent();
        self.keep_state();
    }

    fn call_absent(&mut self) {
        let now_ms = clock::now_ms();
        if now_ms < self.call_at_ms || !self.shared.is_leader() {
            return;
        }
        self.call_at_ms = now_ms + CALL_EVERY_MS;
        self.drive(|service| {
            service.call_absent(now());
            Ok(())
        });
    }

    /// A voter has its log.
    fn keep_state(&mut self) {
        let (keeper, now_ms) = (&mut self.keeper, clock::now_ms());
        self.shared.update(|slot| {
            let service = slot.as_deref().filter(|service| service.node().is_none());
            if let Some(state) = service.and_then(Service::state) {
                keeper.offer(state, now_ms);
            }
        });
    }

    fn is_finished(&mut self) -> bool {
        let Some(answer) = &self.stopping else { return false };
        if self.reactor.in_flight() > 0 {
            self.conns.close_all();
            return false;
        }
        let _nobody_waits = answer.send(());
        true
    }

    fn take_messages(&mut self) {
        let mut batch = self.inbox.take();
        self.together(|thread| {
            for message in batch.drain(..) {
                thread.on_message(message);
            }
        });
        self.inbox.recycle(batch);
    }

    /// One sync of the log for everything that `work` brings.
    fn together(&mut self, work: impl FnOnce(&mut Self)) {
        self.drive(|service| {
            service.hold();
            Ok(())
        });
        work(self);
        self.drive(Service::settle_held);
    }

    fn on_message(&mut self, message: MetaMessage) {
        match message {
            MetaMessage::Found { state, answer } => {
                let _nobody_waits = answer.send(self.found(&state));
            }
            MetaMessage::Entered { file } => {
                if let Err(error) = self.enter(&file) {
                    eprintln!("the cluster state cannot be opened: {error}");
                }
            }
            MetaMessage::Propose { id, command, done } => {
                if self.expect(id, done) {
                    self.drive(|service| service.propose(id, *command, now()));
                }
            }
            MetaMessage::TakeHead { volume, generation, expected, done } => {
                let id = Hex(random::bytes());
                if self.expect(id, done) {
                    self.drive(|service| {
                        service.take_head(id, volume, generation, expected, now())
                    });
                }
            }
            MetaMessage::Barrier { done } => self.barrier(done),
            MetaMessage::Report { disk, kind } => {
                self.drive(|service| service.report(disk, kind, now()));
            }
            MetaMessage::Probed { disk, probe } => {
                self.drive(|service| service.probed(disk, probe, now()));
            }
            MetaMessage::Accepted(established) => {
                let (conns, events) = (&mut self.conns, &mut self.events);
                self.peers.on_accepted(*established, conns, &mut self.reactor, events);
            }
            MetaMessage::Dialled { peer, result } => self.peers.on_dialled(
                clock::now_us(),
                peer,
                result,
                &mut self.conns,
                &mut self.reactor,
                &mut self.events,
            ),
            MetaMessage::MembersChanged => self.conns.close_revoked(),
            MetaMessage::Reconnect => self.conns.close_all(),
            MetaMessage::Removed => {
                self.shared.update(|slot| *slot = None);
                self.conns.close_all();
            }
            MetaMessage::WantKey => self.drive(|service| service.want_key(now())),
            MetaMessage::GiveKey { to, seed } => {
                self.drive(|service| service.give_key(to, seed, now()));
            }
            MetaMessage::Stop { answer } => self.stop_asked = Some(answer),
        }
    }

    /// Somebody else leads before this peer goes, if there is anybody.
    fn hand_over(&mut self) {
        let mut begun = false;
        self.drive(|service| {
            begun = service.hand_over_leadership(now())?;
            Ok(())
        });
        let deadline_ms = clock::now_ms() + HAND_OVER_MS;
        let leads =
            |slot: &mut Option<Box<Service>>| slot.as_deref().is_some_and(Service::is_leading);
        while begun && self.shared.update(leads) && clock::now_ms() < deadline_ms {
            self.settle();
            self.turn();
        }
    }

    fn keep_last_state(&self) {
        self.shared.update(|slot| {
            let service = slot.as_deref().filter(|service| service.node().is_none());
            if let Some(state) = service.and_then(Service::state)
                && let Err(error) = Keeper::keep_now(&self.start.dir, state)
            {
                eprintln!("the cluster state could not be kept: {error}");
            }
        });
    }

    /// THE LEASE IS GIVEN BACK FIRST, and the message is given time to leave.
    fn stop(&mut self, answer: SyncSender<()>) {
        self.hand_over();
        self.keep_last_state();
        self.drive(|service| service.end_session(now()));
        self.settle();
        let mut done = Vec::new();
        let _on_the_way = self.reactor.wait(Some(FAREWELL), &mut done);
        for Completion { tag, result } in done {
            match tag {
                Tag::PeerRecv(conn) => self.conns.on_recv(conn, result, &mut self.events),
                Tag::PeerSend(conn) => self.conns.on_send(conn, result),
                _ => unreachable!("this thread has connections only"),
            }
        }
        self.stopping = Some(answer);
    }

    fn found(&self, state: &ClusterState) -> Result<(), String> {
        let named =
            |error: &dyn std::fmt::Display| format!("{}: {error}", self.start.dir.display());
        let dir = FsDir::open(&self.start.dir).map_err(|error| named(&error))?;
        let mut log = DirLog::open(dir, state.cluster_id(), 1);
        raft::found(&mut log, state).map_err(|error| named(&error))
    }

    /// Remember who waits for a proposal. False: there is no cluster, and it was told.
    fn expect(&mut self, id: ProposalId, done: Done<Proposed>) -> bool {
        if self.shared.update(|slot| slot.is_none()) {
            done(Err(MetaError::NoCluster));
            return false;
        }
        self.proposals.entry(id).or_default().push(done);
        true
    }

    fn barrier(&mut self, done: Done<()>) {
        if self.shared.update(|slot| slot.is_none()) {
            return done(Err(MetaError::NoCluster));
        }
        let token = self.next_barrier;
        self.next_barrier += 1;
        self.barriers.insert(token, done);
        self.drive(|service| service.barrier(token, now()));
    }

    /// Connections' events to the service, until there are none.
    fn settle(&mut self) {
        loop {
            let events = std::mem::take(&mut self.events);
            if !events.is_empty() {
                self.together(|thread| events.into_iter().for_each(|e| thread.on_event(e)));
            }
            self.conns.flush(&mut self.reactor, &mut self.events);
            if self.events.is_empty() {
                return;
            }
        }
    }

    fn on_event(&mut self, event: ConnEvent) {
        match self.peers.on_event(event, &mut self.conns) {
            Some(Incoming::Message { from, bytes, incarnation }) => self.drive(|service| {
                let own = service.state().map_or(0, |state| u64::from(state.incarnation()));
                match incarnation < own {
                    true => service.receive_behind(from, &bytes, now()),
                    false => service.receive(from, &bytes, now()),
                }
            }),
            Some(Incoming::Disconnected { peer }) => {
                self.drive(|service| service.disconnected(peer, now()));
            }
            None => {}
        }
    }

    /// Let the service do something, then do what it says. A fatal error ends the process: a peer
    /// that cannot write its log must not answer for it.
    fn drive(&mut self, act: impl FnOnce(&mut Service) -> Result<(), Fatal>) {
        let acted = self.shared.update(|slot| {
            let service = slot.as_deref_mut()?;
            let acted = act(service).map(|()| service.take_outputs());
            Some(acted.map(|outputs| (outputs, service.lease_until_ms())))
        });
        match acted {
            None => {}
            Some(Ok((outputs, lease_until_ms))) => {
                outputs.into_iter().for_each(|output| self.carry_out(output));
                self.tell_lease(lease_until_ms);
            }
            Some(Err(fatal)) => {
                eprintln!("the cluster state cannot go on: {fatal}");
                std::process::exit(70);
            }
        }
    }

    fn tell_lease(&mut self, lease_until_ms: u64) {
        if lease_until_ms != self.lease_until_ms {
            self.lease_until_ms = lease_until_ms;
            self.start.inlet.send(Event::Lease { valid_until_us: lease_until_ms * 1_000 });
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { to, bytes } => {
                self.peers.send(clock::now_us(), to, bytes, &mut self.conns);
            }
            Output::Proposed { id, result } => {
                let result = result.map(|(index, outcome)| Proposed { outcome, index });
                for done in self.proposals.remove(&id).unwrap_or_default() {
                    done(result.clone().map_err(MetaError::Unavailable));
                }
            }
            Output::Barrier { token, result } => {
                if let Some(done) = self.barriers.remove(&token) {
                    done(result.map_err(MetaError::Unavailable));
                }
            }
            Output::StateChanged { .. } => self.start.inlet.send(Event::StateChanged),
            Output::Probe { disk, peer } => self.probe(disk, peer),
            Output::KeyWanted { from } => self.start.inlet.send(Event::KeyWanted { from }),
            Output::Key { seed } => self.start.inlet.send(Event::Key { seed }),
            Output::Blamed { disk } => {
                if self.blame.is_news(disk, clock::now_ms()) {
                    eprintln!("others reach {disk}, this peer does not: its network is at fault");
                }
            }
        }
    }

    /// The leader's own look: a connection to the very store.
    fn probe(&self, disk: DiskId, peer: PeerId) {
        let inbox: Sender<MetaMessage> = self.inbox.sender();
        let done = move |probe| inbox.send(MetaMessage::Probed { disk, probe });
        match self.start.book.peer(peer) {
            Some(address) => {
                let target = DialTarget { address, purpose: Purpose::Replication(disk) };
                self.start.dialer.dial(target, move |result| {
                    done(match result {
                        Ok(_) => Probe::Reached,
                        Err(error) if error.is_refused => Probe::Refused,
                        Err(_) => Probe::Failed,
                    });
                });
            }
            None => done(Probe::Failed),
        }
    }
}

fn now() -> Now {
    Now { boot_ms: clock::now_ms(), wall_ms: clock::wall_ms() }
}
