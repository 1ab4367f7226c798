//! A cluster in one thread: virtual time, one source of chance, the production head and member.

mod atlas;
mod client;
mod cluster;
mod disk_faults;
mod event;
mod fault;
mod finish;
mod heads;
mod link_faults;
mod members;
mod net;
mod peer;
mod queue;
mod rest;
mod services;
mod volumes;

use std::collections::BTreeMap;

use shoal_types::{DiskId, VolumeId};

use crate::OPS_COUNTED;
use crate::any_store::AnyStore;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::trace::Trace;
use client::Clients;
use cluster::Cluster;
use event::Event;
use heads::HeadProcess;
use members::DiskState;
use net::Net;
use peer::Peer;
use queue::Queue;
use services::{Record, Services};

/// More due at once than any sound world has.
const EVENTS_MAX: usize = 100_000;
/// Given to the world after the faults to become whole and answer everything.
const HEAL_US: u64 = 60_000_000;

/// Given to it then to put away what is left over.
const REST_US: u64 = 3_000_000;
/// Rests until nothing damaged is left.
const RESTS_MAX: u32 = 5;

pub struct World {
    pub plan: Plan,
    pub rng: Rng,
    pub now_us: u64,
    queue: Queue,
    pub trace: Trace,
    pub net: Net,
    pub peers: Vec<Peer>,
    pub disks: BTreeMap<DiskId, DiskState>,
    pub heads: BTreeMap<u64, HeadProcess>,
    next_head: u64,
    pub cluster: Cluster,
    pub record: Record,
    pub clients: Clients,
    pub counts: Counts,
    pub healing: bool,
    /// Whole again, at its end: nothing more goes wrong.
    pub resting: bool,
    /// Until then a read may say EIO: a disk lied, or seemed to.
    damage_until_us: u64,
    scrub_at_us: u64,
    /// More was lost than the promise bears: what follows is not judged.
    is_over: bool,
    pub failure: Option<String>,
}

/// What a run saw.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub ops: u64,
    pub op_kinds: BTreeMap<&'static str, u64>,
    /// Starts of a member after a crash.
    pub recoveries: u64,
    pub ops_failed: u64,
    pub messages: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub joins: u64,
    pub removals: u64,
    pub take_overs: u64,
    pub no_space: u64,
    /// Where services keep the record: what they committed, what they said, whom they blamed.
    pub commands: u64,
    pub record_messages: u64,
    pub blamed: u64,
    /// Requests that succeeded while nobody heard anybody of the record.
    pub ops_in_silence: u64,
    pub record_worlds: u64,
}

impl World {
    pub fn new(seed: u64, verbose: bool) -> Self {
        let plan = Plan::of(seed);
        let mut rng = Rng::new(seed.wrapping_mul(0x1234_5677).wrapping_add(99));
        let peers: Vec<Peer> =
            (0..plan.peers).map(|_| Peer::new(&mut rng, plan.confirmed_reads)).collect();
        let record = match plan.growth.services {
            true => Record::Services(Box::new(Services::new(&plan, &mut rng))),
            false => Record::Oracle,
        };
        let mut world = Self {
            net: Net::new(plan.peers),
            cluster: Cluster::new(&plan),
            record,
            clients: Clients::new(),
            trace: Trace::new(verbose),
            now_us: 0,
            queue: Queue::default(),
            peers,
            disks: BTreeMap::new(),
            heads: BTreeMap::new(),
            next_head: 1,
            counts: Counts::default(),
            healing: false,
            resting: false,
            damage_until_us: 0,
            scrub_at_us: 0,
            is_over: false,
            failure: None,
            plan,
            rng,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        if self.has_services() {
            return self.start_services();
        }
        for peer in 0..self.plan.peers {
            for disk in self.plan.disks_of(peer) {
                self.disks.insert(disk, DiskState::new(AnyStore::new(&self.plan, disk)));
                self.start_member(disk);
            }
            self.at(0, Event::Renew { peer });
        }
        for volume in 1..=self.plan.volumes {
            self.start_clients(VolumeId(volume));
        }
        self.at(1_000, Event::Cluster);
        let first = self.rng.below(self.plan.fault_every_us * 2);
        self.at(first, Event::Fault);
    }

    fn start_services(&mut self) {
        self.counts.record_worlds = 1;
        for disk in (0..self.plan.peers).flat_map(|peer| self.plan.disks_of(peer)) {
            self.disks.insert(disk, DiskState::new(AnyStore::new(&self.plan, disk)));
        }
        self.found_cluster();
        self.at(1_000, Event::Cluster);
        let first = self.rng.below(self.plan.fault_every_us * 2);
        self.at(first, Event::Fault);
    }

    /// Runs to the end; afterwards `failure` says whether something was wrong.
    pub fn run(&mut self) {
        // Where hardly anything succeeds it takes longer to see much.
        let most_us = self.plan.faults_until_us * 3;
        while self.goes_on()
            && (self.now_us < self.plan.faults_until_us
                || (self.counts.ops < OPS_COUNTED && self.now_us < most_us))
        {
            self.step();
        }
        if self.goes_on() {
            self.heal();
        }
        let deadline = self.now_us + HEAL_US;
        while self.goes_on() && !self.is_whole() {
            if self.now_us > deadline {
                let why = self.not_whole();
                return self.fail(format!("not whole after the faults ended: {why}"));
            }
            self.step();
        }
        if self.is_over {
            return self.check_histories();
        }
        if self.goes_on() {
            self.tell_everyone();
        }
        self.rest();
        if self.goes_on() {
            self.check_end();
        }
    }

    fn goes_on(&self) -> bool {
        self.failure.is_none() && !self.is_over
    }

    /// A write that the disk lost shows once the fold that made it is over: damage is looked for again
    /// after a rest, and what had to be repaired is followed by another one. So is a disk that left once
    /// more: what was decided before the healing may be heard late, and clocks that are far off let
    /// leases lapse.
    fn rest(&mut self) {
        self.resting = true;
        for _ in 0..RESTS_MAX {
            let until = self.now_us + REST_US;
            while self.goes_on() && self.now_us < until {
                self.step();
            }
            if !self.goes_on() || (self.scrub() && self.is_undisturbed()) {
                return;
            }
        }
    }

    fn step(&mut self) {
        let (at_us, event) = self.queue.pop().expect("something is always due");
        self.now_us = self.now_us.max(at_us);
        if self.queue.len() > EVENTS_MAX {
            self.fail(format!("{} events are due: something grows", self.queue.len()));
        }
        self.trace.event(self.now_us, &event, event.mark());
        self.dispatch(event);
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::ToMember { disk, asker, link, request_id, request } => {
                self.deliver_request(disk, asker, link, request_id, request);
            }
            Event::ToAsker { asker, disk, link, request_id, reply } => {
                self.deliver_reply(asker, disk, link, request_id, reply);
            }
            Event::Connection { asker, disk } => self.look_at_connection(asker, disk),
            Event::Commit { disk, life } => self.commit(disk, life),
            Event::HeadTick { head } => self.tick_head(head),
            Event::HeadTold { head, event } => self.head_event(head, event),
            Event::MemberTold { disk, life, event } => self.member_told(disk, life, event),
            Event::ToCluster { peer, message } => self.to_cluster(peer, message),
            Event::ToPeer { peer, life, message } => self.to_peer(peer, life, message),
            Event::Client { volume, client } => self.client_turn(volume, client),
            Event::Renew { peer } => self.renew(peer),
            Event::Cluster => self.cluster_turn(),
            Event::Fault => self.fault(),
            Event::Restart { peer } => self.restart_peer(peer),
            Event::Bounce { peer, life } => self.bounce_peer(peer, life),
            Event::Patience { op_id } => self.lose_patience(op_id),
            Event::StallSeen { disk, life } => self.stall_seen(disk, life),
            Event::SwapBack { a, b } => self.swap_back(a, b),
            Event::Heal { from, to } => self.net.unblock(from, to),
            Event::CutOff { peer, for_us } => self.cut_off(peer, for_us),
            Event::Create => self.create_volume(),
            Event::Record { peer, life, what } => self.record_event(peer, life, what),
        }
    }

    /// Something happens after so many microseconds.
    pub fn at(&mut self, delay_us: u64, event: Event) {
        self.queue.push(self.now_us + delay_us, event);
    }

    /// What is being dealt with meets someone who stands still.
    pub fn put_off(&mut self, delay_us: u64, event: Event) {
        self.queue.put_off(self.now_us + delay_us, event);
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.note(self.now_us, text);
    }

    pub fn fail(&mut self, why: String) {
        self.trace.note(self.now_us, || format!("FAILED: {why}"));
        self.failure.get_or_insert(why);
    }
}
