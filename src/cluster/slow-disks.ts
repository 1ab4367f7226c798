// Disks that take much longer for a write than others of their class do.
import type { ClusterState } from '../data/state.ts'
import { slowDisks } from '../placement/index.ts'
import type { Finding } from './status.ts'

/** `writeUs`: by disk, as far as the peers told. */
export function slowFindings(state: ClusterState, writeUs: ReadonlyMap<number, number>): Finding[] {
  const known = new Map(state.disks.map(disk => [disk.id, disk]))
  const timed = state.disks.map(({ id, class: of }) => ({
    ...{ id, class: of },
    latencyUs: writeUs.get(id) ?? null,
  }))
  return slowDisks(timed).map(({ subject, message }) => {
    const disk = known.get(Number(subject))!
    const half = Math.floor(disk.weight / 2)
    const less = half > 0 ? `give it less: shoal disk set ${disk.id} --weight ${half}; or ` : ''
    return {
      health: 'warn' as const,
      code: 'disk_slower_than_class',
      message: `disk ${disk.id} (${disk.path}) is slow: ${message}`,
      next: `${less}let it be left: shoal disk drain ${disk.id}`,
    }
  })
}
