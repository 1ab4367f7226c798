// Who seems to be there: a guess from what was heard, which decides nothing.

export type Presence = 'unknown' | 'up' | 'suspect' | 'down'

const digestsMissedMax = 2
/** A peer hears of every other one once in each interval: so it hears one digest a second at most. */
const msPerMember = 1_000

/** Digests go out on change, else this often: so the load of a peer does not grow with the cluster. */
export function digestIntervalMs(members: number, shortestMs: number): number {
  return Math.max(shortestMs, members * msPerMember)
}

/** Without a word for so long someone counts as down. */
export function silenceMsMax(members: number, downAfterMs: number, shortestMs: number): number {
  return Math.max(downAfterMs, digestsMissedMax * digestIntervalMs(members, shortestMs))
}

interface Heard {
  /** Undefined until it was heard of once. */
  lastMs: number | undefined
  isConnected: boolean
  isLeaving: boolean
}

export class PresenceBoard {
  readonly #startedMs: number
  readonly #heard = new Map<number, Heard>()

  constructor(nowMs: number) {
    this.#startedMs = nowMs
  }

  connected(peer: number, nowMs: number): void {
    Object.assign(this.#of(peer), { isConnected: true, lastMs: nowMs, isLeaving: false })
  }

  disconnected(peer: number, nowMs: number): void {
    const heard = this.#of(peer)
    if (heard.isConnected) Object.assign(heard, { isConnected: false, lastMs: nowMs })
  }

  /** A digest that was new, from whomever it came. */
  digested(peer: number, isLeaving: boolean, nowMs: number): void {
    Object.assign(this.#of(peer), { lastMs: nowMs, isLeaving })
  }

  keepOnly(isMember: (peer: number) => boolean): void {
    for (const peer of this.#heard.keys()) if (!isMember(peer)) this.#heard.delete(peer)
  }

  isConnected(peer: number): boolean {
    return this.#heard.get(peer)?.isConnected ?? false
  }

  /** `isNeighbour`: someone with whom a connection is wanted, so that its loss says something. */
  presence(peer: number, nowMs: number, silenceMs: number, isNeighbour: boolean): Presence {
    const heard = this.#heard.get(peer)
    // It may hang: a connection says nothing before it breaks.
    if (heard?.isConnected) return nowMs - heard.lastMs! < silenceMs ? 'up' : 'suspect'
    if (heard?.lastMs === undefined)
      return isNeighbour && nowMs - this.#startedMs >= silenceMs ? 'down' : 'unknown'
    // It said so itself: nobody has to wait.
    if (heard.isLeaving) return 'down'
    if (nowMs - heard.lastMs >= silenceMs) return 'down'
    return isNeighbour ? 'suspect' : 'up'
  }

  #of(peer: number): Heard {
    let heard = this.#heard.get(peer)
    if (!heard) {
      heard = { lastMs: undefined, isConnected: false, isLeaving: false }
      this.#heard.set(peer, heard)
    }
    return heard
  }
}
