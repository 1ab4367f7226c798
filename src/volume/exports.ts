// Exports: a volume shown to NBD clients on a unix socket of this peer.
import { ShoalError } from '../common/errors.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { heldElsewhere, isHeldElsewhere } from '../data/held-elsewhere.ts'
import { peerName } from '../data/state.ts'
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

  /**
   * The same again when this peer exports the volume already. One that another peer has is refused
   * while that peer's lease is good, unless its attachment is to be fenced.
   */
  async create(volumeName: string, takeover = false): Promise<ExportView> {
    const state = await this.#cluster.state()
    const volume = findVolume(state, volumeName)
    const self = this.#init.selfId()
    const here = state.exports.find(one => one.volume === volume.id && one.peer === self)
    if (here) return exportView(state, here)
    const created = await this.#request(volumeName, takeover)
    this.#cluster.invalidate()
    return {
      id: created.export_id,
      volume: volumeName,
      peer: peerName(state, self),
      kind: 'nbd',
      uri: `nbd+unix:///${volumeName}?socket=${created.socket}`,
    }
  }

  async #request(volume: string, takeover: boolean) {
    const socket = this.#init.socketPath
    try {
      const request = { volume, kind: 'nbd', socket, takeover } as const
      return await this.#cluster.data.request('export.create', request)
    } catch (thrown) {
      if (!isHeldElsewhere(thrown)) throw thrown
      this.#cluster.invalidate()
      const state = await this.#cluster.state()
      throw (
        heldElsewhere(state, findVolume(state, volume), `shoal export create ${volume}`) ?? thrown
      )
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
