// When to start something again that ended: at once the first time, then ever later, and at once
// again after it has run for a while.

export interface BackoffLimits {
  firstMs: number
  maxMs: number
  /** Having run this long, it counts as healthy. */
  healthyMs: number
}

export const dataBackoff: BackoffLimits = { firstMs: 100, maxMs: 10_000, healthyMs: 10_000 }

export class Backoff {
  readonly #limits: BackoffLimits
  #failures = 0

  constructor(limits: BackoffLimits) {
    this.#limits = limits
  }

  /** It ended after `ranMs`: how long to wait before the next start. */
  ended(ranMs: number): number {
    if (ranMs >= this.#limits.healthyMs) this.#failures = 0
    const failures = this.#failures++
    if (failures === 0) return 0
    return Math.min(this.#limits.firstMs * 2 ** (failures - 1), this.#limits.maxMs)
  }
}
