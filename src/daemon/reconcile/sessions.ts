// Who is there, from one look to the next. A peer that just joined, or a leader that just started, has
// no session for a moment: only one that stays without is away.
import type { SessionView } from './standing.ts'

/** Looks in a row without a session after which a peer counts as away. */
export const lapsedLooksMin = 2

export class Sessions {
  readonly #lapsedLooks = new Map<number, number>()

  look(seen: readonly SessionView[]): SessionView[] {
    return seen.map(({ peer, isLive }) => {
      const looks = isLive ? 0 : (this.#lapsedLooks.get(peer) ?? 0) + 1
      this.#lapsedLooks.set(peer, looks)
      return { peer, isLive: looks < lapsedLooksMin }
    })
  }
}
