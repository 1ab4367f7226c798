//! The slowest operations of late: which member and which stage cost the time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use shoal_engine::head::OpTrace;

use crate::io_thread::OpKind;

/// Operations below this are never slow, in microseconds.
const SLOW_US: u64 = 10_000;
/// Remembered operations; the oldest goes first.
const KEPT_MAX: usize = 256;

/// One slow operation. All times in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct SlowOp {
    pub volume: String,
    pub op: &'static str,
    pub offset: u64,
    pub length: u64,
    /// Wall clock at completion, milliseconds since 1970.
    pub at_ms: u64,
    pub total_us: u64,
    /// Waiting for overlaps, views or space before the last piece was sent.
    pub queued_us: u64,
    /// From there to the first answer.
    pub first_ack_us: u64,
    /// From the first answer to the last.
    pub last_ack_us: u64,
    /// The disk that answered last, and for which PG.
    pub last_disk: u64,
    pub last_pg: String,
    pub resends: u32,
}

#[derive(Debug, Default)]
pub struct SlowLog {
    kept: Mutex<VecDeque<SlowOp>>,
}

impl SlowLog {
    pub fn is_slow(total_us: u64) -> bool {
        total_us >= SLOW_US
    }

    pub fn note(&self, op: SlowOp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(op);
    }

    /// The slowest first, at most `limit`.
    pub fn slowest(&self, limit: usize) -> Vec<SlowOp> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<SlowOp> = kept.iter().cloned().collect();
        list.sort_by_key(|op| std::cmp::Reverse(op.total_us));
        list.truncate(limit);
        list
    }
}

impl SlowOp {
    pub fn new(
        volume: &str,
        kind: OpKind,
        (offset, length): (u64, u64),
        trace: &OpTrace,
        (now_us, at_ms): (u64, u64),
    ) -> Self {
        let sent = trace.sent_us.max(trace.arrived_us);
        let first = trace.first_ack_us.max(sent);
        Self {
            volume: volume.to_owned(),
            op: kind.name(),
            offset,
            length,
            at_ms,
            total_us: now_us.saturating_sub(trace.arrived_us),
            queued_us: sent - trace.arrived_us,
            first_ack_us: first - sent,
            last_ack_us: trace.last_ack_us.max(first) - first,
            last_disk: trace.last_disk.0,
            last_pg: trace.last_pg.to_string(),
            resends: trace.resends,
        }
    }
}
