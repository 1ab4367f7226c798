// What comes before the tests of a suite. uvu counts all of them as failed when it throws, and says not why.
import type { Test } from 'uvu'

export function before<T>(suite: Test<T>, prepare: (context: T) => Promise<unknown> | unknown) {
  suite.before(async context => {
    try {
      await prepare(context as T)
    } catch (thrown) {
      console.error(thrown)
      throw thrown
    }
  })
}
