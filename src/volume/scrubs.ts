// Scrubs of volumes and checks of disks: asked of the data process, read off the cluster's events.
import type { RunningScrub } from '../cluster/scrub-tasks.ts'
import { ShoalError } from '../common/errors.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { type ClusterState, type DiskRecord, peerName } from '../data/state.ts'
import {
  type DamageRange,
  damageOf,
  resultsOf,
  type ScrubResult,
  type ScrubView,
  scrubOf,
} from './scrub-view.ts'
import { findVolume } from './volumes.ts'

export interface CheckView {
  /** Number of the check; the newest scrub of any kind while one runs. */
  id: number | null
  running: {
    done: number
    total: number
    bad_blocks: number
    /** Seconds. */
    eta_s: number | null
  } | null
  result: ScrubResult | null
}

export class Scrubs {
  readonly #cluster: ClusterPort
  readonly #running: () => Promise<readonly RunningScrub[]>

  /** `running`: of the whole cluster, as far as the peers told. */
  constructor(cluster: ClusterPort, running: () => Promise<readonly RunningScrub[]>) {
    this.#cluster = cluster
    this.#running = running
  }

  async start(name: string): Promise<ScrubView> {
    const { scrub } = await this.#cluster.data.request('volume.scrub', { volume: name })
    this.#cluster.invalidate()
    const view = await this.show(name, scrub)
    if (view) return view
    throw new ShoalError('internal', `scrub ${scrub} of ${name} is not known`)
  }

  async show(name: string, id: number | null): Promise<ScrubView | null> {
    const [state, running] = await Promise.all([this.#cluster.state(), this.#running()])
    return scrubOf(state, findVolume(state, name), { id, running })
  }

  async damage(name: string): Promise<DamageRange[]> {
    const state = await this.#cluster.state()
    return damageOf(state, findVolume(state, name))
  }

  async checkDisk(disk: number): Promise<CheckView> {
    await this.#localDisk(disk)
    const { scrub } = await this.#cluster.data.request('disk.check', { disk_id: disk })
    return { id: scrub, running: null, result: null }
  }

  /** Of the check of this number; `null`: of whatever runs. */
  async checked(disk: number, id: number | null): Promise<CheckView> {
    const state = await this.#localDisk(disk)
    const local = await this.#cluster.data.request('disk.list', {})
    const running = local.find(one => one.disk_id === disk)?.scrub ?? null
    const result = id === null ? null : (resultsOf(state, id).get(disk) ?? null)
    if (!running) return { id, running: null, result }
    const { done, total, bad_blocks, eta_s } = running
    return { id: id ?? running.order, running: { done, total, bad_blocks, eta_s }, result }
  }

  /** A disk is read by the peer that holds it. */
  async #localDisk(id: number): Promise<ClusterState> {
    const [state, local] = await Promise.all([
      this.#cluster.state(),
      this.#cluster.data.request('disk.list', {}),
    ])
    const disk: DiskRecord | undefined = state.disks.find(one => one.id === id)
    if (!disk) {
      throw new ShoalError('not_found', `there is no disk ${id}`, {
        next: 'shoal disk list names them all',
      })
    }
    if (local.some(one => one.disk_id === id)) return state
    const holder = peerName(state, disk.peer)
    throw new ShoalError('refused', `disk ${id} is on ${holder}`, {
      next: `on ${holder}: shoal disk check ${id}`,
    })
  }
}
