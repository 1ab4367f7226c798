//! The session lease: one per peer, carries all its heads. Pure; times are milliseconds of a
//! monotonic clock that counts suspend (CLOCK_BOOTTIME), each side's own.
//!
//! The holder counts from BEFORE it sent the request, the granter from AFTER it received it, and
//! the granter adds the drift bound: the holder stops before the granter lets another one start.
//!
//! A granter must confirm, in a round begun after the request arrived, that it still is the
//! leader; a new leader then needs to wait out no more than the longest lease that may run.

mod granter;
mod holder;

pub use granter::Granter;
pub use holder::Holder;

/// How far a clock's rate may be off, in percent of real time.
pub const DRIFT_PERCENT: u64 = 5;

/// What a lease of `duration_ms` on the slowest holder's clock lasts on the fastest granter's:
/// the granter waits so long before it calls the lease over.
pub fn granter_wait_ms(duration_ms: u64) -> u64 {
    (duration_ms * (100 + DRIFT_PERCENT)).div_ceil(100 - DRIFT_PERCENT)
}

#[cfg(test)]
mod tests;
