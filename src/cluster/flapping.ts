// Peers and disks that are lost again and again. Each loss makes clients wait, so that one is given
// ever more time before its copies are brought up to date anew. It is a pure function of the events.
import type { ClusterState, EventRecord } from '../data/state.ts'

export interface Hold {
  /** `peer 3`, `disk 4`: the subject of the events. */
  subject: string
  losses: number
  /** Wall clock. */
  untilMs: number
}

const windowMs = 600_000
/** Events closer together tell of one loss: of several disks, or groups in turn. */
const oneLossMs = 5_000
/** The first losses may be anything; from the next on it waits so long, twice as long each time. */
const freeLosses = 2
const firstHoldMs = 5_000

/** `mostMs`: longest wait. */
export function holds(state: ClusterState, nowMs: number, mostMs: number): Hold[] {
  return [...countTimes(state, nowMs, isLoss)].flatMap(([subject, { count, lastMs }]) => {
    if (count <= freeLosses) return []
    const holdMs = Math.min(firstHoldMs * 2 ** (count - freeLosses - 1), mostMs)
    return nowMs < lastMs + holdMs ? [{ subject, losses: count, untilMs: lastMs + holdMs }] : []
  })
}

/**
 * By subject: how many times it happened lately, and when last. Nothing counts that lies in the future:
 * clocks are set back, too.
 */
export function countTimes(
  state: ClusterState,
  nowMs: number,
  counts: (event: EventRecord) => boolean,
): ReadonlyMap<string, { count: number; lastMs: number }> {
  const times = new Map<string, { count: number; lastMs: number }>()
  for (const event of state.events) {
    if (!counts(event) || event.time_ms > nowMs || nowMs - event.time_ms > windowMs) continue
    const before = times.get(event.subject)
    const isSame = before !== undefined && event.time_ms - before.lastMs < oneLossMs
    const count = (before?.count ?? 0) + (isSame ? 0 : 1)
    times.set(event.subject, { count, lastMs: event.time_ms })
  }
  return times
}

export function heldDisks(state: ClusterState, held: readonly Hold[]): ReadonlySet<number> {
  const subjects = new Set(held.map(hold => hold.subject))
  const isHeld = (id: number, peer: number) =>
    subjects.has(`disk ${id}`) || subjects.has(`peer ${peer}`)
  return new Set(state.disks.filter(({ id, peer }) => isHeld(id, peer)).map(disk => disk.id))
}

/** Whoever was told to go does not come back. */
function isLoss({ code, message }: EventRecord): boolean {
  return code === 'member_removed' && !message.endsWith('as ordered')
}
