//! Disks: a store, and the production `Member` that guards it while its peer lives.

use std::collections::BTreeMap;

use shoal_engine::member::{Member, MemberConfig, MemberEvent, MemberOutput, Recovered, ReplyTo};
use shoal_types::{DiskId, LayerId, PgId, PgView, Request};

use super::World;
use super::event::{Asker, Event, ToCluster};
use crate::any_store::{AnyStore, Snapshot};

pub struct DiskState {
    pub store: AnyStore,
    pub member: Option<Member>,
    /// Grows with each start of the member.
    pub life: u64,
    /// The store is a new one in place of one that was lost.
    pub replaced: bool,
    pub join_messages: BTreeMap<PgId, ToCluster>,
    /// It failed: out until its process starts again.
    pub failed: bool,
    /// Each command takes 50 times as long until then.
    pub slow_until_us: u64,
    /// Nothing is answered until then.
    pub stalled_until_us: u64,
    /// The store in it is another disk's.
    pub swapped: bool,
    /// An older content, to be put back one day, and its log's position.
    pub old: Option<(Snapshot, u64)>,
    /// The right content, while the disk has another: the fault atlas may have to give it back.
    pub kept: Option<Snapshot>,
    replies: BTreeMap<u64, (Asker, u64, u64)>,
    next_reply: u64,
    commit_due: bool,
    /// Opened, and not believed yet.
    pub opened: Option<Recovered>,
    /// The cluster was told that what it holds is worth nothing, and may have heard it.
    pub given_up: bool,
    /// Layers that it had purged when it was opened.
    pub purged: Vec<LayerId>,
}

impl DiskState {
    pub fn new(store: AnyStore) -> Self {
        Self {
            store,
            member: None,
            life: 0,
            replaced: false,
            failed: false,
            slow_until_us: 0,
            stalled_until_us: 0,
            swapped: false,
            old: None,
            kept: None,
            join_messages: BTreeMap::new(),
            given_up: false,
            replies: BTreeMap::new(),
            next_reply: 1,
            commit_due: false,
            opened: None,
            purged: Vec::new(),
        }
    }
}

impl DiskState {
    /// Requests that the member has not answered.
    pub fn unanswered(&self) -> usize {
        self.replies.len()
    }
}

/// How much longer a slow disk takes.
const SLOW: u64 = 50;

impl World {
    pub fn start_member(&mut self, id: DiskId) {
        if self.has_services() {
            return self.open_disk(id);
        }
        let Some(recovered) = self.open_store(id) else { return };
        self.reset_disk(id);
        let disk = self.disk(id);
        let config = MemberConfig { disk: id, fit: !disk.replaced, copy_window_bytes: 4096 };
        let mut member = Member::new(config, recovered);
        member.set_free_blocks(disk.store.free_blocks());
        disk.member = Some(member);
        self.counts.recoveries += u64::from(self.now_us > 0);
        for view in self.cluster.views_of(id) {
            self.member_view(id, &view);
        }
    }

    /// Another life of its member begins.
    pub fn reset_disk(&mut self, id: DiskId) {
        self.net.begin(id);
        let disk = self.disk(id);
        disk.life += 1;
        disk.commit_due = false;
        disk.failed = false;
        disk.replies.clear();
        disk.join_messages.clear();
    }

    pub fn crash_member(&mut self, id: DiskId) {
        let disk = self.disks.get_mut(&id).expect("every peer has its disk");
        disk.member = None;
        disk.opened = None;
        disk.life += 1;
        disk.store.crash(&mut self.rng);
        self.net.forget(Asker::Member(id));
        for (asker, disk) in self.net.across(|_, d| d == id) {
            // Some find out at once, some after a while.
            let after = if self.rng.percent(50) { 0 } else { self.rng.below(500_000) };
            self.suspect_connection(asker, disk, after);
        }
    }

    pub fn member_request(
        &mut self,
        id: DiskId,
        asker: Asker,
        link: u64,
        request_id: u64,
        request: Request,
    ) {
        let disk = self.disk(id);
        let to = ReplyTo(disk.next_reply);
        disk.next_reply += 1;
        disk.replies.insert(to.0, (asker, link, request_id));
        self.member_event(id, MemberEvent::Request { to, request });
    }

    pub fn member_event(&mut self, id: DiskId, event: MemberEvent) {
        let mut outputs = Vec::new();
        let Some(member) = &mut self.disk(id).member else { return };
        member.handle(event, &mut outputs);
        for output in outputs {
            self.member_output(id, output);
        }
    }

    pub fn member_event_soon(&mut self, disk: DiskId, event: MemberEvent) {
        let life = self.disk(disk).life;
        self.at(0, Event::MemberTold { disk, life, event });
    }

    pub fn member_told(&mut self, id: DiskId, life: u64, event: MemberEvent) {
        if let Some(wait) = self.pause_left(self.plan.peer_of(id)) {
            return self.put_off(wait, Event::MemberTold { disk: id, life, event });
        }
        if self.disk(id).life == life {
            self.member_event(id, event);
        }
    }

    pub fn member_view(&mut self, id: DiskId, view: &PgView) {
        let disk = self.disk(id);
        if let Some(ToCluster::JoinDone { join_at, .. } | ToCluster::JoinFailed { join_at, .. }) =
            disk.join_messages.get(&view.pg)
        {
            let same = view.joining.is_some_and(|j| j.disk == id && j.join_at == *join_at);
            if !same && view.epoch > *join_at {
                disk.join_messages.remove(&view.pg);
            }
        }
        self.member_event(id, MemberEvent::View(view.clone()));
    }

    fn member_output(&mut self, id: DiskId, output: MemberOutput) {
        match output {
            MemberOutput::Store { token, op } => {
                self.disk(id).store.submit(token, op);
                self.plan_commit(id);
            }
            MemberOutput::Reply { to, reply } => {
                let known = self.disk(id).replies.remove(&to.0);
                let (asker, link, request_id) = known.expect("each request is answered once");
                self.send_reply(asker, id, link, request_id, reply);
            }
            MemberOutput::Ask { disk, request_id, request } => {
                self.send_request(Asker::Member(id), disk, request_id, request);
            }
            MemberOutput::JoinDone { pg, join_at, source } => {
                let life = self.disk(id).life;
                let message = ToCluster::JoinDone { disk: id, life, pg, join_at, source };
                self.tell_join(id, pg, message);
            }
            MemberOutput::JoinFailed { pg, join_at, reason } => {
                let life = self.disk(id).life;
                let message = ToCluster::JoinFailed { disk: id, life, pg, join_at, reason };
                self.tell_join(id, pg, message);
            }
            MemberOutput::LayerDeleted { layer } => self.layer_deleted(id, layer),
            MemberOutput::RepairEnded { .. } => {}
            MemberOutput::StoreLost { .. } => self.store_lost(id),
        }
    }

    /// Its own peer takes it out, and starts it again some time (docs/protocol.md, "Disks that
    /// fail").
    fn store_lost(&mut self, id: DiskId) {
        self.disk(id).failed = true;
        let peer = self.plan.peer_of(id);
        self.tell_cluster(peer, ToCluster::DiskOut { disk: id, for_us: 0 });
        let (life, wait) = (self.peers[peer as usize].life, self.rng.range(100_000, 6_000_000));
        self.at(wait, Event::Bounce { peer, life });
    }

    fn tell_join(&mut self, id: DiskId, pg: PgId, message: ToCluster) {
        self.disk(id).join_messages.insert(pg, message.clone());
        self.tell_cluster(self.plan.peer_of(id), message);
    }

    fn plan_commit(&mut self, id: DiskId) {
        let most = self.plan.commit_us_max;
        let mut wait = self.rng.range(10, 10 + most);
        let now_us = self.now_us;
        let disk = self.disk(id);
        let life = disk.life;
        if disk.slow_until_us > now_us {
            wait *= SLOW;
        }
        wait = wait.max(disk.stalled_until_us.saturating_sub(now_us));
        if !std::mem::replace(&mut disk.commit_due, true) {
            self.at(wait, Event::Commit { disk: id, life });
        }
    }

    /// What it was asked for while it stood still is due now, not when the stall would have ended.
    pub fn end_stall(&mut self, id: DiskId) {
        let now_us = self.now_us;
        let disk = self.disk(id);
        disk.slow_until_us = 0;
        let was_stalled = std::mem::take(&mut disk.stalled_until_us) > now_us;
        let (life, is_due) = (disk.life, disk.commit_due && disk.member.is_some());
        if was_stalled && is_due {
            self.at(0, Event::Commit { disk: id, life });
        }
    }

    pub fn commit(&mut self, id: DiskId, life: u64) {
        if self.disk(id).life != life {
            return;
        }
        if let Some(wait) = self.pause_left(self.plan.peer_of(id)) {
            return self.put_off(wait, Event::Commit { disk: id, life });
        }
        let count = self.rng.range(1, 8) as usize;
        let (now_us, now_ms) = (self.now_us, self.now_us / 1000);
        let disk = self.disks.get_mut(&id).expect("every peer has its disk");
        if disk.stalled_until_us > now_us {
            let wait = disk.stalled_until_us - now_us;
            return self.at(wait, Event::Commit { disk: id, life });
        }
        disk.commit_due = false;
        let done = disk.store.commit(count, now_ms, &mut self.rng);
        let free = disk.store.free_blocks();
        for (token, result) in done {
            if let Some(member) = &mut self.disk(id).member {
                member.set_free_blocks(free);
            }
            self.member_event(id, MemberEvent::Store { token, result });
        }
        if !self.disk(id).store.is_idle() {
            self.plan_commit(id);
        }
    }
}
