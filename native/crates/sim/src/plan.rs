//! What one seed's world looks like: size, speeds, rates of faults. Everything comes from the seed.

use crate::rng::Rng;

#[derive(Clone, Debug)]
pub struct Plan {
    pub peers: u64,
    /// Copies of each PG.
    pub copies: usize,
    pub min_in_sync: u32,
    pub volumes: u64,
    pub pg_count: u32,
    pub blocks: u64,
    pub blocks_per_extent: u32,
    pub clients: u64,
    pub confirmed_reads: bool,
    /// Faults happen until then; afterwards the world is healed.
    pub faults_until_us: u64,
    /// Mean time between two faults.
    pub fault_every_us: u64,
    pub think_us: u64,
    pub delay_us_max: u64,
    /// One message in so many thousand is very late.
    pub late_permille: u64,
    pub duplicate_permille: u64,
    pub commit_us_max: u64,
    pub lease_ms: u64,
    /// Data blocks that fit on a disk.
    pub capacity: usize,
    /// Relative weights of the kinds of faults.
    pub weights: Weights,
}

#[derive(Clone, Debug)]
pub struct Weights {
    pub crash: u64,
    pub head_crash: u64,
    pub partition: u64,
    pub pause: u64,
    pub break_connection: u64,
    pub wipe: u64,
    pub take_over: u64,
    pub removal: u64,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let peers = [1, 2, 3, 3, 3, 4, 5][rng.below(7) as usize];
        let copies = peers.min(rng.range(2, 4)).max(1) as usize;
        let blocks = rng.range(4, 25);
        let volumes = rng.range(1, 4);
        let tight = rng.percent(15);
        // A full disk cannot take its share back: nothing may wait for that for ever.
        let two = copies > 1 && rng.percent(60) && !tight;
        let min_in_sync = if two { 2 } else { 1 };
        let all = (blocks * volumes) as usize;
        Self {
            peers,
            copies,
            min_in_sync,
            volumes,
            pg_count: 1 << rng.below(3),
            blocks,
            blocks_per_extent: [2, 4, 8][rng.below(3) as usize],
            clients: rng.range(2, 6),
            confirmed_reads: rng.percent(40),
            faults_until_us: 60_000_000,
            fault_every_us: rng.range(200_000, 2_500_000),
            think_us: rng.range(2_000, 120_000),
            delay_us_max: [300, 2_000, 20_000][rng.below(3) as usize],
            late_permille: [0, 2, 30][rng.below(3) as usize],
            duplicate_permille: [0, 5, 60][rng.below(3) as usize],
            commit_us_max: [200, 3_000, 20_000][rng.below(3) as usize],
            lease_ms: rng.range(300, 1_500),
            capacity: if tight { all * 3 / 4 } else { all * 10 + 100 },
            weights: Weights::of(&mut rng),
        }
    }
}

impl Plan {
    /// Disks may run full.
    pub fn is_tight(&self) -> bool {
        self.capacity < (self.blocks * self.volumes) as usize
    }
}

impl Weights {
    fn of(rng: &mut Rng) -> Self {
        // Some kinds are off in some seeds: what hides behind a frequent fault shows there.
        let mut weight = |most: u64| if rng.percent(25) { 0 } else { rng.range(1, most + 1) };
        Self {
            crash: weight(8),
            head_crash: weight(6),
            partition: weight(8),
            pause: weight(4),
            break_connection: weight(8),
            wipe: weight(3),
            take_over: weight(6),
            removal: weight(4),
        }
    }
}
