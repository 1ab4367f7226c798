// Disks on which copies that were brought up to date found no room. What gives them room (files that are
// deleted, a disk that is added) takes its time: each try that fails is followed by a longer wait, for a
// join that is begun and given up is work for every voter, and for the heads of its group.
import type { ClusterState, EventRecord } from '../data/state.ts'
import { countTimes } from './flapping.ts'

/** The first wait; twice as long each time. */
const firstWaitMs = 5_000

/** `mostMs`: longest wait, if that is longer than the first one. */
export function disksWithoutRoom(
  state: ClusterState,
  nowMs: number,
  mostMs: number,
): ReadonlySet<number> {
  const longestMs = Math.max(mostMs, firstWaitMs)
  const times = countTimes(state, nowMs, isWithoutRoom)
  const waits = state.disks.filter(disk => {
    const found = times.get(`disk:${disk.id}`)
    if (found === undefined) return false
    return nowMs < found.lastMs + Math.min(firstWaitMs * 2 ** (found.count - 1), longestMs)
  })
  return new Set(waits.map(disk => disk.id))
}

function isWithoutRoom({ code }: EventRecord): boolean {
  return code === 'join_without_room'
}
