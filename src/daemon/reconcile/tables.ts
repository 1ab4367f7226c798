// Tables of placement groups follow the topology in small steps: who has no place gets one, who is
// to leave does so once its successor is in sync.
import { algorithmVersion, policiesNow, topologyOf } from '../../cluster/table-plan.ts'
import type { Command, PgMembers } from '../../data/command.ts'
import type { ClusterState, PgRecord, PolicyRecord } from '../../data/state.ts'
import {
  type Batch,
  nextBatchInTurns,
  type Plan,
  type RowChange,
  type StepLimits,
} from '../../placement/index.ts'

export interface TableLimits {
  /** Rows that one command changes. */
  rowsMax: number
}

export const tableLimits: TableLimits = { rowsMax: 4096 }

type SetPgTable = Extract<Command, { type: 'set_pg_table' }>

/** The next steps on the way to a plan, as many at once as people allow. */
export function batchOf(state: ClusterState, plan: Plan): Promise<Batch> {
  return nextBatchInTurns(policiesNow(state, plan), topologyOf(state), stepsOf(state))
}

export function stepsOf({ movement }: ClusterState): StepLimits {
  const { paused, per_disk, per_peer, total } = movement
  return { perDisk: per_disk, perPeer: per_peer, total, isPaused: paused }
}

/** One command per policy; they do not disturb one another. */
export function planTableChanges(
  state: ClusterState,
  { changes }: Batch,
  limits: TableLimits,
): SetPgTable[] {
  return state.policies.flatMap(policy => {
    const rows = rowsOf(policy, changes, limits.rowsMax)
    if (rows.length === 0) return []
    return [
      {
        type: 'set_pg_table',
        policy: policy.id,
        expected_map_epoch: state.map_epoch,
        algorithm_version: algorithmVersion,
        changes: rows,
      },
    ]
  })
}

/** In order of index, as the cluster state takes them; what is too much comes with the next look. */
export function rowsOf(
  policy: PolicyRecord,
  changes: readonly RowChange[],
  rowsMax: number,
): PgMembers[] {
  return changes
    .filter(change => change.policy === policy.id)
    .slice(0, rowsMax)
    .map(({ index, members, leaving }) => ({
      index,
      members: members.map(Number),
      leaving: leaving.map(Number),
    }))
    .sort((a, b) => a.index - b.index)
}

/**
 * The state as it will be when these are committed, so that joins need not wait for the next look.
 * A guess: what else happens meanwhile makes the joins stale, and they are planned anew.
 */
export function afterTables(state: ClusterState, commands: readonly SetPgTable[]): ClusterState {
  if (commands.length === 0) return state
  const policies = state.policies.map(policy => {
    const command = commands.find(one => one.policy === policy.id)
    if (!command) return policy
    const rows = new Map(command.changes.map(row => [row.index, row]))
    return { ...policy, pgs: policy.pgs.map(pg => afterRow(pg, rows.get(pg.index))) }
  })
  return { ...state, policies }
}

function afterRow(pg: PgRecord, row: PgMembers | undefined): PgRecord {
  if (!row) return pg
  const members = [...row.members, ...row.leaving]
  const { joining } = pg
  return {
    ...pg,
    epoch: pg.epoch + 1,
    members,
    in_sync: members.filter(disk => pg.in_sync.includes(disk)),
    joining: joining && members.includes(joining.disk) ? joining : null,
  }
}
