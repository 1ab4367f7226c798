// What the leader's control plane proposes next: a pure function of what it knows. It may be late
// or ask twice; every command is a compare-and-set, so that a wrong guess changes nothing.
import { heldDisks, holds } from '../../cluster/flapping.ts'
import { disksWithoutRoom } from '../../cluster/without-room.ts'
import type { Command } from '../../data/command.ts'
import type { ClusterState } from '../../data/state.ts'
import type { Batch } from '../../placement/index.ts'
import { type AbsenceTimes, planAbsences } from './absences.ts'
import { planFillFactors } from './fills.ts'
import { planGrowth } from './growth.ts'
import { type JoinLimits, planCancels, planJoins } from './joins.ts'
import { planEvictions, planRemovals } from './removals.ts'
import { planStanding, type SessionView } from './standing.ts'
import { afterTables, planTableChanges, type TableLimits } from './tables.ts'

export interface Knowledge {
  state: ClusterState
  sessions: readonly SessionView[]
  /** Null: nothing can be planned, which is no reason to leave the rest undone. */
  batch: Batch | null
  /** Wall clock of this peer. */
  nowMs: number
  absences: AbsenceTimes
  /** Used bytes by disk, when it is time to look at how full the disks are; null in between. */
  usedBytes: ReadonlyMap<number, number> | null
}

export type Limits = JoinLimits & TableLimits

export function decide(knowledge: Knowledge, limits: Limits): Command[] {
  const { state, sessions, batch, nowMs, usedBytes } = knowledge
  if (!state.is_leader) return []
  const present = presentDisks(state, sessions)
  const standing = planStanding(state, sessions)
  // A change of standing changes the topology: what follows from it is planned at the next look.
  if (standing.length > 0) return standing
  const absences = planAbsences(state, knowledge.absences)
  if (absences.length > 0) return absences
  const tables = batch === null ? [] : planTableChanges(state, batch, limits)
  const held = {
    withoutRoom: disksWithoutRoom(state, nowMs, limits.holdBackMsMax),
    flapping: heldDisks(state, holds(state, nowMs, limits.holdBackMsMax)),
  }
  const commands = [
    ...planEvictions(state, present),
    ...planCancels(state, present),
    ...tables,
    ...planJoins(afterTables(state, tables), present, held, limits),
    ...planRemovals(state, present),
  ]
  if (commands.length > 0) return commands
  const growth = planGrowth(state)
  if (growth.length > 0 || usedBytes === null) return growth
  return planFillFactors(state, usedBytes)
}

/** Disks of peers that are there, as far as the leader knows. */
export function presentDisks(
  state: ClusterState,
  sessions: readonly SessionView[],
): ReadonlySet<number> {
  const absent = new Set(sessions.filter(session => !session.isLive).map(session => session.peer))
  for (const peer of state.peers) if (peer.state === 'down') absent.add(peer.id)
  return new Set(
    state.disks
      .filter(disk => disk.state !== 'down' && !absent.has(disk.peer))
      .map(disk => disk.id),
  )
}
