//! A latency histogram that one thread writes and others read, without locks.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bound of the first bucket, in microseconds; each next one is twice as wide.
const FIRST_BOUND_US: u64 = 16;
/// 16 us, 32 us, … 16.8 s.
const BUCKETS: usize = 21;

#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one counts what is beyond all bounds.
    buckets: [AtomicU64; BUCKETS + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub fn record(&self, microseconds: u64) {
        let bucket = bucket_of(microseconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// Append in Prometheus' text form: cumulative buckets in seconds, sum, count.
    /// `labels` is `key="value",…` without braces.
    pub fn render(&self, out: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            total += bucket.load(Ordering::Relaxed);
            let bound = match index {
                BUCKETS => "+Inf".to_owned(),
                _ => format!("{}", (FIRST_BOUND_US << index) as f64 / 1e6),
            };
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {total}");
        }
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "{name}_count{{{labels}}} {total}");
    }
}

/// Index of the narrowest bucket whose bound is not below `microseconds`.
fn bucket_of(microseconds: u64) -> usize {
    let wide = microseconds.saturating_sub(1) / FIRST_BOUND_US;
    let index = (u64::BITS - wide.leading_zeros()) as usize;
    index.min(BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_narrowest_bucket_that_holds_it() {
        for (value, bucket) in [(0, 0), (1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (1 << 24, 20)] {
            assert_eq!(bucket_of(value), bucket, "{value}");
        }
        assert_eq!(bucket_of(FIRST_BOUND_US << 20), 20);
        assert_eq!(bucket_of((FIRST_BOUND_US << 20) + 1), BUCKETS);
        assert_eq!(bucket_of(u64::MAX), BUCKETS);
    }

    #[test]
    fn the_text_is_cumulative() {
        let histogram = Histogram::default();
        [10, 20, 20, 1_000_000_000].iter().for_each(|us| histogram.record(*us));
        let mut text = String::new();
        histogram.render(&mut text, "x", "op=\"read\"");
        assert!(text.contains("x_bucket{op=\"read\",le=\"0.000016\"} 1\n"), "{text}");
        assert!(text.contains("x_bucket{op=\"read\",le=\"0.000032\"} 3\n"));
        assert!(text.contains("x_bucket{op=\"read\",le=\"+Inf\"} 4\n"));
        assert!(text.contains("x_sum{op=\"read\"} 1000.00005\n"));
        assert_eq!(histogram.count(), 4);
    }
}
