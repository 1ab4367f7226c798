// What a peer puts right about itself when the cluster state changed: links of devices, and disks that
// the cluster has forgotten.
import type { Log } from '../common/log.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import type { Devices } from '../ublk/devices.ts'
import type { PeerState } from './peer-state.ts'

export class LocalUpkeep {
  readonly #cluster: ClusterPort
  readonly #devices: Devices
  readonly #peer: PeerState
  readonly #log: Log

  constructor(cluster: ClusterPort, devices: Devices, peer: PeerState, log: Log) {
    this.#cluster = cluster
    this.#devices = devices
    this.#peer = peer
    this.#log = log
  }

  async run(): Promise<void> {
    if (this.#peer.peerId === null) return
    await this.#devices.syncLinks()
    await this.#closeForgottenDisks()
  }

  /** Only what a state that somebody vouches for does not name: an old one may not know a new disk. */
  async #closeForgottenDisks(): Promise<void> {
    // Listed BEFORE the state is read: a disk that is added meanwhile is in the newer of the two.
    const local = await this.#cluster.data.request('disk.list', {})
    const state = await this.#cluster.state()
    if (!state.reachable) return
    for (const disk of local) {
      if (state.disks.some(one => one.id === disk.disk_id)) continue
      await this.#cluster.data.request('disk.remove', { disk_id: disk.disk_id })
      this.#log.info({ disk: disk.disk_id, path: disk.path }, 'closed a disk that was removed')
    }
  }
}
