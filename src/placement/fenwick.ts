/** Prefix sums of small counts that change: draw an element by its count in O(log n). */
export class Fenwick {
  readonly #sums: Int32Array
  readonly #top: number

  constructor(counts: Int32Array) {
    const size = counts.length
    this.#sums = new Int32Array(size + 1)
    this.#sums.set(counts, 1)
    for (let i = 1; i <= size; i++) {
      const above = i + (i & -i)
      if (above <= size) this.#sums[above] += this.#sums[i]
    }
    this.#top = size === 0 ? 0 : 1 << (31 - Math.clz32(size))
  }

  add(index: number, delta: number): void {
    const sums = this.#sums
    for (let i = index + 1; i < sums.length; i += i & -i) sums[i] += delta
  }

  /** Sum of the counts before `end`. */
  before(end: number): number {
    let sum = 0
    for (let i = end; i > 0; i &= i - 1) sum += this.#sums[i]
    return sum
  }

  between(first: number, end: number): number {
    return this.before(end) - this.before(first)
  }

  /** The element that holds the unit number `rank` (from 0); `rank` is below the whole sum. */
  find(rank: number): number {
    let at = 0
    let left = rank
    for (let step = this.#top; step > 0; step >>>= 1) {
      const next = at + step
      if (next < this.#sums.length && this.#sums[next] <= left) {
        at = next
        left -= this.#sums[next]
      }
    }
    return at
  }
}
