// Whom to dial now: everyone who is not connected, in a small cluster; so many that the mesh holds,
// in a large one. Decided here, done elsewhere.
import type { Random } from '../common/random.ts'
import { dialsAtOnceMax, fullMeshMax, sparseConnections } from './limits.ts'

export const firstRetryMs = 500
export const retryMsMax = 15_000
/** The peer of the greater id waits so long for the other one to dial. */
export const politenessMs = 1_500

/** A connection that ends sooner is not made again at once. */
export const healthyMs = 5_000

interface Attempt {
  failures: number
  nextMs: number
  isDialling: boolean
  connectedMs: number
}

export class DialPlan {
  readonly #self: number
  readonly #random: Random
  readonly #attempts = new Map<number, Attempt>()

  constructor(self: number, random: Random) {
    this.#self = self
    this.#random = random
  }

  /** Those to dial now; each is reported by `dialled` afterwards. */
  due(members: readonly number[], isConnected: (peer: number) => boolean, nowMs: number): number[] {
    const others = members.filter(peer => peer !== this.#self)
    const open = others.filter(isConnected).length
    const wanted = others.length <= fullMeshMax ? others.length : sparseConnections
    const dialling = [...this.#attempts.values()].filter(one => one.isDialling).length
    const room = Math.min(wanted - open - dialling, dialsAtOnceMax - dialling)
    if (room <= 0) return []
    const ready = others.filter(peer => !isConnected(peer) && this.#isReady(peer, nowMs))
    const chosen = others.length <= fullMeshMax ? ready : this.#shuffled(ready)
    const found = chosen.slice(0, room)
    for (const peer of found) this.#of(peer, nowMs).isDialling = true
    return found
  }

  /**
   * The dial came to an end. Even one that went well may be refused a moment later: until the other
   * side has shown itself, the next one has to wait.
   */
  dialled(peer: number, nowMs: number): void {
    const attempt = this.#of(peer, nowMs)
    attempt.isDialling = false
    this.#postpone(attempt, nowMs)
  }

  connected(peer: number, nowMs: number): void {
    Object.assign(this.#of(peer, nowMs), { isDialling: false, connectedMs: nowMs })
  }

  disconnected(peer: number, nowMs: number): void {
    const attempt = this.#of(peer, nowMs)
    if (nowMs - attempt.connectedMs < healthyMs) this.#postpone(attempt, nowMs)
    else this.#attempts.delete(peer)
  }

  /** A member that is new, moved or was heard of by others: worth a try at once. */
  encourage(peer: number, nowMs: number): void {
    const attempt = this.#attempts.get(peer)
    if (attempt && !attempt.isDialling) Object.assign(attempt, { failures: 0, nextMs: nowMs })
  }

  keepOnly(isMember: (peer: number) => boolean): void {
    for (const peer of this.#attempts.keys()) if (!isMember(peer)) this.#attempts.delete(peer)
  }

  #postpone(attempt: Attempt, nowMs: number): void {
    const waitMs = Math.min(firstRetryMs * 2 ** attempt.failures, retryMsMax)
    attempt.failures++
    // Spread, so that a cluster that starts at once does not dial in step.
    attempt.nextMs = nowMs + waitMs * (0.75 + this.#random.fraction() / 2)
  }

  #isReady(peer: number, nowMs: number): boolean {
    const attempt = this.#of(peer, nowMs)
    return !attempt.isDialling && nowMs >= attempt.nextMs
  }

  #of(peer: number, nowMs: number): Attempt {
    let attempt = this.#attempts.get(peer)
    if (!attempt) {
      const waitMs = peer < this.#self ? politenessMs : 0
      attempt = { failures: 0, nextMs: nowMs + waitMs, isDialling: false, connectedMs: nowMs }
      this.#attempts.set(peer, attempt)
    }
    return attempt
  }

  #shuffled(peers: number[]): number[] {
    const keyed = peers.map(peer => ({ peer, at: this.#random.fraction() }))
    return keyed.sort((a, b) => a.at - b.at || a.peer - b.peer).map(one => one.peer)
  }
}
