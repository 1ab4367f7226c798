//! What goes wrong, when, and for how long.

use shoal_engine::head::HeadEvent;
use shoal_types::DiskId;

use super::World;
use super::event::Event;
use crate::disk_fault::DiskFault;
use crate::plan::Plan;

/// Says whether there was anything to hit.
type Apply = fn(&mut World) -> bool;

fn kinds(plan: &Plan) -> [(u64, &'static str, Apply); 36] {
    let (w, more) = (&plan.weights, &plan.growth.weights);
    [
        (w.crash, "crash", World::fault_crash),
        (w.head_crash, "head crash", World::fault_head_crash),
        (w.partition, "partition", World::fault_partition),
        (w.pause, "pause", World::fault_pause),
        (w.break_connection, "broken connection", World::fault_connection),
        (w.take_over, "take-over", World::fault_take_over),
        (w.removal, "removal", World::fault_removal),
        (w.clock_jump, "clock jump", World::fault_clock_jump),
        (w.clock_stop, "clock stop", World::fault_clock_stop),
        (w.wipe, "wiped disk", World::fault_wipe),
        (w.old_image, "old image", World::fault_old_image),
        (w.swapped_disks, "swapped disks", World::fault_swapped_disks),
        (w.slow_disk, "slow disk", World::fault_slow_disk),
        (w.stalled_disk, "stalled disk", World::fault_stalled_disk),
        (w.disk_error, "write error", |w| w.fault_of_disk(DiskFault::WriteError)),
        (w.read_error, "read error", |w| w.fault_of_disk(DiskFault::ReadError)),
        (w.rot, "bit rot", |w| w.fault_of_disk(DiskFault::Rot)),
        (w.lost_write, "lost write", |w| w.fault_of_disk(DiskFault::LostWrite)),
        (w.torn_write, "torn write", |w| w.fault_of_disk(DiskFault::TornWrite)),
        (w.misdirected_write, "misdirected write", |w| {
            w.fault_of_disk(DiskFault::MisdirectedWrite)
        }),
        (more.clogged_link, "clogged link", World::fault_clogged_link),
        (more.cut_off, "cut off", World::fault_cut_off),
        (more.contest, "contest", World::fault_contest),
        (more.resize, "resize", World::fault_resize),
        (more.delete, "delete", World::fault_delete),
        (more.leader_crash, "leader crash", World::fault_leader_crash),
        (more.leader_alone, "leader alone", World::fault_leader_alone),
        (more.voters_crash, "most voters crash", World::fault_voters_crash),
        (more.silent_record, "silent record", World::fault_silent_record),
        (more.lost_log, "lost consensus log", World::fault_lost_log),
        (more.wall_clock, "wall clock", World::fault_wall_clock),
        (more.control_gone, "control gone", World::fault_control_gone),
        (more.usurp, "usurped head", World::fault_usurp),
        (more.attach_back, "attached back", World::fault_attach_back),
        (more.forgotten_vote, "forgotten vote", World::fault_forgotten_vote),
        (more.overtaken_join, "overtaken join", World::fault_overtaken_join),
    ]
}

impl World {
    pub fn fault(&mut self) {
        if self.healing {
            return;
        }
        let wait = self.rng.below(self.plan.fault_every_us * 2) + 1;
        self.at(wait, Event::Fault);
        let kinds = kinds(&self.plan);
        let total: u64 = kinds.iter().map(|(weight, ..)| weight).sum();
        if total == 0 {
            return;
        }
        let mut at = self.rng.below(total);
        for (weight, name, apply) in kinds {
            if at < weight {
                self.note(|| format!("fault: {name}"));
                if apply(self) {
                    *self.counts.faults.entry(name).or_default() += 1;
                }
                return;
            }
            at -= weight;
        }
    }

    pub fn some_disk(&mut self) -> DiskId {
        DiskId(self.rng.below(self.plan.disks()) + 1)
    }

    pub fn some_peer(&mut self) -> u64 {
        self.rng.below(self.plan.peers)
    }

    fn fault_crash(&mut self) -> bool {
        let all = self.rng.percent(8);
        let peer = self.some_peer();
        let mut hit = false;
        for p in 0..self.plan.peers {
            if (all || p == peer) && self.peers[p as usize].alive {
                self.crash_peer(p);
                let long = self.rng.percent(30);
                let most = if long { 8_000_000 } else { 400_000 };
                let down = self.rng.range(1_000, most);
                self.at(down, Event::Restart { peer: p });
                hit = true;
            }
        }
        hit
    }

    fn fault_head_crash(&mut self) -> bool {
        let heads: Vec<u64> = self.heads.keys().copied().collect();
        let head = self.rng.pick(&heads).copied();
        head.is_some_and(|head| self.drop_head(head).is_some())
    }

    fn fault_partition(&mut self) -> bool {
        let sides = self.plan.peers + 1;
        let (a, b) = (self.rng.below(sides), self.rng.below(sides));
        let pairs: Vec<(u64, u64)> = match self.rng.below(4) {
            // One pair, one way or both.
            0 => vec![(a, b)],
            1 => vec![(a, b), (b, a)],
            // One alone.
            2 => (0..sides).flat_map(|p| [(a, p), (p, a)]).collect(),
            // Two halves.
            _ => {
                let split = self.rng.word();
                let side = |p: u64| split >> p & 1;
                let all = (0..sides).flat_map(|x| (0..sides).map(move |y| (x, y)));
                all.filter(|(x, y)| side(*x) != side(*y)).collect()
            }
        };
        let lasts = self.rng.range(50_000, 4_000_000);
        for (from, to) in pairs {
            if from != to {
                self.net.block(from, to);
                self.at(lasts, Event::Heal { from, to });
            }
        }
        let hit = self.net.across(|_, _| true);
        for (asker, disk) in hit {
            let after = self.rng.range(100_000, 900_000);
            self.suspect_connection(asker, disk, after);
        }
        true
    }

    fn fault_pause(&mut self) -> bool {
        let peer = self.some_peer();
        let lasts = self.rng.range(10_000, 5_000_000);
        // NEVER SOONER THAN BEFORE: what waits for the end of this pause would overtake what waits already.
        let until_us = &mut self.peers[peer as usize].paused_until_us;
        *until_us = (self.now_us + lasts).max(*until_us);
        for (asker, disk) in self.net.across(|_, d| self.plan.peer_of(d) == peer) {
            let after = self.rng.range(300_000, 900_000);
            if after < lasts {
                // Found silent for too long: given up, and tried again.
                self.suspect_connection(asker, disk, after);
            }
        }
        true
    }

    fn fault_connection(&mut self) -> bool {
        let all = self.net.across(|_, _| true);
        let hit = self.rng.pick(&all).copied();
        hit.map(|(asker, disk)| self.break_connection(asker, disk)).is_some()
    }

    fn fault_take_over(&mut self) -> bool {
        if self.has_services() {
            return self.fault_attachment(1);
        }
        let at = self.rng.below(self.cluster.volumes.len().max(1) as u64) as usize;
        let Some(volume) = self.cluster.volumes.keys().nth(at).copied() else { return false };
        if self.plan.confirmed_reads {
            let peer = self.some_peer();
            self.grant_head(volume, peer);
            return true;
        }
        let of = |(id, h): (&u64, &super::HeadProcess)| (h.volume == volume).then_some(*id);
        let heads: Vec<u64> = self.heads.iter().filter_map(of).collect();
        let Some(head) = self.rng.pick(&heads).copied() else { return false };
        let local = self.peers[self.heads[&head].peer as usize].clock.local_us(self.now_us);
        let deadline_us = local + self.rng.below(500_000);
        self.head_event(head, HeadEvent::Close { deadline_us });
        true
    }

    fn fault_removal(&mut self) -> bool {
        if self.has_services() {
            return self.fault_ordered_removal();
        }
        let pgs = self.pgs();
        let pg = self.rng.pick(&pgs).copied().expect("there is a PG");
        let in_sync = self.cluster.records[&pg].in_sync.clone();
        let disk = self.rng.pick(&in_sync).copied().expect("never empty");
        let record = self.cluster.records.get_mut(&pg).expect("listed");
        let removed = record.remove(disk, None).is_ok();
        if removed {
            self.counts.removals += 1;
            self.changed(pg);
        }
        removed
    }
}
