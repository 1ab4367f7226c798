//! The election time-out, drawn from a hash instead of the library's random number, so that equal
//! seeds give equal runs.

use raft::StateRole;

/// Ticks in `min..2 * min`.
pub fn timeout_ticks(seed: u64, peer: u64, term: u64, role: StateRole, min: usize) -> usize {
    let role = match role {
        StateRole::Follower => 1u64,
        StateRole::PreCandidate => 2,
        StateRole::Candidate => 3,
        StateRole::Leader => 4,
    };
    let mixed = [seed, peer, term, role].into_iter().fold(0u64, mix);
    min + (mixed % min as u64) as usize
}

fn mix(hash: u64, word: u64) -> u64 {
    let value = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
