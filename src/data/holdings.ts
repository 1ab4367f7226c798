// What lies on each disk, by the tables of placement groups.
import type { ClusterState } from './state.ts'

export interface Holding {
  /** Placement groups that name the disk. */
  groups: number
  /** Of these, the ones of which no other copy is in sync. */
  onlyCopies: number
}

export function holdings(state: ClusterState): (disk: number) => Holding {
  const held = new Map<number, Holding>()
  const of = (disk: number): Holding => {
    const known = held.get(disk) ?? { groups: 0, onlyCopies: 0 }
    held.set(disk, known)
    return known
  }
  for (const { pgs } of state.policies) {
    for (const { members, in_sync } of pgs) {
      for (const disk of members) of(disk).groups++
      if (in_sync.length === 1) of(in_sync[0]!).onlyCopies++
    }
  }
  return disk => held.get(disk) ?? { groups: 0, onlyCopies: 0 }
}
