// How long peers and disks have been away. Wall clocks jump, and the cluster's own time is at least as
// late as the fastest clock that ever led; so that IT IS COUNTED HERE, on a clock that never jumps, from
// when this process first saw the absence. What the state says of its beginning tells one absence from the
// next, and nothing else. A new leader, or a leader's new process, counts from nothing: it gives a disk up
// later than another might have, and never too early.
import type { ClusterState } from '../../data/state.ts'
import type { AbsenceTimes } from './absences.ts'

interface Seen {
  /** As the state tells it: another number is another absence. */
  sinceMs: number
  /** On the monotonic clock. */
  firstMs: number
}

export class AbsenceWatch {
  #peers: ReadonlyMap<number, Seen> = new Map()
  #disks: ReadonlyMap<number, Seen> = new Map()

  /** Call with every state while leading. `nowMs`: wall clock. */
  look(state: ClusterState, monotonicMs: number, nowMs: number): AbsenceTimes {
    const peers = state.peers_down.map(({ peer, since_ms }): [number, number] => [peer, since_ms])
    const disks = state.disks_down.map(({ disk, since_ms }): [number, number] => [disk, since_ms])
    this.#peers = seenAgain(this.#peers, peers, monotonicMs)
    this.#disks = seenAgain(this.#disks, disks, monotonicMs)
    return {
      ofPeer: peer => awayMs(this.#peers.get(peer), monotonicMs),
      ofDisk: disk => awayMs(this.#disks.get(disk), monotonicMs),
      nowMs,
    }
  }

  /** This peer does not lead: what happens meanwhile is not seen. */
  forget(): void {
    this.#peers = new Map()
    this.#disks = new Map()
  }
}

function seenAgain(
  before: ReadonlyMap<number, Seen>,
  away: readonly [number, number][],
  monotonicMs: number,
): ReadonlyMap<number, Seen> {
  return new Map(
    away.map(([id, sinceMs]) => {
      const known = before.get(id)
      return [id, known?.sinceMs === sinceMs ? known : { sinceMs, firstMs: monotonicMs }]
    }),
  )
}

function awayMs(seen: Seen | undefined, monotonicMs: number): number {
  return seen === undefined ? 0 : monotonicMs - seen.firstMs
}
