// The only place that draws random numbers.
import { randomBytes } from 'node:crypto'

export interface Random {
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string
  /** A fraction in [0, 1). */
  fraction(): number
}

export const systemRandom: Random = {
  hex: bytes => randomBytes(bytes).toString('hex'),
  fraction: () => randomBytes(4).readUInt32LE() / 2 ** 32,
}

/** Equal seeds give equal numbers; for tests. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    // mulberry32: small, and good enough to shuffle test cases.
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    hex: bytes =>
      Array.from({ length: bytes }, () => (next() & 0xff).toString(16).padStart(2, '0')).join(''),
    fraction: () => next() / 2 ** 32,
  }
}
