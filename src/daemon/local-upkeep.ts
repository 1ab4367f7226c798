// What a peer puts right about itself when the cluster state changed: links of devices, and disks
// that were taken out.
import { unusedDisks } from '../cluster/unused-disks.ts'
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
    await this.#letGoOfDisks()
  }

  /** Own disks that were taken out and hold nothing any more: marked as free, and forgotten. */
  async #letGoOfDisks(): Promise<void> {
    const state = await this.#cluster.state()
    for (const disk of unusedDisks(state)) {
      if (disk.peer !== this.#peer.peerId) continue
      await this.#cluster.data.request('disk.remove', { disk_id: disk.id })
      this.#log.info({ disk: disk.id, path: disk.path }, 'let go of a disk that was removed')
    }
  }
}
