//! The only clock of the data process: CLOCK_BOOTTIME, which goes on while the machine sleeps, so
//! that a lease never outlives a suspend.

/// Microseconds since boot.
pub fn now_us() -> u64 {
    let spec = read(libc::CLOCK_BOOTTIME);
    spec.tv_sec as u64 * 1_000_000 + spec.tv_nsec as u64 / 1_000
}

/// Milliseconds since boot.
pub fn now_ms() -> u64 {
    now_us() / 1_000
}

/// Milliseconds since 1970; for people (events, token expiry), never for safety.
pub fn wall_ms() -> u64 {
    let spec = read(libc::CLOCK_REALTIME);
    spec.tv_sec as u64 * 1_000 + spec.tv_nsec as u64 / 1_000_000
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut spec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `spec` is a valid place for the result.
    let status = unsafe { libc::clock_gettime(clock, &mut spec) };
    assert_eq!(status, 0, "clock_gettime failed");
    spec
}
