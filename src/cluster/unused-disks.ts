// Disks that are out and that no placement group names any more.
import type { ClusterState, DiskRecord } from '../data/state.ts'

export function unusedDisks(state: ClusterState): DiskRecord[] {
  const used = new Set(state.policies.flatMap(policy => policy.pgs.flatMap(pg => pg.members)))
  return state.disks.filter(disk => disk.state === 'out' && !used.has(disk.id))
}
