// Disks that the cluster counts on while their stores do not serve yet, or not any more.
import { type ClusterState, type DiskRecord, peerName } from '../data/state.ts'
import type { Finding } from './status.ts'

/** These serve; one that is unfit is being filled, and its groups are shown as degraded. */
const serving: ReadonlySet<string> = new Set(['open', 'unfit'])

/** `storeStates`: by disk, as far as the peers told; `self` knows all of its own. */
export function closedStoreFindings(
  state: ClusterState,
  storeStates: ReadonlyMap<number, string>,
  self: number | null,
): Finding[] {
  return state.disks.flatMap(disk => {
    const isCounted = disk.state === 'in' || disk.state === 'draining'
    const told = storeStates.get(disk.id) ?? (disk.peer === self ? 'missing' : 'open')
    if (!isCounted || serving.has(told)) return []
    return [{ health: 'warn' as const, code: 'disk_not_open', ...sentences(state, disk, told) }]
  })
}

function sentences(state: ClusterState, disk: DiskRecord, told: string) {
  const name = `disk ${disk.id} (${disk.path}) of ${peerName(state, disk.peer)}`
  if (told === 'opening') {
    return {
      message: `${name} is being opened: its copies are not served yet`,
      next: `wait: the store reads its log; shoal disk show ${disk.id} says how it is`,
    }
  }
  return {
    message: `${name} is not served: its store is ${told}`,
    next: `on ${peerName(state, disk.peer)}: shoal disk show ${disk.id}, and its log`,
  }
}
