// The only place that reads the time or sets a timer. Everything else takes a Clock, so that tests
// decide what time it is.

export interface Clock {
  /** Wall time, for people and expiry dates. */
  nowMs(): number
  /** Never goes back; for intervals. */
  monotonicMs(): number
  /** Calls once; the returned function cancels. A pending timer does not keep the process alive. */
  after(ms: number, call: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Waits; unlike a timer of the clock it keeps the process alive. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}

/** Asks until the answer is not undefined; undefined when the time is over. */
export async function poll<T>(
  limitMs: number,
  everyMs: number,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T | undefined> {
  const end = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() >= end) return undefined
    await sleep(everyMs)
  }
}
