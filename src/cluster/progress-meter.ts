// How far and how fast something goes of which only the rest is known.

const windowMs = 60_000
const samplesMax = 64

interface Sample {
  atMs: number
  left: number
}

export interface Progress {
  done: number
  total: number
  /** Null before there was any progress to measure. */
  perSecond: number | null
}

export class ProgressMeter {
  #samples: Sample[] = []
  #done = 0
  #lastLeft = 0

  /** `left` may grow: then there is more to do than was known. */
  look(nowMs: number, left: number): Progress {
    if (left === 0) return this.#rest()
    if (left < this.#lastLeft) this.#done += this.#lastLeft - left
    // More to do than before: what was measured until now says nothing of it.
    else if (left > this.#lastLeft) this.#samples = []
    this.#lastLeft = left
    this.#samples = this.#samples.filter(one => nowMs - one.atMs <= windowMs).slice(-samplesMax)
    const perSecond = this.#rate(nowMs, left)
    this.#samples.push({ atMs: nowMs, left })
    return { done: this.#done, total: this.#done + left, perSecond }
  }

  #rest(): Progress {
    this.#samples = []
    this.#done = 0
    this.#lastLeft = 0
    return { done: 0, total: 0, perSecond: null }
  }

  #rate(nowMs: number, left: number): number | null {
    const first = this.#samples[0]
    if (!first || nowMs <= first.atMs || left >= first.left) return null
    return ((first.left - left) * 1000) / (nowMs - first.atMs)
  }
}
