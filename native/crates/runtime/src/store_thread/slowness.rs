//! Tells a disk that has become slow: it answers, so nothing is broken, but everybody whose writes
//! wait for it suffers. Measured where nothing else is in the way: from a command's start to its end.
//! Only what clients wait for counts: reads and durable writes, short ones.

use std::collections::VecDeque;

use shoal_store::{DiskIo, IoKind};

/// Answers are judged together for so long.
const WINDOW_US: u64 = 250_000;
/// Below this no disk is slow, whatever it was before.
const FLOOR_US: u64 = 100_000;
/// So many times as long as usual is slow.
const FACTOR: u64 = 10;
/// Beyond so many times the limit it is slow even for one that is being filled.
const VERY: u64 = 4;
/// Weight of a new window in what is usual: 1 / this. A start's own work is soon forgotten.
const USUAL_SHARE: u64 = 32;
const FASTER_SHARE: u64 = 8;
/// Longer commands take their time, and are left out.
const BYTES_MAX: u64 = 128 << 10;
/// What is usual is known after so many windows; until then nothing is slow. A disk that is slow from
/// its start on is named by its medians, and not put out for it.
const LEARNED: u32 = 24;
/// Slow windows in a row until it is said; each fast one takes two back.
const STREAK: u32 = 4;
const STREAK_MAX: u32 = 8;

/// Not measured, or answered.
const NOTHING: u64 = 0;

#[derive(Default)]
pub(super) struct Slowness {
    /// Starts of commands, in order of their numbers, from `first` on.
    started: VecDeque<u64>,
    first: u64,
    /// Measured commands that are out.
    out: u32,
    window_began_us: u64,
    moved_us: u64,
    count: u64,
    slow: u64,
    very: u64,
    sum_us: u64,
    /// Of the last window that was judged.
    was_very: bool,
    /// Mean time of a command in windows that were not slow.
    usual_us: Option<u64>,
    learned: u32,
    streak: u32,
}

impl Slowness {
    pub fn issued(&mut self, io: &DiskIo, now_us: u64) {
        if self.started.is_empty() {
            self.first = io.id.0;
        }
        while self.first + (self.started.len() as u64) < io.id.0 {
            self.started.push_back(NOTHING);
        }
        let counts = is_measured(&io.kind);
        if counts && self.out == 0 {
            self.moved_us = now_us;
            if self.count == 0 {
                self.window_began_us = now_us;
            }
        }
        self.out += u32::from(counts);
        self.started.push_back(if counts { now_us.max(1) } else { NOTHING });
    }

    pub fn answered(&mut self, id: u64, now_us: u64) {
        // What is not measured may be forgotten before it ends.
        let slot = id.checked_sub(self.first).and_then(|at| self.started.get_mut(at as usize));
        let started = slot.map_or(NOTHING, |slot| std::mem::replace(slot, NOTHING));
        while self.started.front() == Some(&NOTHING) {
            self.started.pop_front();
            self.first += 1;
        }
        if started == NOTHING {
            return;
        }
        let took_us = now_us.saturating_sub(started);
        self.out -= 1;
        self.moved_us = now_us;
        self.count += 1;
        self.sum_us += took_us;
        self.slow += u64::from(took_us > self.limit_us());
        self.very += u64::from(took_us > self.limit_us() * VERY);
    }

    /// When a window is over: whether the disk is slow, and has been for some time.
    pub fn look(&mut self, now_us: u64) -> bool {
        if self.due_us().is_none_or(|due| now_us < due) {
            return false;
        }
        let silent = self.count == 0 && now_us - self.moved_us > self.limit_us();
        let verdict = match (self.count, silent) {
            (0, false) => None,
            (_, true) => Some(true),
            (count, false) => Some(self.slow * 2 > count),
        };
        let verdict = match self.learned < LEARNED && self.count > 0 {
            true => Some(false),
            false => verdict.filter(|_| self.learned >= LEARNED),
        };
        match verdict {
            Some(true) => self.streak = (self.streak + 1).min(STREAK_MAX),
            Some(false) => {
                self.streak = self.streak.saturating_sub(2);
                self.learn();
            }
            None => {}
        }
        let silence_us = now_us - self.moved_us;
        self.was_very = match self.count {
            0 => silence_us > self.limit_us() * VERY,
            count => self.very * 2 > count,
        };
        (self.count, self.slow, self.very, self.sum_us) = (0, 0, 0, 0);
        self.window_began_us = now_us;
        verdict == Some(true) && self.streak >= STREAK
    }

    /// How slow, if `look` said so.
    pub fn is_very(&self) -> bool {
        self.was_very
    }

    /// When to look again.
    pub fn due_us(&self) -> Option<u64> {
        (self.out > 0 || self.count > 0).then_some(self.window_began_us + WINDOW_US)
    }

    /// What a command may take.
    pub fn limit_us(&self) -> u64 {
        self.usual_us.map_or(0, |usual| usual * FACTOR).max(FLOOR_US)
    }

    fn learn(&mut self) {
        let mean = self.sum_us / self.count;
        self.learned = self.learned.saturating_add(1);
        let usual = self.usual_us.unwrap_or(mean);
        let share = if mean < usual { FASTER_SHARE } else { USUAL_SHARE };
        self.usual_us = Some((usual * (share - 1) + mean) / share);
    }
}

fn is_measured(kind: &IoKind) -> bool {
    match kind {
        IoKind::Read { len, .. } => *len <= BYTES_MAX,
        IoKind::Write { bufs, durable, .. } => {
            *durable && bufs.iter().map(|buf| buf.len() as u64).sum::<u64>() <= BYTES_MAX
        }
        IoKind::Sync | IoKind::Discard { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use shoal_store::IoId;

    use super::*;

    struct Disk {
        slowness: Slowness,
        now_us: u64,
        next: u64,
        told: u32,
    }

    impl Disk {
        fn new() -> Self {
            Self { slowness: Slowness::default(), now_us: 1, next: 40, told: 0 }
        }

        /// Commands one after the other, each of so long, for a time.
        fn work(&mut self, each_us: u64, for_us: u64) {
            let end = self.now_us + for_us;
            while self.now_us < end {
                let io = command(self.next, 4096);
                self.slowness.issued(&io, self.now_us);
                let done_us = self.now_us + each_us;
                while self.slowness.due_us().is_some_and(|due| due < done_us) {
                    self.now_us = self.slowness.due_us().unwrap().max(self.now_us);
                    self.told += u32::from(self.slowness.look(self.now_us));
                }
                self.now_us = done_us;
                self.slowness.answered(self.next, self.now_us);
                self.next += 1;
                self.told += u32::from(self.slowness.look(self.now_us));
            }
        }
    }

    fn command(id: u64, len: u64) -> DiskIo {
        DiskIo { id: IoId(id), kind: IoKind::Read { offset: 0, len } }
    }

    #[test]
    fn fifty_times_the_usual_is_told_within_a_second_and_a_half() {
        for usual_us in [2_400, 5_000, 12_000] {
            let mut disk = Disk::new();
            disk.work(usual_us, 20_000_000);
            assert_eq!(disk.told, 0);
            disk.work(usual_us * 50, 1_500_000);
            assert!(disk.told > 0, "{usual_us} us");
            let very = usual_us * 50 > VERY * FLOOR_US.max(usual_us * FACTOR);
            assert_eq!(disk.slowness.is_very(), very, "{usual_us} us");
            disk.work(usual_us, 2_000_000);
            let told = disk.told;
            disk.work(usual_us, 20_000_000);
            assert_eq!(disk.told, told, "it recovered");
        }
    }

    #[test]
    fn a_fast_disk_under_the_floor_and_a_slow_kind_of_disk_are_left_alone() {
        let mut disk = Disk::new();
        disk.work(100, 5_000_000);
        disk.work(FLOOR_US - 1, 20_000_000);
        assert_eq!(disk.told, 0, "under the floor");
        let mut hdd = Disk::new();
        hdd.work(40_000, 30_000_000);
        hdd.work(200_000, 20_000_000);
        assert_eq!(hdd.told, 0, "five times is load");
    }

    #[test]
    fn a_disk_that_is_slow_from_its_start_is_never_put_out_for_it() {
        let mut disk = Disk::new();
        disk.work(400_000, 60_000_000);
        assert_eq!(disk.told, 0);
    }

    #[test]
    fn single_outliers_and_rest_say_nothing() {
        let mut disk = Disk::new();
        for _ in 0..50 {
            disk.work(2_000, 1_000_000);
            disk.work(400_000, 1);
            disk.now_us += 3_000_000;
        }
        assert_eq!(disk.told, 0);
    }

    #[test]
    fn a_command_that_never_ends_is_slow_and_long_ones_are_not_measured() {
        let mut disk = Disk::new();
        disk.slowness.learned = LEARNED;
        disk.slowness.issued(&command(1, 1 << 20), 1);
        assert_eq!(disk.slowness.due_us(), None);
        // A number is missing: it was a hint that needed no command.
        disk.slowness.issued(&command(3, 4096), 5);
        let mut told = 0;
        for _ in 0..8 {
            let due = disk.slowness.due_us().unwrap();
            told += u32::from(disk.slowness.look(due));
        }
        assert_eq!(told, 5, "each window from the fourth on");
        disk.slowness.answered(3, 9_000_000);
        disk.slowness.answered(1, 9_000_000);
        assert!(disk.slowness.started.is_empty() && disk.slowness.out == 0);
    }
}
