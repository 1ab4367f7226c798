//! What goes wrong, when, and for how long.

use shoal_engine::head::HeadEvent;
use shoal_engine::planted::{Bug, is_planted};
use shoal_types::VolumeId;

use super::event::Event;
use super::{World, disk_of, peer_of};

type Apply = fn(&mut World);

impl World {
    pub fn fault(&mut self) {
        if self.healing {
            return;
        }
        let wait = self.rng.below(self.plan.fault_every_us * 2) + 1;
        self.at(wait, Event::Fault);
        let w = self.plan.weights.clone();
        let kinds: [(u64, &'static str, Apply); 8] = [
            (w.crash, "crash", Self::fault_crash),
            (w.head_crash, "head crash", Self::fault_head_crash),
            (w.partition, "partition", Self::fault_partition),
            (w.pause, "pause", Self::fault_pause),
            (w.break_connection, "broken connection", Self::fault_connection),
            (w.wipe, "wiped disk", Self::fault_wipe),
            (w.take_over, "take-over", Self::fault_take_over),
            (w.removal, "removal", Self::fault_removal),
        ];
        let total: u64 = kinds.iter().map(|(weight, ..)| weight).sum();
        if total == 0 {
            return;
        }
        let mut at = self.rng.below(total);
        for (weight, name, apply) in kinds {
            if at < weight {
                self.note(|| format!("fault: {name}"));
                *self.counts.faults.entry(name).or_default() += 1;
                return apply(self);
            }
            at -= weight;
        }
    }

    fn some_peer(&mut self) -> u64 {
        self.rng.below(self.plan.peers)
    }

    fn fault_crash(&mut self) {
        let all = self.rng.percent(8);
        let peer = self.some_peer();
        for p in 0..self.plan.peers {
            if (all || p == peer) && self.peers[p as usize].alive {
                self.crash_peer(p);
                let long = self.rng.percent(30);
                let most = if long { 8_000_000 } else { 400_000 };
                let down = self.rng.range(1_000, most);
                self.at(down, Event::Restart { peer: p });
            }
        }
    }

    fn fault_head_crash(&mut self) {
        let heads: Vec<u64> = self.heads.keys().copied().collect();
        if let Some(head) = self.rng.pick(&heads).copied() {
            self.drop_head(head);
        }
    }

    fn fault_partition(&mut self) {
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
    }

    fn fault_pause(&mut self) {
        let peer = self.some_peer();
        let lasts = self.rng.range(10_000, 5_000_000);
        self.peers[peer as usize].paused_until_us = self.now_us + lasts;
        for (asker, disk) in self.net.across(|_, d| peer_of(d) == peer) {
            let after = self.rng.range(300_000, 900_000);
            if after < lasts {
                // Found silent for too long: given up, and tried again.
                self.suspect_connection(asker, disk, after);
            }
        }
    }

    fn fault_connection(&mut self) {
        let all = self.net.across(|_, _| true);
        if let Some((asker, disk)) = self.rng.pick(&all).copied() {
            self.break_connection(asker, disk);
        }
    }

    fn fault_wipe(&mut self) {
        let peer = self.some_peer();
        let disk = disk_of(peer);
        if !self.may_lose(disk) || !self.peers[peer as usize].alive {
            return;
        }
        self.crash_peer(peer);
        self.disk(disk).store.wipe();
        if is_planted(Bug::H18WipeUnnoticed) {
            return self.at(1_000, Event::Restart { peer });
        }
        self.disk(disk).replaced = true;
        // The new store is registered before it serves: nothing counts on the old one any more.
        for pg in self.pgs() {
            let record = self.cluster.records.get_mut(&pg).expect("listed");
            if record.mark_full(disk).is_ok() {
                self.changed(pg);
            }
        }
        let down = self.rng.range(1_000, 500_000);
        self.at(down, Event::Restart { peer });
    }

    fn fault_take_over(&mut self) {
        let volume = VolumeId(self.rng.range(1, self.plan.volumes + 1));
        if self.plan.confirmed_reads {
            let peer = self.some_peer();
            return self.grant_head(volume, peer);
        }
        let of = |(id, h): (&u64, &super::HeadProcess)| (h.volume == volume).then_some(*id);
        let heads: Vec<u64> = self.heads.iter().filter_map(of).collect();
        if let Some(head) = self.rng.pick(&heads).copied() {
            let local = self.peers[self.heads[&head].peer as usize].local_us(self.now_us);
            let deadline_us = local + self.rng.below(500_000);
            self.head_event(head, HeadEvent::Close { deadline_us });
        }
    }

    fn fault_removal(&mut self) {
        let pgs = self.pgs();
        let pg = self.rng.pick(&pgs).copied().expect("there is a PG");
        let in_sync = self.cluster.records[&pg].in_sync.clone();
        let disk = self.rng.pick(&in_sync).copied().expect("never empty");
        let record = self.cluster.records.get_mut(&pg).expect("listed");
        if record.remove(disk, None).is_ok() {
            self.counts.removals += 1;
            self.changed(pg);
        }
    }
}
