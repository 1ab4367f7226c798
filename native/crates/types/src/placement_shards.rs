//! Under erasure coding the shards of a stripe rotate over the members of its PG, so that parity,
//! which is written with every change and read only when something is missing, weighs on all of them
//! alike. The same as `src/placement/shards.ts`; `test/golden/placement-shards.json` holds both to
//! one table.

/// Which shard of the stripe the member at `position` holds. `stripe`: its index in the lineage.
pub fn shard_at(position: u8, stripe: u64, width: u8) -> u8 {
    debug_assert!(position < width);
    ((u64::from(position) + stripe % u64::from(width)) % u64::from(width)) as u8
}

/// Position of the member that holds `shard` of the stripe.
pub fn position_of(shard: u8, stripe: u64, width: u8) -> u8 {
    debug_assert!(shard < width);
    let width = u64::from(width);
    ((u64::from(shard) + width - stripe % width) % width) as u8
}
