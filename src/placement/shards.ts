// Under erasure coding the shards of a stripe rotate over the members of its PG, so that parity, which
// is written with every change and read only when something is missing, weighs on all of them alike.
// The same as native/crates/types/src/placement_shards.rs; test/golden/placement-shards.json holds
// both to one table.

/** Which shard of the stripe the member at `position` holds. `stripe`: its index in the lineage. */
export function shardAt(position: number, stripe: bigint, width: number): number {
  return (position + turn(stripe, width)) % width
}

/** Position of the member that holds `shard` of the stripe. */
export function positionOf(shard: number, stripe: bigint, width: number): number {
  return (shard + width - turn(stripe, width)) % width
}

function turn(stripe: bigint, width: number): number {
  return Number(stripe % BigInt(width))
}
