//! From a chunk to its PG there is only arithmetic (DESIGN 4, step 3).
//!
//! 32-bit multiply, xor and shift only, so that TypeScript (`Math.imul`) computes the same bits;
//! `test/golden/placement-hash.json` holds both sides to one table.

use crate::LineageId;

/// Index of the PG that holds `extent` of `lineage`. `pg_count` is a power of two, so doubling it
/// splits each PG in two and moves no extent between the others.
pub fn pg_index(lineage: LineageId, extent: u64, pg_count: u32) -> u32 {
    debug_assert!(pg_count.is_power_of_two());
    extent_hash(lineage, extent) & (pg_count - 1)
}

/// 32-bit hash of (lineage, extent): MurmurHash3's body over the four 32-bit words, low word
/// first, and its finalizer. Public-domain algorithm by Austin Appleby.
pub fn extent_hash(lineage: LineageId, extent: u64) -> u32 {
    let words = [lineage.0 as u32, (lineage.0 >> 32) as u32, extent as u32, (extent >> 32) as u32];
    let mut hash = 0u32;
    for word in words {
        let mixed = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        hash = (hash ^ mixed).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    finalize(hash ^ 16)
}

fn finalize(mut hash: u32) -> u32 {
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_splits_each_pg_in_two() {
        for extent in 0..1000 {
            let coarse = pg_index(LineageId(7), extent, 64);
            assert_eq!(pg_index(LineageId(7), extent, 128) % 64, coarse);
        }
    }

    #[test]
    fn extents_spread_evenly() {
        let mut count = [0u32; 64];
        for extent in 0..64_000 {
            count[pg_index(LineageId(3), extent, 64) as usize] += 1;
        }
        assert!(count.iter().all(|c| (800..1200).contains(c)), "{count:?}");
    }
}
