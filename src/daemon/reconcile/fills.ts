// Disks that got fuller than others of their class get less of what comes, emptier ones more.
import { fillFactorOne, topologyOf } from '../../cluster/table-plan.ts'
import type { Command } from '../../data/command.ts'
import type { ClusterState } from '../../data/state.ts'
import { nextFillFactors } from '../../placement/index.ts'

/** Time between two corrections: what the last one moved has to be seen in the measurements first. */
export const fillIntervalMs = 600_000

/**
 * Unevenness harms nobody before a disk gets full, and with little data it says more about chance
 * than about the disk.
 */
export const fullFrom = 0.6

/** `usedBytes`: by disk, as far as the peers told. Asked only when nothing else is to be done. */
export function planFillFactors(
  state: ClusterState,
  usedBytes: ReadonlyMap<number, number>,
): Command[] {
  const topology = topologyOf(state, usedBytes)
  const isFull = topology.disks.some(disk => disk.state === 'in' && (disk.fill ?? 0) > fullFrom)
  if (!isFull || isMoving(state)) return []
  const known = new Map(state.disks.map(disk => [disk.id, disk.fill_factor]))
  const factors = nextFillFactors(topology)
    .map(({ id, factor }): [number, number] => [Number(id), Math.round(factor * fillFactorOne)])
    .filter(([disk, factor]) => known.get(disk) !== factor)
  return factors.length === 0 ? [] : [{ type: 'set_fill_factors', factors }]
}

function isMoving(state: ClusterState): boolean {
  return state.policies.some(policy => policy.pgs.some(pg => pg.in_sync.length < pg.members.length))
}
