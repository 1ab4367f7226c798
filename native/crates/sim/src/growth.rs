//! What some worlds have beyond the others. All of it comes from a stream of its own, and only into
//! seeds of a few residues, so that the others go on meaning what they did.

mod directed;

use crate::plan::{Plan, Weights};
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub struct Growth {
    pub disks_per_peer: u64,
    /// Of a hundred changes, so many are told to a peer at once.
    pub told_percent: u64,
    /// So often (of a hundred turns) a peer is told some view anew.
    pub retold_percent: u64,
    /// The record is kept by production services on the peers, not by an oracle.
    pub services: bool,
    /// People leave fenced devices where they are, for good.
    pub fenced_stay: bool,
    pub weights: GrowthWeights,
}

/// Relative to those of `Weights`.
#[derive(Clone, Debug, Default)]
pub struct GrowthWeights {
    pub clogged_link: u64,
    /// A head's peer hears late of everything, and is then cut off.
    pub cut_off: u64,
    /// Several peers take a volume at once.
    pub contest: u64,
    /// A volume grows.
    pub resize: u64,
    /// A volume is deleted; after a while another one takes its place.
    pub delete: u64,
    pub leader_crash: u64,
    /// The leader is cut off from (most) others.
    pub leader_alone: u64,
    pub voters_crash: u64,
    /// Nobody hears anybody of the record.
    pub silent_record: u64,
    pub lost_log: u64,
    pub wall_clock: u64,
    /// Nobody marks peers down or has members join.
    pub control_gone: u64,
    /// A head's peer is cut off, or stands still, while its volume is taken over.
    pub usurp: u64,
    /// A volume is attached again to a peer whose device of before is fenced.
    pub attach_back: u64,
    /// A voter loses its log while another one has not heard what it had promised.
    pub forgotten_vote: u64,
    /// A resync is cut short while its group changes.
    pub overtaken_join: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Many peers and disks; volumes come, grow and go.
    Large,
    /// Leases, and heads that do not hear that they are over.
    CutOff,
    /// Confirmed reads, and heads that hardly ever hear of a view.
    Untold,
    /// Disks as good as full.
    Tight,
    /// The record is kept by the peers themselves.
    Services,
    /// The same, and everything aims at who leads and who has the head.
    Contested,
    /// The same, and everything aims at resyncs that begin anew.
    Rejoining,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            disks_per_peer: 1,
            told_percent: 80,
            retold_percent: 25,
            services: false,
            fenced_stay: false,
            weights: GrowthWeights::default(),
        }
    }
}

fn kind_of(seed: u64) -> Option<Kind> {
    match seed % 32 {
        8 | 12 => Some(Kind::Large),
        18 => Some(Kind::CutOff),
        24 => Some(Kind::Untold),
        26 => Some(Kind::Tight),
        11 | 20 | 27 => Some(Kind::Services),
        1 | 14 => Some(Kind::Contested),
        29 => Some(Kind::Rejoining),
        _ => None,
    }
}

impl Plan {
    /// The world of this seed, if it is one of those that have more.
    pub fn grown(self, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6720_7720_7468_0001);
        match kind_of(seed) {
            None => self,
            Some(Kind::Large) => self.large(&mut rng),
            Some(Kind::CutOff) => self.cut_off(&mut rng),
            Some(Kind::Untold) => self.untold(&mut rng),
            Some(Kind::Tight) => self.tight(&mut rng),
            Some(Kind::Services) => self.services(&mut rng),
            Some(Kind::Contested) => self.contested(&mut rng),
            Some(Kind::Rejoining) => self.rejoining(&mut rng),
        }
    }

    fn large(self, rng: &mut Rng) -> Self {
        let peers = rng.range(1, 10);
        let copies = peers.min(rng.range(2, 5)) as usize;
        let mut weight = |most: u64| rng.below(most + 1);
        let weights = GrowthWeights {
            clogged_link: weight(3),
            cut_off: weight(1),
            contest: weight(3),
            resize: 1 + weight(3),
            delete: 1 + weight(2),
            ..GrowthWeights::default()
        };
        let growth = Growth { disks_per_peer: rng.range(1, 4), weights, ..Growth::default() };
        let (volumes, blocks) = (rng.range(1, 5), rng.range(4, 16));
        Self {
            peers,
            copies,
            min_in_sync: if copies > 1 { rng.range(1, 3) as u32 } else { 1 },
            volumes,
            blocks,
            pg_count: 1 << rng.range(1, 5),
            blocks_per_extent: 2,
            clients: rng.range(1, 4),
            production_store: rng.percent(15),
            // For volumes that grow, and for the remains of those that went.
            capacity: 100_000,
            growth,
            ..self
        }
    }

    fn cut_off(self, rng: &mut Rng) -> Self {
        let growth = GrowthWeights { clogged_link: 2, cut_off: 20, ..GrowthWeights::default() };
        Self {
            peers: rng.range(3, 6),
            copies: 3,
            min_in_sync: rng.range(1, 3) as u32,
            confirmed_reads: false,
            pg_count: 1,
            volumes: 1,
            stride: 1,
            blocks: rng.range(2, 6),
            clients: rng.range(4, 8),
            think_us: rng.range(2_000, 10_000),
            lease_ms: rng.range(400, 2_000),
            fault_every_us: rng.range(500_000, 2_000_000),
            lies: false,
            weights: Weights { crash: 1, removal: 2, partition: 4, ..Weights::none() },
            growth: Growth { weights: growth, ..Growth::default() },
            ..self
        }
    }

    fn services(self, rng: &mut Rng) -> Self {
        let peers = [1, 2, 3, 3, 3, 4, 5, 5, 6][rng.below(9) as usize];
        let copies = peers.min(3) as usize;
        let mut weight = |most: u64| if rng.percent(25) { 0 } else { rng.range(1, most + 1) };
        let weights = GrowthWeights {
            clogged_link: weight(3),
            cut_off: 0,
            contest: weight(5),
            resize: weight(3),
            delete: weight(2),
            leader_crash: weight(5),
            leader_alone: weight(5),
            voters_crash: weight(2),
            silent_record: weight(3),
            lost_log: weight(2),
            wall_clock: weight(2),
            control_gone: weight(2),
            ..GrowthWeights::default()
        };
        let (disks_per_peer, blocks) = (rng.range(1, 3), rng.range(2, 9));
        let growth = Growth { disks_per_peer, services: true, weights, ..Growth::default() };
        let mut plan = Self {
            peers,
            copies,
            min_in_sync: if copies > 1 { rng.range(1, 3) as u32 } else { 1 },
            volumes: rng.range(1, 3),
            blocks,
            pg_count: 1 << rng.below(3),
            // The least that a policy allows: several groups are met only far apart.
            blocks_per_extent: 32,
            stride: [1, 12, 40][rng.below(3) as usize],
            clients: rng.range(2, 6),
            think_us: rng.range(2_000, 40_000),
            fault_every_us: rng.range(150_000, 1_500_000),
            delay_us_max: [300, 2_000, 20_000][rng.below(3) as usize],
            copy_pause_us: [1, 1, 200_000][rng.below(3) as usize],
            lease_ms: rng.range(800, 2_500),
            turn_us: 60_000,
            production_store: rng.percent(15),
            capacity: 100_000,
            growth,
            ..self
        };
        // A head has no process of its own there; and CLOCK_BOOTTIME does not jump.
        plan.weights.head_crash = 0;
        if !plan.confirmed_reads {
            plan.weights.clock_jump = 0;
        }
        plan
    }

    fn untold(self, rng: &mut Rng) -> Self {
        let growth = GrowthWeights { clogged_link: 2, contest: 6, ..GrowthWeights::default() };
        Self {
            peers: 3,
            copies: 3,
            min_in_sync: 1,
            confirmed_reads: true,
            pg_count: 1,
            volumes: 1,
            stride: 1,
            blocks: rng.range(1, 4),
            clients: rng.range(4, 9),
            think_us: rng.range(500, 5_000),
            turn_us: rng.range(5_000, 30_000),
            fault_every_us: rng.range(10_000, 60_000),
            // The one good copy is often that of a member which the head does not know to be in sync.
            lies: rng.percent(50),
            weights: Weights {
                crash: 1,
                take_over: 4,
                removal: 20,
                head_crash: 2,
                break_connection: 4,
                partition: 1,
                rot: 20,
                ..Weights::none()
            },
            growth: Growth {
                told_percent: 10,
                retold_percent: 2,
                weights: growth,
                ..Growth::default()
            },
            ..self
        }
    }

    fn tight(self, rng: &mut Rng) -> Self {
        let (volumes, blocks) = (rng.range(2, 4), rng.range(6, 16));
        let growth = GrowthWeights { contest: 3, ..GrowthWeights::default() };
        Self {
            peers: 3,
            copies: 3,
            min_in_sync: 1,
            volumes,
            blocks,
            stride: 1,
            pg_count: 2,
            clients: rng.range(3, 6),
            think_us: rng.range(500, 5_000),
            commit_us_max: 20_000,
            capacity: (blocks * volumes) as usize * 6 / 10,
            fault_every_us: rng.range(300_000, 2_000_000),
            lies: false,
            weights: Weights {
                crash: 2,
                take_over: 4,
                removal: 2,
                head_crash: 2,
                ..Weights::none()
            },
            growth: Growth { weights: growth, ..Growth::default() },
            ..self
        }
    }
}
