// Data on its way: how much is left, how fast it goes, and the hand on the tap.
import type { Clock } from '../common/clock.ts'
import { ShoalError } from '../common/errors.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import type { ClusterState, MovementRecord } from '../data/state.ts'
import { type Batch, nextBatchInTurns } from '../placement/index.ts'
import { drainTasks } from './drain-tasks.ts'
import type { UsedBytes } from './placement-service.ts'
import { byTables, Planner } from './planner.ts'
import { ProgressMeter } from './progress-meter.ts'
import { policiesNow, topologyOf } from './table-plan.ts'
import type { TaskView } from './task-view.ts'

export const rebalanceId = 'rebalance'

interface Counts {
  per_disk: number | null
  per_peer: number | null
  total: number | null
}

export interface Throttle extends Counts {
  /** Bytes per second; 0: no bound. */
  disk_rate?: number | null | undefined
  peer_rate?: number | null | undefined
}

export class Movement {
  readonly #cluster: ClusterPort
  readonly #usedBytes: UsedBytes
  readonly #clock: Clock
  readonly #planner = new Planner(byTables)
  readonly #meter = new ProgressMeter()

  constructor(cluster: ClusterPort, usedBytes: UsedBytes, clock: Clock) {
    this.#cluster = cluster
    this.#usedBytes = usedBytes
    this.#clock = clock
  }

  /** What moves in the whole cluster, and the drains it is done for; nothing when all is in place. */
  async tasks(): Promise<TaskView[]> {
    const state = await this.#cluster.state()
    const planned = await this.#planner.plan(state)
    if ('fault' in planned) return [blockedTask(planned.fault.message)]
    const now = policiesNow(state, planned.plan)
    const batch = await nextBatchInTurns(now, topologyOf(state), unbounded)
    const moving = this.#rebalance(state, batch, await this.#usedBytes())
    // Members that only have to be let go of are no movement, and nothing is at rest before.
    const isAtRest = moving.length === 0 && (batch.stuck > 0 || batch.changes.length === 0)
    return [...moving, ...drainTasks(state, isAtRest)]
  }

  /** The movement when there is none: whether it would begin. */
  async atRest(): Promise<TaskView> {
    const { movement } = await this.#cluster.state()
    const paused = 'nothing waits; paused: what comes waits for shoal task resume'
    return {
      ...restingTask(movement.paused ? paused : 'everything is in its place'),
      state: movement.paused ? 'paused' : 'done',
      members_left: 0,
    }
  }

  async pause(isPaused: boolean): Promise<void> {
    await this.#set({ per_disk: null, per_peer: null, total: null }, isPaused)
  }

  async throttle(wanted: Throttle): Promise<MovementRecord> {
    const { per_disk, per_peer, total, disk_rate = null, peer_rate = null } = wanted
    if (per_disk !== null || per_peer !== null || total !== null)
      await this.#set({ per_disk, per_peer, total }, null)
    if (disk_rate !== null || peer_rate !== null)
      await this.#cluster.propose({ type: 'set_move_rates', disk_rate, peer_rate })
    return (await this.#cluster.state()).movement
  }

  async limits(): Promise<MovementRecord> {
    return (await this.#cluster.state()).movement
  }

  async #set(wanted: Counts, paused: boolean | null): Promise<void> {
    await this.#cluster.propose({ type: 'set_movement', paused, ...wanted })
  }

  #rebalance(state: ClusterState, batch: Batch, used: ReadonlyMap<number, number>): TaskView[] {
    // With nothing admitted beyond what runs, all the rest is waiting.
    const members = batch.running + batch.waiting
    const nowMs = this.#clock.monotonicMs()
    const { done, total, perSecond } = this.#meter.look(nowMs, members)
    if (members === 0) return []
    const size = bytesPerMember(state, used)
    const rate = perSecond === null ? null : Math.round(perSecond * size)
    return [
      {
        id: rebalanceId,
        kind: 'rebalance',
        state: state.movement.paused ? 'paused' : 'running',
        done: Math.round(done * size),
        total: Math.round(total * size),
        unit: 'bytes',
        message: messageOf(state.movement, batch),
        rate,
        eta_seconds: perSecond ? Math.ceil(members / perSecond) : null,
        members_left: members,
      },
    ]
  }
}

/** Nothing is admitted: what is not begun is counted as waiting. */
const unbounded = { perDisk: 0, perPeer: 0, total: 0 }

/** Groups are equal in number; what lies in them is taken as equal too. */
export function bytesPerMember(state: ClusterState, used: ReadonlyMap<number, number>): number {
  let members = 0
  for (const { pgs } of state.policies) for (const pg of pgs) members += pg.in_sync.length
  const bytes = state.disks.reduce((sum, disk) => sum + (used.get(disk.id) ?? 0), 0)
  return members === 0 ? 0 : bytes / members
}

function messageOf(movement: MovementRecord, batch: Batch): string {
  const counts = `${batch.running} members fill up, ${batch.waiting} wait`
  if (movement.paused) return `${counts}; paused: only groups that lack copies are helped`
  return `${counts}; at most ${movement.per_disk} per disk, ${movement.per_peer} per peer`
}

function blockedTask(why: string): TaskView {
  return { ...restingTask(why), state: 'blocked' }
}

function restingTask(message: string): Omit<TaskView, 'state'> {
  return {
    id: rebalanceId,
    kind: 'rebalance',
    done: 0,
    total: 0,
    unit: 'bytes',
    message,
    rate: null,
    eta_seconds: null,
    members_left: null,
  }
}

export function refuseOther(id: string): void {
  if (id === rebalanceId) return
  throw new ShoalError('unsupported', `${id} cannot be paused or throttled by itself`, {
    why: 'all movement of healthy data is one task, and what lacks copies is never held back',
    next: `shoal task pause ${rebalanceId}`,
  })
}
