// Whether a disk may be taken away for good: a plain function of the cluster state.
import type { ClusterState, DiskRecord } from '../data/state.ts'
import { whatRemovalLoses } from './removal.ts'

export interface RemoveCheck {
  safe: boolean
  /** What would be lost or missing, in sentences; empty when it is safe. */
  reasons: string[]
}

export function safeToRemove(state: ClusterState, disk: DiskRecord): RemoveCheck {
  const { lost, degraded, isStuck } = whatRemovalLoses(state, new Set([disk.id]))
  const reasons: string[] = []
  if (!state.reachable) reasons.push('no leader can be reached: what lies on it may have changed')
  if (lost > 0) reasons.push(`${lost} placement groups have no other copy that is in sync`)
  if (degraded > 0 && lost === 0)
    reasons.push(
      isStuck
        ? `${degraded} placement groups have a copy on it, and no other disk may take its place`
        : `${degraded} placement groups have a copy on it: shoal disk remove ${disk.id} moves them first`,
    )
  return { safe: reasons.length === 0, reasons }
}
