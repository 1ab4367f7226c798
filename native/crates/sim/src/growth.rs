//! What some worlds have beyond the others. All of it comes from a stream of its own, and only into
//! seeds of a few residues, so that the others go on meaning what they did.

use crate::plan::{Plan, Weights};
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub struct Growth {
    pub disks_per_peer: u64,
    /// Of a hundred changes, so many are told to a peer at once.
    pub told_percent: u64,
    /// So often (of a hundred turns) a peer is told some view anew.
    pub retold_percent: u64,
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
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            disks_per_peer: 1,
            told_percent: 80,
            retold_percent: 25,
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
        let growth =
            GrowthWeights { clogged_link: 2, cut_off: 20, contest: 0, resize: 0, delete: 0 };
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
            lies: false,
            weights: Weights {
                crash: 1,
                take_over: 4,
                removal: 20,
                head_crash: 2,
                break_connection: 4,
                partition: 1,
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
