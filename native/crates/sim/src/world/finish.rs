//! After the faults: the world is healed, must become whole, and is checked.

use shoal_engine::member::{JoinPhase, MemberEvent};
use shoal_types::{BlockState, DiskId, StoreError, VolumeId};

use super::World;
use crate::check::is_linearizable;

/// While something is bad everything is read again so often.
const SCRUB_EVERY_US: u64 = 200_000;

impl World {
    pub fn heal(&mut self) {
        self.note(|| "healing".to_owned());
        self.healing = true;
        self.net.unblock_all();
        self.heal_record();
        for peer in 0..self.plan.peers {
            // Pauses end by themselves: what waits for their end must not be overtaken.
            self.restart_peer(peer);
            for id in self.plan.disks_of(peer) {
                self.end_stall(id);
                if self.disk(id).failed {
                    let life = self.peers[peer as usize].life;
                    self.bounce_peer(peer, life);
                }
            }
        }
    }

    /// Everything answered, everyone in sync, and everything read once more. Called after each
    /// event, it also takes the steps that lead there.
    pub fn is_whole(&mut self) -> bool {
        if !self.clients.rest {
            self.clients.rest = true;
        }
        if !self.cluster.deleted.all_forgotten() {
            return false;
        }
        if !self.clients.is_idle() || !self.is_in_sync() || !self.has_heads() {
            return false;
        }
        let volumes: Vec<VolumeId> = self.cluster.volumes.keys().copied().collect();
        let mut whole = true;
        for volume in volumes {
            match self.clients.final_reads.get(&volume) {
                Some(true) => {}
                Some(false) => {
                    // It failed (a head ended): again.
                    self.clients.final_reads.remove(&volume);
                    whole = false;
                }
                None => {
                    self.read_all(volume);
                    whole = false;
                }
            }
        }
        whole && self.is_scrubbed()
    }

    fn is_scrubbed(&mut self) -> bool {
        if self.scrub_at_us > self.now_us {
            return false;
        }
        self.scrub_at_us = self.now_us + SCRUB_EVERY_US;
        self.scrub()
    }

    fn is_in_sync(&self) -> bool {
        // A full disk cannot take its share back.
        let tight = self.plan.is_tight();
        tight || self.cluster.records.values().all(|r| r.in_sync.len() == r.members.len())
    }

    /// Everyone in sync, and nobody on the way there; a take-over that was asked for before the healing,
    /// and decided after it, is over, too.
    pub fn is_undisturbed(&self) -> bool {
        let resyncs = |disk: &super::DiskState| {
            let member = disk.member.as_ref();
            member.is_some_and(|m| m.progress().iter().any(|p| p.phase != JoinPhase::Done))
        };
        // A full disk may never take its share back, and tries again and again.
        let is_settled = self.is_in_sync() && !self.disks.values().any(resyncs);
        let is_served = !self.has_services() || self.has_heads();
        is_served && (self.plan.is_tight() || is_settled)
    }

    fn has_heads(&self) -> bool {
        self.cluster.volumes.iter().all(|(volume, record)| {
            let serves = |h: &super::HeadProcess| {
                h.volume == *volume && h.head_epoch == record.head_epoch && h.active
            };
            self.heads.values().any(serves)
        })
    }

    pub fn not_whole(&self) -> String {
        let out = |r: &&shoal_engine::insync::PgRecord| r.in_sync.len() < r.members.len();
        let records: Vec<_> = self.cluster.records.values().filter(out).collect();
        let status: Vec<_> = self.heads.values().map(|h| (h.volume, h.head.status())).collect();
        let progress: Vec<_> =
            self.disks.values().filter_map(|d| d.member.as_ref()).map(|m| m.progress()).collect();
        format!(
            "oldest request {}, out of sync {records:?}, heads {status:?}, resyncs {progress:?}{}",
            self.clients.oldest(),
            self.services_shown()
        )
    }

    /// Some never heard of the last view: what they keep for an older one is no leak.
    pub fn tell_everyone(&mut self) {
        for view in self.cluster.views() {
            for disk in self.disks.keys().copied().collect::<Vec<_>>() {
                self.member_view(disk, &view);
            }
        }
    }

    pub fn check_end(&mut self) {
        self.check_histories();
        if self.failure.is_some() {
            return;
        }
        self.check_members_agree();
        self.check_states_agree();
        if self.failure.is_none() {
            self.check_nothing_leaks();
        }
    }

    /// What nobody was told yet may have happened or not.
    pub fn check_histories(&mut self) {
        for head in self.heads.keys().copied().collect::<Vec<_>>() {
            self.lose_requests_of(head);
        }
        let histories = std::mem::take(&mut self.clients.histories);
        for ((volume, sector), register) in &histories {
            if !is_linearizable(register) {
                let lines = register.lines().join("\n  ");
                return self.fail(format!(
                    "volume {volume} sector {sector} is not linearizable:\n  {lines}"
                ));
            }
        }
    }

    fn check_members_agree(&mut self) {
        for volume in self.cluster.volumes.keys().copied().collect::<Vec<_>>() {
            for block in 0..self.volume_blocks(volume) {
                self.check_block(volume, block);
            }
        }
    }

    fn check_block(&mut self, volume: VolumeId, block: u64) {
        let (pg, layer) = (self.pg_of(volume, block), self.plan.layer_of(volume));
        let mut first = None;
        for disk in self.cluster.records[&pg].in_sync.clone() {
            let content = match self.disk(disk).store.read_now(pg, layer, block) {
                Ok(BlockState::Data { data, .. }) => Some(data),
                Ok(BlockState::Zero | BlockState::Absent) => None,
                Err(error) => {
                    return self.fail(format!("{disk} fails {layer} block {block}: {error:?}"));
                }
            };
            let (other, seen) = first.get_or_insert_with(|| (disk, content.clone()));
            if *seen != content {
                let why = format!("{pg}: {disk} and {other} differ at {layer} block {block}");
                return self.fail(why);
            }
        }
    }

    /// Reads everything everywhere, and has repaired what fails. True: nothing did.
    pub fn scrub(&mut self) -> bool {
        let mut sound = true;
        for disk in self.disks.keys().copied().collect::<Vec<_>>() {
            for volume in self.cluster.volumes.keys().copied().collect::<Vec<_>>() {
                for block in 0..self.volume_blocks(volume) {
                    sound &= self.scrub_block(disk, volume, block);
                }
            }
        }
        sound
    }

    fn scrub_block(&mut self, disk: DiskId, volume: VolumeId, block: u64) -> bool {
        let (pg, layer) = (self.pg_of(volume, block), self.plan.layer_of(volume));
        if !self.cluster.records[&pg].is_in_sync(disk) || self.disks[&disk].member.is_none() {
            return true;
        }
        let read = self.disk(disk).store.read_now(pg, layer, block);
        let Err(StoreError::BadBlock { .. }) = read else { return read.is_ok() };
        self.member_event(disk, MemberEvent::Repair { pg, layer, block });
        false
    }
}
