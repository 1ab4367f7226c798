//! A head and what belongs to it on its thread.

use std::sync::Arc;

use shoal_engine::head::{Head, HeadCommand, OpTrace};
use shoal_types::VolumeId;

use super::action::Completed;
use super::message::{HeadReport, NewHead};
use super::{HeadKey, OpKind};
use crate::clock;
use crate::metrics::{SlowLog, SlowOp, VolumeMetrics};

pub struct Host {
    pub volume: VolumeId,
    name: String,
    pub head: Head,
    metrics: Arc<VolumeMetrics>,
    /// Orders of the head, not carried out yet.
    pub commands: Vec<HeadCommand>,
}

impl Host {
    pub fn new(new: NewHead) -> Self {
        Self {
            volume: new.volume,
            name: new.name,
            head: Head::new(new.config),
            metrics: new.metrics,
            commands: Vec::new(),
        }
    }

    pub fn report(&self, key: HeadKey, nbd_clients: u32) -> HeadReport {
        HeadReport { key, volume: self.volume, status: self.head.status(), nbd_clients }
    }

    pub fn measure(
        &self,
        completed: &Completed,
        failed: bool,
        trace: &OpTrace,
        now_us: u64,
        slow: &SlowLog,
    ) {
        let total_us = now_us.saturating_sub(trace.arrived_us);
        self.metrics.completed(completed.kind, completed.length, total_us, failed);
        if completed.kind == OpKind::Write && trace.sent_us != 0 {
            let queued_us = trace.sent_us.saturating_sub(trace.arrived_us);
            self.metrics.staged(queued_us, trace.last_ack_us.saturating_sub(trace.sent_us));
        }
        if SlowLog::is_slow(total_us) {
            let range = (completed.offset, completed.length);
            let times = (now_us, clock::wall_ms());
            slow.note(SlowOp::new(&self.name, completed.kind, range, trace, times));
        }
    }
}
