// The edge of the reconciler: reads, asks `decide`, proposes. Runs on a change and, while this peer
// leads and somebody is away or held back, at an interval, because time passing is no event.
import { holds } from '../../cluster/flapping.ts'
import { byTopology, Planner } from '../../cluster/planner.ts'
import { disksWithoutRoom } from '../../cluster/without-room.ts'
import type { Clock } from '../../common/clock.ts'
import { ShoalError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import type { ClusterPort } from '../../data/cluster-port.ts'
import type { Command } from '../../data/command.ts'
import type { DataStatus } from '../../data/protocol.ts'
import type { ClusterState } from '../../data/state.ts'
import type { Batch } from '../../placement/index.ts'
import { AbsenceWatch } from './absence-watch.ts'
import { lateAbsences } from './absences.ts'
import { decide, type Limits } from './decide.ts'
import { fillIntervalMs } from './fills.ts'
import { Sessions } from './sessions.ts'
import { batchOf } from './tables.ts'

/** While nothing is owed but to those who tell: a peer that does not lead, and a leader who misses nobody. */
const restFactor = 10
/** While one step leads to the next, looks follow each other this much faster ... */
const busyFactor = 10
/** ... yet take no more than this share of one core. */
const busyShare = 1 / 5
/** Changes are told; without one, what is this old will do. */
const stateAgeMsMax = 10_000

export interface ReconcileInit {
  clock: Clock
  log: Log
  limits: Limits
  intervalMs: number
  /** By disk, as far as the peers told. */
  usedBytes: () => Promise<ReadonlyMap<number, number>>
  /** What this peer puts right about itself after a change: links, disks that were removed. */
  local: () => Promise<void>
}

export class ReconcileLoop {
  readonly #cluster: ClusterPort
  readonly #init: ReconcileInit
  readonly #sessions = new Sessions()
  readonly #absences = new AbsenceWatch()
  readonly #planner = new Planner(byTopology)
  #isRunning = false
  #isStopped = false
  #lastMs = Number.NEGATIVE_INFINITY
  /** The shortest time to the next look. */
  #pauseMs: number
  #cancel: () => void = () => undefined
  /** What was looked at last, when nothing followed from it: the same again is not planned anew. */
  #settled = ''
  #isChanged = true
  /** When it was looked last at how full the disks are; not before this peer leads. */
  #fillsMs: number | undefined

  constructor(cluster: ClusterPort, init: ReconcileInit) {
    this.#cluster = cluster
    this.#init = init
    this.#pauseMs = init.intervalMs
  }

  /** Something changed: look as soon as the interval allows. */
  wake(): void {
    this.#isChanged = true
    const sinceMs = this.#init.clock.monotonicMs() - this.#lastMs
    this.#schedule(Math.max(0, this.#pauseMs - sinceMs))
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #schedule(ms: number): void {
    this.#cancel()
    if (this.#isStopped) return
    this.#cancel = this.#init.clock.after(ms, () => void this.#look())
  }

  async #look(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#lastMs = this.#init.clock.monotonicMs()
    this.#pauseMs = this.#init.intervalMs
    let isAtRest = true
    try {
      const isChanged = this.#isChanged
      this.#isChanged = false
      isAtRest = await this.#reconcile()
      if (isChanged) await this.#init.local()
    } catch (thrown) {
      // Expected while there is no leader or no data process; the next look tries again.
      this.#isChanged = true
      this.#init.log.debug({ err: thrown }, 'could not reconcile')
    } finally {
      this.#isRunning = false
      this.#schedule(this.#pauseMs * (isAtRest && !this.#isChanged ? restFactor : 1))
    }
  }

  /** Whether nothing follows from the passing of time alone. */
  async #reconcile(): Promise<boolean> {
    const state = await this.#cluster.state(stateAgeMsMax)
    if (!state.is_leader) {
      this.#planner.forget()
      this.#absences.forget()
      this.#fillsMs = undefined
      return true
    }
    const status = await this.#cluster.data.request('status.get', {})
    const sessions = this.#sessions.look(status.sessions)
    const nowMs = this.#init.clock.nowMs()
    const absences = this.#absences.look(state, this.#init.clock.monotonicMs(), nowMs)
    const live = sessions.map(one => `${one.peer}:${one.isLive}`)
    const { holdBackMsMax } = this.#init.limits
    const held =
      holds(state, nowMs, holdBackMsMax).length + disksWithoutRoom(state, nowMs, holdBackMsMax).size
    const seen = [state.index, ...live, lateAbsences(state, absences), held].join(' ')
    const isTimeForFills = this.#isTimeForFills()
    if (seen === this.#settled && !isTimeForFills)
      return held === 0 && isNobodyMissed(state, status)
    const batch = await this.#batch(state)
    const usedBytes = isTimeForFills ? await this.#init.usedBytes() : null
    const commands = decide(
      { state, sessions, batch, nowMs, absences, usedBytes },
      this.#init.limits,
    )
    this.#settled = commands.length === 0 ? seen : ''
    let isOnTheWay = false
    for (const command of commands) isOnTheWay = (await this.#propose(command)) || isOnTheWay
    if (isOnTheWay) this.#pauseMs = this.#busyPauseMs()
    return false
  }

  /** Whether it changed anything. */
  async #propose(command: Command): Promise<boolean> {
    try {
      const { results = [] } = await this.#cluster.propose(command)
      const refused = results.filter(one => one.result === 'refused').length
      this.#init.log.info({ command: command.type, groups: results.length, refused }, 'proposed')
      return refused === 0 || refused < results.length
    } catch (thrown) {
      if (!(thrown instanceof ShoalError)) throw thrown
      this.#init.log.info({ command: command.type, why: thrown.message }, 'was not accepted')
      return false
    }
  }

  #busyPauseMs(): number {
    const { clock, intervalMs } = this.#init
    const tookMs = clock.monotonicMs() - this.#lastMs
    return Math.min(intervalMs, Math.max(intervalMs / busyFactor, tookMs / busyShare))
  }

  #isTimeForFills(): boolean {
    const nowMs = this.#init.clock.monotonicMs()
    this.#fillsMs ??= nowMs
    if (nowMs - this.#fillsMs < fillIntervalMs) return false
    this.#fillsMs = nowMs
    return true
  }

  async #batch(state: ClusterState): Promise<Batch | null> {
    const planned = await this.#planner.plan(state)
    if ('plan' in planned) return batchOf(state, planned.plan)
    // `shoal status` shows it to people, with what to do.
    this.#init.log.warn({ why: planned.fault.message }, 'nothing can be placed')
    return null
  }
}

function isNobodyMissed(state: ClusterState, { sessions }: DataStatus): boolean {
  const out = new Set(state.peers.filter(peer => peer.state === 'out').map(peer => peer.id))
  const isUp = state.peers_down.length === 0 && state.disks_down.length === 0
  return isUp && (sessions ?? []).every(one => one.state === 'live' || out.has(one.peer))
}
