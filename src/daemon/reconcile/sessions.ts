// Who is there, from one look to the next. A peer that just joined, or a leader that just started, has
// no session for a moment: only one that stays without is away.
import type { DataStatus } from '../../data/protocol.ts'
import type { SessionView } from './standing.ts'

/** Looks in a row without a session after which a peer counts as away. */
export const lapsedLooksMin = 2

export class Sessions {
  readonly #lapsedLooks = new Map<number, number>()

  look(sessions: DataStatus['sessions']): SessionView[] {
    return (sessions ?? []).map(({ peer, state }) => {
      const looks = state === 'live' ? 0 : (this.#lapsedLooks.get(peer) ?? 0) + 1
      this.#lapsedLooks.set(peer, looks)
      // Who was found gone is away at once: whatever counted on it would wait until its lease is over.
      return { peer, isLive: state !== 'gone' && looks < lapsedLooksMin }
    })
  }
}
