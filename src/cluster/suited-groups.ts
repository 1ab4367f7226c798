// How many placement groups suit the disks that a policy may use.
import { type ClusterState, type DiskRecord, type PolicyRecord, width } from '../data/state.ts'
import { choosePgCount } from '../placement/index.ts'

/** What says which disks a policy may use, and how many it needs at once. */
export type GroupRules = Pick<PolicyRecord, 'redundancy' | 'class' | 'labels'>

/**
 * As a new policy would have. Disks that are only away count: they come back, or are given up and
 * do not count any more.
 */
export function suitedPgCount(state: ClusterState, policy: GroupRules): number {
  const staying = new Set(state.peers.filter(({ state }) => isStaying(state)).map(({ id }) => id))
  const disks = state.disks.filter(disk => staying.has(disk.peer) && mayHold(disk, policy))
  return choosePgCount(Math.max(1, disks.length), width(policy))
}

/** Every group has all the members that it shall have, and they are in sync. */
export function isPlacedWhole({ pgs, pg_count }: PolicyRecord): boolean {
  return pgs.length === pg_count && pgs.every(pg => pg.in_sync.length === pg.members.length)
}

function mayHold(disk: DiskRecord, policy: GroupRules): boolean {
  if (!isStaying(disk.state) || disk.weight === 0) return false
  if (policy.class !== null && disk.class !== policy.class) return false
  return policy.labels.every(label => disk.labels.includes(label))
}

function isStaying(standing: string): boolean {
  return standing === 'in' || standing === 'down'
}
