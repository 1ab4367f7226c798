//! Head processes, each with one production `Head`.

use shoal_engine::head::{
    Head, HeadCommand, HeadConfig, HeadEvent, HeadTiming, ReadMode, ReportReason,
};
use shoal_types::{HeadEpoch, LineageId, PgView, PolicyId, VolumeId};

use super::World;
use super::event::{Asker, Event, ToCluster};

const TICK_US_MAX: u64 = 2_000_000;

pub struct HeadProcess {
    pub peer: u64,
    pub volume: VolumeId,
    pub head_epoch: HeadEpoch,
    pub head: Head,
    pub active: bool,
    /// Blocks of the volume that are used, as it was told.
    pub used: u64,
    /// Of the attachment that it was taken under; 0 where the record has none.
    pub generation: u64,
    tick_due: bool,
}

/// With what a head begins.
pub struct Launch {
    pub peer: u64,
    pub generation: u64,
    pub head_epoch: HeadEpoch,
    pub reads: ReadMode,
    pub views: Vec<PgView>,
    pub used: u64,
    pub valid_until_us: u64,
}

impl World {
    pub fn start_head(
        &mut self,
        peer: u64,
        volume: VolumeId,
        head_epoch: HeadEpoch,
        views: Vec<PgView>,
        used: u64,
    ) {
        let plan = &self.plan;
        let reads = if plan.confirmed_reads { ReadMode::Confirmed } else { ReadMode::Lease };
        let config = HeadConfig {
            volume,
            lineage: LineageId(volume.0),
            layer: plan.layer_of(volume),
            size_bytes: plan.blocks_between(used) * 4096,
            policy: PolicyId(1),
            pg_count: plan.pg_count,
            blocks_per_extent: plan.blocks_per_extent,
            min_in_sync: plan.min_in_sync,
            local_disks: plan.disks_of(peer),
            timing: HeadTiming {
                report_after_us: 400_000,
                read_retry_us: 150_000,
                ..HeadTiming::default()
            },
        };
        let valid_until_us = self.peers[peer as usize].lease.valid_until_ms() * 1000;
        let generation = 0;
        self.launch_head(
            config,
            Launch { peer, generation, head_epoch, reads, views, used, valid_until_us },
        );
    }

    pub fn launch_head(&mut self, config: HeadConfig, launch: Launch) -> u64 {
        let Launch { peer, generation, head_epoch, reads, views, used, valid_until_us } = launch;
        let (id, volume) = (self.next_head, config.volume);
        self.next_head += 1;
        let process = HeadProcess {
            peer,
            volume,
            head_epoch,
            head: Head::new(config),
            active: false,
            used,
            generation,
            tick_due: false,
        };
        self.heads.insert(id, process);
        self.head_event(id, HeadEvent::Lease { valid_until_us });
        self.head_event(id, HeadEvent::Granted { head_epoch, reads, views });
        id
    }

    pub fn head_event(&mut self, id: u64, event: HeadEvent) {
        let Some(peer) = self.heads.get(&id).map(|h| h.peer) else { return };
        if let Some(wait) = self.pause_left(peer) {
            return self.put_off(wait, Event::HeadTold { head: id, event });
        }
        let local_us = self.peers[peer as usize].clock.local_us(self.now_us);
        let mut commands = Vec::new();
        let process = self.heads.get_mut(&id).expect("just seen");
        process.head.handle(local_us, event, &mut commands);
        for command in commands {
            self.carry_out(id, peer, command);
        }
        self.plan_tick(id);
    }

    pub fn head_event_soon(&mut self, head: u64, event: HeadEvent) {
        self.at(0, Event::HeadTold { head, event });
    }

    fn plan_tick(&mut self, id: u64) {
        let Some(process) = self.heads.get_mut(&id) else { return };
        let Some(deadline) = process.head.next_deadline_us() else { return };
        if std::mem::replace(&mut process.tick_due, true) {
            return;
        }
        // A clock that stops or jumps is looked at again from time to time.
        let clock = &self.peers[process.peer as usize].clock;
        let wait = clock.wait_us(self.now_us, deadline).clamp(1, TICK_US_MAX);
        self.at(wait, Event::HeadTick { head: id });
    }

    pub fn tick_head(&mut self, id: u64) {
        if let Some(process) = self.heads.get_mut(&id) {
            process.tick_due = false;
            self.head_event(id, HeadEvent::Tick);
        }
    }

    fn carry_out(&mut self, id: u64, peer: u64, command: HeadCommand) {
        match command {
            HeadCommand::Send { disk, request_id, request } => {
                self.send_request(Asker::Head(id), disk, request_id, request);
            }
            HeadCommand::Complete { op_id, result, .. } => self.completed(id, op_id, result),
            HeadCommand::ReportUnreachable { disk, reason } => {
                if reason == ReportReason::LostWrites {
                    self.fail(format!("{disk} is said to have lost writes, and has not"));
                }
                self.tell_cluster(peer, ToCluster::Report { disk, reason, head: id });
            }
            HeadCommand::RefreshView { pg, asked } => {
                self.tell_cluster(peer, ToCluster::Refresh { head: id, pg, asked });
            }
            HeadCommand::BadBlock { disk, block, .. } => {
                if !self.plan.lies {
                    let why = format!("{disk} gave a bad block {block}, and no disk is at fault");
                    self.fail(why);
                }
            }
            HeadCommand::Active { .. } => {
                if let Some(process) = self.heads.get_mut(&id) {
                    process.active = true;
                    let (volume, head_epoch) = (process.volume, process.head_epoch);
                    let generation = process.generation;
                    self.clients.served(volume, head_epoch);
                    self.head_serves(volume, generation, head_epoch);
                }
            }
            HeadCommand::Released => {
                if let Some(process) = self.drop_head(id) {
                    let (volume, head_epoch) = (process.volume, process.head_epoch);
                    match self.has_services() {
                        true => self.head_released(peer, id, volume, head_epoch),
                        false => {
                            self.tell_cluster(peer, ToCluster::Released { volume, head_epoch });
                        }
                    }
                }
            }
            HeadCommand::Fenced { .. } => {
                if let Some(process) = self.drop_head(id) {
                    let (volume, head_epoch) = (process.volume, process.head_epoch);
                    if self.has_services() {
                        self.head_fenced(peer, id, volume, head_epoch);
                    }
                }
            }
        }
    }

    /// The process is gone: what it had not answered is unknown.
    pub fn drop_head(&mut self, id: u64) -> Option<HeadProcess> {
        let process = self.heads.remove(&id)?;
        self.net.forget(Asker::Head(id));
        self.lose_requests_of(id);
        Some(process)
    }

    pub fn revoke_head(&mut self, id: u64) -> Option<(VolumeId, HeadEpoch)> {
        let process = self.heads.get(&id)?;
        let of = (process.volume, process.head_epoch);
        self.head_event(id, HeadEvent::Revoked);
        Some(of)
    }

    pub fn end_heads_before(&mut self, peer: u64, newest: &[(VolumeId, HeadEpoch)]) {
        for id in self.heads_on(peer) {
            let head = &self.heads[&id];
            let over = newest.iter().any(|(v, he)| *v == head.volume && *he > head.head_epoch);
            if over {
                self.head_event(id, HeadEvent::Revoked);
            }
        }
    }

    pub fn heads_on(&self, peer: u64) -> Vec<u64> {
        self.heads.iter().filter(|(_, h)| h.peer == peer).map(|(id, _)| *id).collect()
    }

    pub fn each_head(&mut self, peer: u64, event: HeadEvent) {
        for id in self.heads_on(peer) {
            self.head_event(id, event.clone());
        }
    }
}
