import type { Clock } from '../../src/common/clock.ts'

/** Time goes on when a test says so. */
export class SteppedClock implements Clock {
  readonly #stepMs: number
  #now = 1_000
  #timers: { at: number; call: () => void }[] = []
  nowMs = () => this.#now
  monotonicMs = () => this.#now
  after = (ms: number, call: () => void) => {
    const timer = { at: this.#now + ms, call }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(one => one !== timer)
    }
  }

  constructor(stepMs = 100) {
    this.#stepMs = stepMs
  }

  /** In steps small enough that what one timer starts is over before the next. */
  async pass(ms: number): Promise<void> {
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now += this.#stepMs
      const due = this.#timers.filter(timer => timer.at <= this.#now)
      this.#timers = this.#timers.filter(timer => timer.at > this.#now)
      for (const timer of due) timer.call()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}
