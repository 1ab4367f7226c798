// A policy whose cluster has grown gets more placement groups, so that every disk goes on having about
// as many as it should. They are empty: nothing moves, and volumes that are there keep to theirs.
import { isPlacedWhole, suitedPgCount } from '../../cluster/suited-groups.ts'
import type { Command } from '../../data/command.ts'
import type { ClusterState, PolicyRecord } from '../../data/state.ts'

/** Groups of all policies together that a cluster may have, as the cluster state bounds them. */
export const groupsTotalMax = 2 ** 20

/**
 * One policy at a time, when all of it is in place and in sync. A COUNT NEVER SHRINKS, so that a disk that
 * comes and goes makes no more than one step.
 */
export function planGrowth(state: ClusterState): Command[] {
  const total = state.policies.reduce((sum, policy) => sum + policy.pg_count, 0)
  for (const policy of state.policies) {
    if (!policy.follows_disks || !isPlacedWhole(policy)) continue
    const wanted = suitedPgCount(state, policy)
    const isDue = wanted >= 2 * policy.pg_count
    if (isDue && total + wanted - policy.pg_count <= groupsTotalMax) return grow(policy, wanted)
  }
  return []
}

function grow({ id, name, pg_count }: PolicyRecord, wanted: number): Command[] {
  return [
    { type: 'grow_policy', policy: id, expected: pg_count, pg_count: wanted },
    {
      type: 'record_event',
      severity: 'info',
      code: 'groups_grown',
      message: `policy ${name} has ${wanted} placement groups instead of ${pg_count}: more disks`,
      subject: `policy ${name}`,
    },
  ]
}
