// Long work in parts, so that the event loop turns in between. A thread would have to be handed
// copies of what is looked at, which takes longer than the look.

/** Runs to the end at once. */
export function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
  }
}

/** Others have a turn at every `yield`. What the work looks at must not change meanwhile. */
export async function inTurns<T>(work: Generator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
    await new Promise(resolve => {
      setImmediate(resolve)
    })
  }
}
