//! Holds back the copies of data that only moves: so many bytes per second into this disk, and into
//! all disks of its peer. GROUPS THAT LACK COPIES ARE NEVER HELD BACK.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use shoal_types::{BLOCK_BYTES, DiskId, PgId, PgView, PolicyId, Request};

/// What may go at once after a rest, in time at the set rate.
const BURST_US: u64 = 100_000;

/// What people set, and how many members a group of each policy has when it is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaceOrder {
    /// Bytes per second; 0: no bound.
    pub disk_rate: u64,
    pub peer_rate: u64,
    pub widths: BTreeMap<PolicyId, u8>,
}

/// One bound for all stores of a process.
#[derive(Clone, Default)]
pub struct PeerPace(Arc<Mutex<Bucket>>);

#[derive(Default)]
struct Bucket {
    rate: u64,
    /// The next one may go then.
    free_at_us: u64,
}

/// A question to a source that waits for its turn.
pub(super) struct Ask {
    pub disk: DiskId,
    pub request_id: u64,
    pub request: Request,
}

pub(super) struct Pace {
    own: DiskId,
    widths: BTreeMap<PolicyId, u8>,
    bucket: Bucket,
    peer: PeerPace,
    /// Groups that are filled here and have all their copies without it.
    moving: HashSet<PgId>,
    /// What nothing holds back.
    free: VecDeque<Ask>,
    waiting: VecDeque<Ask>,
}

impl PeerPace {
    fn with<R>(&self, then: impl FnOnce(&mut Bucket) -> R) -> R {
        then(&mut self.0.lock().expect("nobody panics with it"))
    }

    pub fn set(&self, rate: u64) {
        self.with(|bucket| bucket.set(rate));
    }
}

impl Bucket {
    fn set(&mut self, rate: u64) {
        if self.rate != rate {
            (self.rate, self.free_at_us) = (rate, 0);
        }
    }

    fn free_at_us(&self) -> u64 {
        if self.rate == 0 { 0 } else { self.free_at_us }
    }

    fn take(&mut self, now_us: u64, bytes: u64) {
        if let Some(cost_us) = (bytes * 1_000_000).checked_div(self.rate) {
            self.free_at_us = self.free_at_us.max(now_us.saturating_sub(BURST_US)) + cost_us;
        }
    }
}

impl Pace {
    pub fn new(own: DiskId, peer: PeerPace) -> Self {
        Self {
            own,
            widths: BTreeMap::new(),
            bucket: Bucket::default(),
            peer,
            moving: HashSet::new(),
            free: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    pub fn set(&mut self, order: PaceOrder) {
        self.widths = order.widths;
        self.bucket.set(order.disk_rate);
    }

    /// A group that lost a copy meanwhile stops waiting.
    pub fn note(&mut self, views: &[PgView]) {
        for view in views {
            let width = self.widths.get(&view.pg.policy).copied().unwrap_or(u8::MAX);
            let joins = view.joining.is_some_and(|joining| joining.disk == self.own);
            if joins && view.in_sync.len() >= usize::from(width) {
                self.moving.insert(view.pg);
            } else if self.moving.remove(&view.pg) {
                let waiting = std::mem::take(&mut self.waiting);
                waiting.into_iter().for_each(|ask| self.push(ask));
            }
        }
    }

    pub fn push(&mut self, ask: Ask) {
        let queue = match self.cost(&ask.request) {
            0 => &mut self.free,
            _ => &mut self.waiting,
        };
        queue.push_back(ask);
    }

    /// The next one whose turn it is.
    pub fn pop(&mut self, now_us: u64) -> Option<Ask> {
        if let Some(ask) = self.free.pop_front() {
            return Some(ask);
        }
        let cost = self.cost(&self.waiting.front()?.request);
        if self.due_us()? > now_us {
            return None;
        }
        self.bucket.take(now_us, cost);
        self.peer.with(|bucket| bucket.take(now_us, cost));
        self.waiting.pop_front()
    }

    /// When the next one may go; nothing if none waits.
    pub fn due_us(&self) -> Option<u64> {
        if !self.free.is_empty() {
            return Some(0);
        }
        self.waiting.front()?;
        Some(self.bucket.free_at_us().max(self.peer.with(|bucket| bucket.free_at_us())))
    }

    /// Bytes that count.
    fn cost(&self, request: &Request) -> u64 {
        match request {
            Request::CopyRead { pg, blocks, .. } if self.moving.contains(pg) => {
                u64::from(*blocks) * BLOCK_BYTES as u64
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_types::pg::Joining;
    use shoal_types::{LayerId, PgEpoch};

    use super::*;

    const OWN: DiskId = DiskId(4);

    fn pg(index: u32) -> PgId {
        PgId { policy: PolicyId(1), index }
    }

    fn view(index: u32, in_sync: u64) -> PgView {
        let (join_at, out_at) = (PgEpoch(2), PgEpoch::ZERO);
        let joining = Some(Joining { disk: OWN, join_at, out_at, full: false });
        let in_sync: Vec<DiskId> = (1..=in_sync).map(DiskId).collect();
        PgView { pg: pg(index), epoch: PgEpoch(2), members: in_sync.clone(), in_sync, joining }
    }

    fn ask(index: u32, blocks: u32) -> Ask {
        let (pg, join_at, layer) = (pg(index), PgEpoch(2), LayerId(1));
        let request = Request::CopyRead { pg, join_at, layer, block: 0, blocks };
        Ask { disk: DiskId(1), request_id: u64::from(index), request }
    }

    fn pace(disk_rate: u64, peer: &PeerPace) -> Pace {
        let mut pace = Pace::new(OWN, peer.clone());
        let widths = [(PolicyId(1), 3)].into();
        pace.set(PaceOrder { disk_rate, peer_rate: 0, widths });
        pace.note(&[view(1, 3), view(2, 2)]);
        pace
    }

    /// Runs it like a thread that wakes when it is told to; gives the time it took.
    fn drain(pace: &mut Pace, mut now_us: u64) -> u64 {
        let begun = now_us;
        while let Some(due) = pace.due_us() {
            now_us = now_us.max(due);
            while pace.pop(now_us).is_some() {}
        }
        now_us - begun
    }

    #[test]
    fn so_many_bytes_in_a_second() {
        let mut pace = pace(1 << 20, &PeerPace::default());
        (0..80).for_each(|_| pace.push(ask(1, 32)));
        let took_us = drain(&mut pace, 5_000_000);
        // 10 MiB at 1 MiB/s, less the burst and the last one's own time.
        assert!((9_700_000..10_000_001).contains(&took_us), "{took_us}");
    }

    #[test]
    fn all_stores_of_a_peer_share_its_bound() {
        let peer = PeerPace::default();
        peer.set(2 << 20);
        let (mut one, mut other) = (pace(0, &peer), pace(0, &peer));
        (0..80).for_each(|_| one.push(ask(1, 32)));
        (0..80).for_each(|_| other.push(ask(1, 32)));
        let (mut now_us, mut sent) = (1_000_000, 0u64);
        while now_us < 3_000_000 {
            sent += u64::from(one.pop(now_us).is_some()) + u64::from(other.pop(now_us).is_some());
            now_us += 1_000;
        }
        assert!((31..=35).contains(&sent), "4 MiB in two seconds: {sent}");
        peer.set(0);
        assert_eq!(drain(&mut one, now_us) + drain(&mut other, now_us), 0);
    }

    #[test]
    fn groups_that_lack_copies_pass_by() {
        let mut pace = pace(4096, &PeerPace::default());
        (0..3).for_each(|_| pace.push(ask(1, 32)));
        assert_eq!(pace.pop(1_000_000).unwrap().request_id, 1, "the burst");
        pace.push(ask(2, 32));
        assert_eq!(pace.pop(1_000_000).unwrap().request_id, 2);
        assert!(pace.pop(1_000_000).is_none());
        pace.note(&[view(1, 2)]);
        assert_eq!(drain(&mut pace, 1_000_000), 0, "it lost a copy meanwhile");
        assert!(pace.due_us().is_none());
    }

    #[test]
    fn without_a_bound_nothing_waits() {
        let mut pace = pace(0, &PeerPace::default());
        (0..100).for_each(|_| pace.push(ask(1, 32)));
        assert_eq!(drain(&mut pace, 0), 0);
        let unknown = PgView { pg: PgId { policy: PolicyId(9), index: 1 }, ..view(1, 7) };
        pace.note(&[unknown]);
        assert!(pace.moving.len() == 1, "of a policy that is not known nothing is held back");
    }
}
