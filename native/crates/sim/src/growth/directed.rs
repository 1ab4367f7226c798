//! Worlds whose faults aim at one kind of mistake: what the others meet too seldom. All of them have
//! the production record.

use super::{Growth, GrowthWeights};
use crate::plan::{Plan, Weights};
use crate::rng::Rng;

impl Plan {
    /// Leaders and heads are cut off or stand still while their volumes are taken over, devices are
    /// attached again where they were fenced, and voters forget what they promised.
    pub(super) fn contested(self, rng: &mut Rng) -> Self {
        let peers = [3, 3, 4, 5, 5][rng.below(5) as usize];
        let weights = GrowthWeights {
            contest: rng.below(3),
            leader_crash: rng.below(2),
            clogged_link: rng.below(2),
            usurp: 6,
            attach_back: 2,
            forgotten_vote: 1,
            ..GrowthWeights::default()
        };
        let growth = Growth { services: true, fenced_stay: true, weights, ..Growth::default() };
        let faults = Weights {
            crash: 1,
            take_over: rng.range(1, 4),
            removal: rng.below(2),
            ..Weights::none()
        };
        Self {
            clients: rng.range(4, 8),
            think_us: rng.range(2_000, 15_000),
            fault_every_us: rng.range(800_000, 2_500_000),
            confirmed_reads: false,
            lease_ms: rng.range(1_500, 2_500),
            ..self.small(peers, rng).with(faults, growth)
        }
    }

    /// Resyncs that take long are cut short, again and again, at the moment at which the group changes.
    pub(super) fn rejoining(self, rng: &mut Rng) -> Self {
        let weights = GrowthWeights { overtaken_join: 10, ..GrowthWeights::default() };
        let growth = Growth { services: true, weights, ..Growth::default() };
        let faults = Weights { removal: 10, break_connection: 2, ..Weights::none() };
        Self {
            // Far apart: each is copied by a message of its own.
            stride: 40,
            blocks: rng.range(3, 8),
            clients: rng.range(2, 4),
            think_us: rng.range(10_000, 60_000),
            copy_pause_us: [200_000, 800_000][rng.below(2) as usize],
            fault_every_us: rng.range(100_000, 600_000),
            lease_ms: rng.range(800, 2_500),
            ..self.small(3, rng).with(faults, growth)
        }
    }

    /// One group, of which each of the first three peers has a copy.
    fn small(self, peers: u64, rng: &mut Rng) -> Self {
        Self {
            peers,
            copies: 3,
            min_in_sync: rng.range(1, 3) as u32,
            volumes: 1,
            blocks: rng.range(1, 4),
            stride: 1,
            pg_count: 1,
            // The least that a policy allows.
            blocks_per_extent: 32,
            delay_us_max: [300, 2_000, 20_000][rng.below(3) as usize],
            copy_pause_us: 1,
            turn_us: 60_000,
            production_store: false,
            capacity: 100_000,
            lies: false,
            ..self
        }
    }

    fn with(self, weights: Weights, growth: Growth) -> Self {
        Self { weights, growth, ..self }
    }
}
