// From an extent to its PG there is only arithmetic. The same bits as
// native/crates/types/src/placement_hash.rs; test/golden/placement-hash.json holds both to one
// table.

const LENGTH_BYTES = 16
const WORD = 4294967296

/** Index of the PG that holds `extent` of the lineage. `pgCount` is a power of two. */
export function pgOf(lineage: bigint, extent: bigint | number, pgCount: number): number {
  return pgOfExtent(lineageSeed(lineage), extent, pgCount)
}

/** The lineage's part of the hash, for those who look up many of its extents. */
export function lineageSeed(lineage: bigint): number {
  const low = Number(BigInt.asUintN(32, lineage))
  const high = Number(BigInt.asUintN(32, lineage >> 32n))
  return mixWord(mixWord(0, low), high)
}

export function pgOfExtent(seed: number, extent: bigint | number, pgCount: number): number {
  return extentHash(seed, extent) & (pgCount - 1)
}

/** 32-bit hash of (lineage, extent): MurmurHash3 (public domain) over four words, low first. */
export function extentHash(seed: number, extent: bigint | number): number {
  if (typeof extent === 'number') {
    // `| 0` takes the low 32 bits of any whole number, beyond 2^32 too.
    const high = extent < WORD ? 0 : Math.floor(extent / WORD)
    return finalize(mixWord(mixWord(seed, extent | 0), high) ^ LENGTH_BYTES)
  }
  const low = Number(BigInt.asUintN(32, extent))
  const high = Number(BigInt.asUintN(32, extent >> 32n))
  return finalize(mixWord(mixWord(seed, low), high) ^ LENGTH_BYTES)
}

function mixWord(hash: number, word: number): number {
  const scaled = Math.imul(word, 0xcc9e2d51)
  const mixed = hash ^ Math.imul((scaled << 15) | (scaled >>> 17), 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function finalize(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
