//! Counters of one volume's head.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Histogram;
use crate::io_thread::OpKind;

#[derive(Debug, Default)]
pub struct VolumeMetrics {
    latency: [Histogram; OpKind::ALL.len()],
    bytes: [AtomicU64; OpKind::ALL.len()],
    errors: [AtomicU64; OpKind::ALL.len()],
    /// Stages of a replicated write: waiting at the head, and for the last member.
    queued: Histogram,
    replicated: Histogram,
}

impl VolumeMetrics {
    pub fn completed(&self, kind: OpKind, bytes: u64, total_us: u64, failed: bool) {
        let slot = kind as usize;
        self.latency[slot].record(total_us);
        self.bytes[slot].fetch_add(bytes, Ordering::Relaxed);
        if failed {
            self.errors[slot].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn staged(&self, queued_us: u64, replicated_us: u64) {
        self.queued.record(queued_us);
        self.replicated.record(replicated_us);
    }

    /// Append in Prometheus' text form. `volume`: its name (no character needs escaping).
    pub fn render(&self, out: &mut String, volume: &str) {
        for kind in OpKind::ALL {
            let slot = kind as usize;
            if self.latency[slot].count() == 0 {
                continue;
            }
            let labels = format!("volume=\"{volume}\",op=\"{}\"", kind.name());
            self.latency[slot].render(out, "shoal_volume_op_seconds", &labels);
            let bytes = self.bytes[slot].load(Ordering::Relaxed);
            let errors = self.errors[slot].load(Ordering::Relaxed);
            let _ = writeln!(out, "shoal_volume_bytes_total{{{labels}}} {bytes}");
            let _ = writeln!(out, "shoal_volume_errors_total{{{labels}}} {errors}");
        }
        for (stage, histogram) in [("queued", &self.queued), ("replicated", &self.replicated)] {
            let labels = format!("volume=\"{volume}\",stage=\"{stage}\"");
            histogram.render(out, "shoal_volume_write_stage_seconds", &labels);
        }
    }
}
