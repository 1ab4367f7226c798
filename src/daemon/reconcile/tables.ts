// Tables of placement groups follow the topology: who has no place gets one, who is out loses it.
import { algorithmVersion, planTargets, tableChanges } from '../../cluster/table-plan.ts'
import type { Command } from '../../data/command.ts'
import type { ClusterState } from '../../data/state.ts'

export interface TableLimits {
  /** Rows that one command changes. */
  rowsMax: number
  /** Placement groups that wait for a new member to be in sync, in the whole cluster. */
  movesMax: number
}

export const tableLimits: TableLimits = { rowsMax: 4096, movesMax: 64 }

export function planTableChanges(state: ClusterState, limits: TableLimits): Command[] {
  if (state.policies.length === 0 || state.disks.length === 0) return []
  const targets = planTargets(state)
  for (const policy of state.policies) {
    const changes = tableChanges(policy, targets.get(policy.id) ?? [])
    const free = limits.movesMax - movesRunning(state)
    const present = new Set(policy.pgs.map(pg => pg.index))
    // New rows hold no data and cost nothing; the others move some.
    const fresh = changes.filter(change => !present.has(change.index))
    const moving = changes.filter(change => present.has(change.index))
    const chosen = [...fresh, ...moving.slice(0, Math.max(0, free))]
      .sort((a, b) => a.index - b.index)
      .slice(0, limits.rowsMax)
    if (chosen.length === 0) continue
    // ONE command per look: the next one must be planned from the map epoch that this one makes.
    return [
      {
        type: 'set_pg_table',
        policy: policy.id,
        expected_map_epoch: state.map_epoch,
        algorithm_version: algorithmVersion,
        changes: chosen,
      },
    ]
  }
  return []
}

function movesRunning(state: ClusterState): number {
  return state.policies.reduce(
    (sum, policy) => sum + policy.pgs.filter(pg => pg.in_sync.length < pg.members.length).length,
    0,
  )
}
