//! What one seed's world looks like: size, speeds, rates of faults. Everything comes from the seed.

use shoal_types::{DiskId, LayerId, VolumeId};

use crate::growth::Growth;
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
    /// Distance between two blocks that are used: far apart, a resync takes many messages.
    pub stride: u64,
    pub blocks_per_extent: u32,
    pub clients: u64,
    pub confirmed_reads: bool,
    /// Faults happen until then; afterwards the world is healed.
    pub faults_until_us: u64,
    /// Mean time between two faults.
    pub fault_every_us: u64,
    pub think_us: u64,
    pub delay_us_max: u64,
    /// A resync's reads take up to so much longer: it is throttled.
    pub copy_pause_us: u64,
    /// One message in so many thousand is very late.
    pub late_permille: u64,
    pub duplicate_permille: u64,
    pub commit_us_max: u64,
    pub lease_ms: u64,
    /// Between two turns of the cluster's own work.
    pub turn_us: u64,
    /// Data blocks that fit on a disk.
    pub capacity: usize,
    /// The production store over simulated disks; otherwise the model.
    pub production_store: bool,
    /// Disks may hold other bytes than were written.
    pub lies: bool,
    /// Relative weights of the kinds of faults.
    pub weights: Weights,
    pub growth: Growth,
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
    pub disk_error: u64,
    pub slow_disk: u64,
    pub stalled_disk: u64,
    pub old_image: u64,
    pub swapped_disks: u64,
    pub clock_jump: u64,
    /// Beyond what a lease allows: only where reads are confirmed.
    pub clock_stop: u64,
    pub read_error: u64,
    pub rot: u64,
    pub lost_write: u64,
    pub torn_write: u64,
    pub misdirected_write: u64,
}

impl Plan {
    /// Half of the seeds are wide worlds, half are narrow ones, in which everything happens to the
    /// same few blocks at the same time.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let wide = Self::wide(&mut rng);
        if seed.is_multiple_of(2) {
            let production_store = seed % 16 == 6;
            return Self { production_store, ..wide }.grown(seed).sound();
        }
        let production_store = seed % 8 == 7;
        Self { production_store, ..Self::narrow(&mut rng, wide) }.grown(seed).sound()
    }

    /// Faults that this world cannot have, and those that each must have.
    fn sound(mut self) -> Self {
        if !self.lies {
            self.weights.no_lies();
        }
        if !self.confirmed_reads {
            self.weights.clock_stop = 0;
        }
        self.weights.crash = self.weights.crash.max(1);
        self
    }

    fn narrow(rng: &mut Rng, wide: Self) -> Self {
        let peers = rng.range(3, 5);
        let blocks = rng.range(2, 6);
        Self {
            peers,
            copies: 3,
            min_in_sync: rng.range(1, 3) as u32,
            volumes: 1,
            pg_count: 1,
            stride: [1, 40][rng.below(2) as usize],
            blocks_per_extent: 8,
            copy_pause_us: [1, 200_000, 800_000][rng.below(3) as usize],
            blocks,
            clients: rng.range(3, 7),
            fault_every_us: rng.range(15_000, 250_000),
            think_us: rng.range(500, 10_000),
            delay_us_max: [2_000, 20_000, 60_000][rng.below(3) as usize],
            late_permille: [0, 10, 50][rng.below(3) as usize],
            lease_ms: rng.range(100, 600),
            turn_us: rng.range(5_000, 60_000),
            capacity: 10 * blocks as usize + 100,
            weights: Weights::narrow(rng),
            ..wide
        }
    }

    fn wide(rng: &mut Rng) -> Self {
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
            production_store: false,
            lies: rng.percent(50),
            capacity: if tight { all * 3 / 4 } else { all * 10 + 100 },
            turn_us: 60_000,
            stride: 1,
            copy_pause_us: 1,
            weights: Weights::of(rng),
            growth: Growth::default(),
        }
    }
}

impl Plan {
    /// Of a volume on which so many blocks are used.
    pub fn blocks_between(&self, used: u64) -> u64 {
        (used - 1) * self.stride + 1
    }

    /// A volume has one layer; the record numbers both by itself.
    pub fn layer_of(&self, volume: VolumeId) -> LayerId {
        LayerId(volume.0 * self.layers_apart())
    }

    pub fn volume_of(&self, layer: LayerId) -> VolumeId {
        VolumeId(layer.0 / self.layers_apart())
    }

    fn layers_apart(&self) -> u64 {
        if self.growth.services { 1 } else { 10 }
    }

    pub fn disks(&self) -> u64 {
        self.peers * self.growth.disks_per_peer
    }

    /// Number `at` of a peer's disks: the first peer has the first ones.
    pub fn disk_of(&self, peer: u64, at: u64) -> DiskId {
        let each = self.growth.disks_per_peer;
        DiskId(peer * each + at % each + 1)
    }

    pub fn disks_of(&self, peer: u64) -> Vec<DiskId> {
        (0..self.growth.disks_per_peer).map(|at| self.disk_of(peer, at)).collect()
    }

    pub fn peer_of(&self, disk: DiskId) -> u64 {
        (disk.0 - 1) / self.growth.disks_per_peer
    }

    /// Disks may run full.
    pub fn is_tight(&self) -> bool {
        self.capacity < (self.blocks * self.volumes) as usize
    }
}

impl Weights {
    /// Short faults that hit what is under way.
    fn narrow(rng: &mut Rng) -> Self {
        let mut weight = |most: u64| if rng.percent(30) { 0 } else { rng.range(1, most + 1) };
        Self {
            crash: weight(4),
            head_crash: weight(10),
            partition: weight(4),
            pause: weight(1),
            break_connection: weight(12),
            wipe: weight(1),
            take_over: weight(8),
            removal: weight(12),
            disk_error: weight(2),
            slow_disk: weight(1),
            stalled_disk: weight(1),
            old_image: weight(2),
            swapped_disks: weight(1),
            clock_jump: weight(2),
            clock_stop: weight(2),
            read_error: weight(3),
            rot: weight(3),
            lost_write: weight(3),
            torn_write: weight(2),
            misdirected_write: weight(2),
        }
    }

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
            disk_error: weight(4),
            slow_disk: weight(2),
            stalled_disk: weight(2),
            old_image: weight(3),
            swapped_disks: weight(2),
            clock_jump: weight(3),
            clock_stop: weight(3),
            read_error: weight(4),
            rot: weight(4),
            lost_write: weight(4),
            torn_write: weight(4),
            misdirected_write: weight(3),
        }
    }

    pub fn none() -> Self {
        Self {
            crash: 0,
            head_crash: 0,
            partition: 0,
            pause: 0,
            break_connection: 0,
            wipe: 0,
            take_over: 0,
            removal: 0,
            disk_error: 0,
            slow_disk: 0,
            stalled_disk: 0,
            old_image: 0,
            swapped_disks: 0,
            clock_jump: 0,
            clock_stop: 0,
            read_error: 0,
            rot: 0,
            lost_write: 0,
            torn_write: 0,
            misdirected_write: 0,
        }
    }

    fn no_lies(&mut self) {
        let lies = [
            &mut self.read_error,
            &mut self.rot,
            &mut self.lost_write,
            &mut self.torn_write,
            &mut self.misdirected_write,
        ];
        lies.into_iter().for_each(|weight| *weight = 0);
    }
}
