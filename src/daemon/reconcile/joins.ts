// Which members to bring up to date next: out of sync, on a disk that is there, bounded in number.
import type { Command } from '../../data/command.ts'
import type { ClusterState, PgRecord } from '../../data/state.ts'

export interface JoinLimits {
  /** Placement groups that are joining at the same time, in the whole cluster. */
  joinsMax: number
}

interface Candidate {
  policy: number
  pg: PgRecord
  disk: number
  /** Fewer copies in sync come first. */
  inSync: number
}

export function planJoins(
  state: ClusterState,
  presentDisks: ReadonlySet<number>,
  limits: JoinLimits,
): Command[] {
  const running = state.policies.reduce(
    (sum, policy) => sum + policy.pgs.filter(pg => pg.joining !== null).length,
    0,
  )
  const free = limits.joinsMax - running
  if (free <= 0) return []
  const candidates = state.policies
    .flatMap(policy => policy.pgs.flatMap(pg => candidate(policy.id, pg, presentDisks)))
    .sort((a, b) => a.inSync - b.inSync || a.policy - b.policy || a.pg.index - b.pg.index)
    .slice(0, free)
  if (candidates.length === 0) return []
  const items = candidates.map(({ policy, pg, disk }) => ({
    pg: { policy, index: pg.index },
    disk,
    expected: pg.epoch,
  }))
  return [{ type: 'pg_join', items }]
}

/** One member joins at a time; whoever has an in-sync source to copy from. */
function candidate(policy: number, pg: PgRecord, presentDisks: ReadonlySet<number>): Candidate[] {
  if (pg.joining !== null || !pg.in_sync.some(disk => presentDisks.has(disk))) return []
  const disk = pg.members.find(one => !pg.in_sync.includes(one) && presentDisks.has(one))
  return disk === undefined ? [] : [{ policy, pg, disk, inSync: pg.in_sync.length }]
}
