// Disks that are out for good and that no placement group names any more. One that was given up may
// come back.
import type { ClusterState, DiskRecord } from '../data/state.ts'

export function unusedDisks(state: ClusterState): DiskRecord[] {
  const used = new Set(state.policies.flatMap(policy => policy.pgs.flatMap(pg => pg.members)))
  return state.disks
    .filter(disk => disk.state === 'out' && !used.has(disk.id))
    .filter(disk => !state.given_up.includes(disk.id))
}
