// Exports: a volume shown to NBD clients on a unix socket of this peer.
import { ShoalError } from '../common/errors.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { type ClusterState, peerName, type VolumeRecord } from '../data/state.ts'
import { type ExportView, exportView } from './volume-view.ts'
import { findVolume } from './volumes.ts'

export interface ExportsInit {
  /** Where NBD clients connect. */
  socketPath: string
  /** This peer's id; null before it is a member. */
  selfId: () => number | null
}

export class Exports {
  readonly #cluster: ClusterPort
  readonly #init: ExportsInit

  constructor(cluster: ClusterPort, init: ExportsInit) {
    this.#cluster = cluster
    this.#init = init
  }

  async list(): Promise<ExportView[]> {
    const state = await this.#cluster.state()
    return state.exports.map(one => exportView(state, one))
  }

  /** The same again when this peer exports the volume already. */
  async create(volumeName: string): Promise<ExportView> {
    const state = await this.#cluster.state()
    const volume = findVolume(state, volumeName)
    const self = this.#init.selfId()
    const here = state.exports.find(one => one.volume === volume.id && one.peer === self)
    if (here) return exportView(state, here)
    refuseElsewhere(state, volume, self)
    const created = await this.#cluster.data.request('export.create', {
      volume: volumeName,
      kind: 'nbd',
      socket: this.#init.socketPath,
    })
    this.#cluster.invalidate()
    return {
      id: created.export_id,
      volume: volumeName,
      peer: peerName(state, self),
      kind: 'nbd',
      uri: `nbd+unix:///${volumeName}?socket=${created.socket}`,
    }
  }

  async delete(id: number, force: boolean): Promise<void> {
    const state = await this.#cluster.state()
    const found = state.exports.find(one => one.id === id)
    if (!found) {
      throw new ShoalError('not_found', `there is no export ${id}`, {
        next: 'shoal export list names them all',
      })
    }
    if (found.peer !== this.#init.selfId()) {
      const holder = peerName(state, found.peer)
      throw new ShoalError('conflict', `export ${id} is served by ${holder}`, {
        next: `on ${holder}: shoal export delete ${id}`,
        data: { holder },
      })
    }
    await this.#cluster.data.request('export.delete', { export_id: id, force })
    this.#cluster.invalidate()
  }
}

/** One peer at a time has a volume: names the one that has it, and what to run there. */
export function refuseElsewhere(
  state: ClusterState,
  volume: VolumeRecord,
  self: number | null,
): void {
  const { attachment } = volume
  if (!attachment || attachment.peer === self) return
  const holder = peerName(state, attachment.peer)
  const exported = state.exports.find(
    one => one.volume === volume.id && one.peer === attachment.peer,
  )
  const isExported = attachment.via === 'export' && exported !== undefined
  throw new ShoalError(
    'busy',
    `${volume.name} is ${isExported ? 'exported' : 'attached'} on ${holder}`,
    {
      why: 'one peer at a time has a volume',
      next: isExported
        ? `on ${holder}: shoal export delete ${exported.id}`
        : `on ${holder}: shoal detach ${volume.name}`,
      data: { holder, generation: attachment.generation },
    },
  )
}
