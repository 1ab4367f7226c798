// Numbers that look random and are the same everywhere: 32-bit multiply, xor and shift only.

/** Finalizer of MurmurHash3 (public domain): every bit of the input reaches every bit. */
export function mix32(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return mix32(hash)
}

/** Whole number in 0…count-1, from 32 random bits: the product stays below 2^53. */
export function below(hash: number, count: number): number {
  return Math.floor((hash * count) / 4294967296)
}

/**
 * All PGs in an order that has nothing to do with their numbers: odd multipliers and xor-shifts
 * are one-to-one on k bits, so no sort is needed.
 */
export function hashOrder(pgs: number, seed: number): Uint32Array {
  const bits = 31 - Math.clz32(pgs)
  const mask = pgs - 1
  const shift = (bits >>> 1) + 1
  const order = new Uint32Array(pgs)
  for (let i = 0; i < pgs; i++) {
    let at = (i ^ seed) & mask
    at = Math.imul(at, 0x9e3779b1) & mask
    at ^= at >>> shift
    at = Math.imul(at, 0x85ebca6b) & mask
    at ^= at >>> shift
    order[i] = at
  }
  return order
}
