//! How long the disk takes for small reads and writes: the median of the newest ones, which a few
//! outliers do not move. Shown, and compared with other disks of the class by the control plane.

use crate::disk::port::DiskOp;

/// Samples of each kind; odd, so that there is one in the middle.
const SAMPLES: usize = 127;
/// Fewer say nothing.
const SAMPLES_MIN: usize = 32;
/// Larger commands measure the bandwidth.
const SMALL_BYTES: usize = 64 << 10;
/// What the disk did longer ago says nothing of today.
const STALE_US: u64 = 600_000_000;

#[derive(Default)]
pub(super) struct Latency {
    reads: Window,
    writes: Window,
}

/// Medians in microseconds; 0: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Medians {
    pub read_us: u64,
    pub write_us: u64,
}

struct Window {
    samples: [u32; SAMPLES],
    taken: usize,
    newest_us: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { samples: [0; SAMPLES], taken: 0, newest_us: 0 }
    }
}

impl Latency {
    pub fn answered(&mut self, op: &DiskOp, issued_us: u64, now_us: u64) {
        match op {
            DiskOp::Read { length, .. } if *length <= SMALL_BYTES => &mut self.reads,
            DiskOp::Write { length, .. } if *length <= SMALL_BYTES => &mut self.writes,
            DiskOp::Read { .. } | DiskOp::Write { .. } | DiskOp::Sync { .. } => return,
        }
        .add(now_us.saturating_sub(issued_us), now_us);
    }

    pub fn medians(&self, now_us: u64) -> Medians {
        Medians { read_us: self.reads.median(now_us), write_us: self.writes.median(now_us) }
    }
}

impl Window {
    fn add(&mut self, took_us: u64, now_us: u64) {
        self.samples[self.taken % SAMPLES] = u32::try_from(took_us).unwrap_or(u32::MAX);
        self.taken += 1;
        self.newest_us = now_us;
    }

    fn median(&self, now_us: u64) -> u64 {
        let known = self.taken.min(SAMPLES);
        if known < SAMPLES_MIN || now_us.saturating_sub(self.newest_us) > STALE_US {
            return 0;
        }
        let mut sorted = self.samples;
        sorted[..known].sort_unstable();
        u64::from(sorted[known / 2]).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_newest() {
        let mut window = Window::default();
        for i in 0..SAMPLES_MIN as u64 - 1 {
            window.add(100, i);
        }
        assert_eq!(window.median(31), 0, "too few");
        for i in 31..200 {
            window.add(if i % 3 == 0 { 50_000 } else { 200 }, i);
        }
        assert_eq!(window.median(200), 200, "outliers do not move it");
        for i in 200..400 {
            window.add(10_000, i);
        }
        assert_eq!(window.median(400), 10_000);
        assert_eq!(window.median(400 + STALE_US), 0, "too long ago");
        window.add(u64::MAX, 500);
        assert_eq!(window.median(500), 10_000);
    }
}
