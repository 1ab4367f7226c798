//! What the data plane counts of itself: latency histograms, and the slowest operations.

mod histogram;
mod slow;
mod volume;

pub use histogram::Histogram;
pub use slow::{SlowLog, SlowOp};
pub use volume::VolumeMetrics;
