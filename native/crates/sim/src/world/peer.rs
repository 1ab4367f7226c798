//! A peer: its process (one life after the other), its clock, its lease.

use shoal_engine::head::HeadEvent;
use shoal_engine::lease::Holder;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::PgView;

use super::World;
use super::event::{Event, ToCluster, ToPeer};
use super::members::DiskState;
use crate::rng::Rng;

#[derive(Debug)]
pub struct Peer {
    pub alive: bool,
    /// Grows with each start.
    pub life: u64,
    pub paused_until_us: u64,
    pub clock: Clock,
    pub lease: Holder,
}

/// A peer's monotonic clock.
#[derive(Debug)]
pub struct Clock {
    /// In thousandths of real time: within the lease's bound where there are leases.
    rate: u64,
    /// (real, its own) time of the last change.
    since_us: (u64, u64),
    stopped_until_us: u64,
}

impl Clock {
    fn new(rng: &mut Rng, confirmed_reads: bool) -> Self {
        let rate = match confirmed_reads {
            true => rng.range(700, 1400),
            false => rng.range(955, 1046),
        };
        Self { rate, since_us: (0, 0), stopped_until_us: 0 }
    }

    pub fn local_us(&self, now_us: u64) -> u64 {
        let running = now_us.saturating_sub(self.stopped_until_us.max(self.since_us.0));
        self.since_us.1 + running * self.rate / 1000
    }

    /// Real time until it shows so much, if it goes on running.
    pub fn wait_us(&self, now_us: u64, local_us: u64) -> u64 {
        let left = local_us.saturating_sub(self.local_us(now_us)) * 1000 / self.rate;
        self.stopped_until_us.saturating_sub(now_us) + left + 1
    }

    /// Forwards only: a monotonic clock never goes back.
    pub fn jump(&mut self, now_us: u64, by_us: u64) {
        self.since_us = (now_us, self.local_us(now_us) + by_us);
    }

    pub fn stop(&mut self, now_us: u64, for_us: u64) {
        self.since_us = (now_us, self.local_us(now_us));
        self.stopped_until_us = now_us + for_us;
    }
}

impl Peer {
    pub fn new(rng: &mut Rng, confirmed_reads: bool) -> Self {
        let clock = Clock::new(rng, confirmed_reads);
        Self { alive: true, life: 1, paused_until_us: 0, clock, lease: Holder::new() }
    }
}

impl World {
    /// How long the peer still stands still.
    pub fn pause_left(&self, peer: u64) -> Option<u64> {
        let until = self.peers[peer as usize].paused_until_us;
        (until >= self.now_us && until > 0).then(|| until - self.now_us + 1)
    }

    pub fn renew(&mut self, peer: u64) {
        let every_us = self.plan.lease_ms * 1000 / 3;
        self.at(every_us, Event::Renew { peer });
        let p = &self.peers[peer as usize];
        if !p.alive || self.pause_left(peer).is_some() {
            return;
        }
        let (sent_ms, life) = (p.clock.local_us(self.now_us) / 1000, p.life);
        self.tell_cluster(peer, ToCluster::Renew { sent_ms, life });
        for id in self.plan.disks_of(peer) {
            if self.disks[&id].failed {
                self.tell_cluster(peer, ToCluster::DiskOut { disk: id, for_us: 0 });
            }
            let pending = self.disks[&id].join_messages.values().cloned();
            for message in pending.collect::<Vec<_>>() {
                self.tell_cluster(peer, message);
            }
        }
    }

    pub fn tell_cluster(&mut self, peer: u64, message: ToCluster) {
        if self.has_services() {
            return self.say(peer, message);
        }
        let delay = self.delay() + self.clog(peer, self.net.voters);
        self.at(delay, Event::ToCluster { peer, message });
    }

    pub fn tell_peer(&mut self, peer: u64, message: ToPeer) {
        let delay = self.delay() + self.clog(self.net.voters, peer);
        let life = self.peers[peer as usize].life;
        self.at(delay, Event::ToPeer { peer, life, message });
    }

    pub fn to_peer(&mut self, peer: u64, life: u64, message: ToPeer) {
        if let Some(wait) = self.pause_left(peer) {
            return self.put_off(wait, Event::ToPeer { peer, life, message });
        }
        let p = &mut self.peers[peer as usize];
        if !p.alive || p.life != life || !self.net.carries(self.net.voters, peer) {
            return;
        }
        match message {
            ToPeer::Leased { sent_ms, heads } => {
                // A LEASE THAT IS RENEWED AFTER IT LAPSED COVERS NO HEAD THAT WAS GIVEN AWAY.
                self.end_heads_before(peer, &heads);
                let p = &mut self.peers[peer as usize];
                let sent_ms = match is_planted(Bug::LeaseFromReply) {
                    true => p.clock.local_us(self.now_us) / 1000,
                    false => sent_ms,
                };
                p.lease.granted(sent_ms, self.plan.lease_ms);
                let valid_until_us = p.lease.valid_until_ms() * 1000;
                self.each_head(peer, HeadEvent::Lease { valid_until_us });
            }
            ToPeer::View(view) => {
                self.each_member_view(peer, &view);
                self.each_head(peer, HeadEvent::View(view));
            }
            ToPeer::Newest { head, view, asked } => {
                self.each_member_view(peer, &view);
                self.each_head(peer, HeadEvent::View(view.clone()));
                self.head_event(head, HeadEvent::Newest { view, asked });
            }
            ToPeer::Granted { volume, head_epoch, views, used } => {
                self.start_head(peer, volume, head_epoch, views, used);
            }
            ToPeer::Grown { volume, used } => self.head_grows(peer, volume, used),
            ToPeer::Deleted { volumes, forgotten } => {
                self.told_deleted(peer, &volumes, &forgotten);
            }
            ToPeer::Revoked { head } => {
                if let Some((volume, head_epoch)) = self.revoke_head(head) {
                    self.tell_cluster(peer, ToCluster::Released { volume, head_epoch });
                }
            }
        }
    }

    pub fn crash_peer(&mut self, peer: u64) {
        self.peers[peer as usize].alive = false;
        self.peers[peer as usize].lease = Holder::new();
        self.peers[peer as usize].paused_until_us = 0;
        for head in self.heads_on(peer) {
            self.drop_head(head);
        }
        self.plan.disks_of(peer).into_iter().for_each(|disk| self.crash_member(disk));
        if self.has_services() {
            self.crash_service(peer);
        }
    }

    pub fn restart_peer(&mut self, peer: u64) {
        let p = &mut self.peers[peer as usize];
        if p.alive {
            return;
        }
        p.alive = true;
        p.life += 1;
        if self.has_services() {
            self.start_service(peer);
        }
        self.plan.disks_of(peer).into_iter().for_each(|disk| self.start_member(disk));
    }

    fn each_member_view(&mut self, peer: u64, view: &PgView) {
        for disk in self.plan.disks_of(peer) {
            if view.members.contains(&disk) || self.plan.growth.disks_per_peer == 1 {
                self.member_view(disk, view);
            }
        }
    }

    /// The process ends, and starts again soon.
    pub fn bounce_peer(&mut self, peer: u64, life: u64) {
        let p = &self.peers[peer as usize];
        if p.alive && p.life == life {
            self.crash_peer(peer);
            let down = self.rng.range(1_000, 300_000);
            self.at(down, Event::Restart { peer });
        }
    }

    pub fn disk(&mut self, disk: shoal_types::DiskId) -> &mut DiskState {
        self.disks.get_mut(&disk).expect("every peer has its disk")
    }
}
