// Feeds gossip: tells it who the members are, and the others how this peer is; on change, else every
// few seconds.
import { loadavg } from 'node:os'
import { runningScrubOf } from '../cluster/scrub-tasks.ts'
import { fullnessOf } from '../cluster/space.ts'
import type { Clock } from '../common/clock.ts'
import type { Log } from '../common/log.ts'
import { programVersion } from '../common/version.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import type { LocalDisk } from '../data/protocol.ts'
import type { ClusterState } from '../data/state.ts'
import { digestIntervalMs } from '../gossip/presence.ts'
import type { Digest, Gossip } from './gossip-port.ts'
import type { PeerState } from './peer-state.ts'

export interface GossipFeedInit {
  gossip: Gossip
  cluster: ClusterPort
  peer: PeerState
  clock: Clock
  log: Log
  digestMs: number
}

/** Between two looks, however much changes. */
const looksApartMs = 1_000
/** Changes of the cluster are told by events; without one, what is this old will do. */
const stateAgeMsMax = 10_000
/** A change of the used bytes by less than such a part of the disk is no news. */
const usedSteps = 100
/** Nor is a scrub that went on by less than such a part. */
const scrubSteps = 100

export class GossipFeed {
  readonly #init: GossipFeedInit
  #cancel: () => void = () => undefined
  #isRunning = false
  #isStopped = false
  #isWoken = false
  #lookedMs = Number.NEGATIVE_INFINITY
  #toldMs = Number.NEGATIVE_INFINITY
  #told = ''

  constructor(init: GossipFeedInit) {
    this.#init = init
  }

  /** Something changed. */
  wake(): void {
    this.#isWoken = true
    if (this.#isRunning) return
    const sinceMs = this.#init.clock.monotonicMs() - this.#lookedMs
    this.#schedule(Math.max(0, looksApartMs - sinceMs))
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
    this.#isRunning = true
    this.#isWoken = false
    this.#lookedMs = this.#init.clock.monotonicMs()
    let nextMs = this.#init.digestMs
    try {
      nextMs = await this.#feed()
    } catch (thrown) {
      // Expected while the data process is being started.
      this.#init.log.debug({ err: thrown }, 'gossip could not be fed')
    } finally {
      this.#isRunning = false
      this.#schedule(this.#isWoken ? looksApartMs : nextMs)
    }
  }

  /** When to look again, if nothing happens. */
  async #feed(): Promise<number> {
    const { gossip, cluster, peer, digestMs } = this.#init
    const self = peer.peerId
    if (self === null) {
      if (peer.isConnected) gossip.update(null)
      return digestMs
    }
    const state = await cluster.state(stateAgeMsMax)
    gossip.update(viewOf(state, self))
    const disks = await cluster.data.request('disk.list', {})
    const intervalMs = digestIntervalMs(state.peers.length, digestMs)
    this.#tell(this.#digestOf(state, disks), intervalMs)
    return intervalMs
  }

  #tell(digest: Digest, intervalMs: number): void {
    const nowMs = this.#init.clock.monotonicMs()
    const news = whatIsNews(digest)
    // A look may come a little early, and the interval is no deadline.
    if (news === this.#told && nowMs - this.#toldMs < intervalMs * 0.9) return
    this.#told = news
    this.#toldMs = nowMs
    this.#init.gossip.publishDigest(digest)
  }

  #digestOf(state: ClusterState, disks: readonly LocalDisk[]): Digest {
    const { clock, peer } = this.#init
    const sizes = new Map(state.disks.map(disk => [disk.id, disk.size_bytes]))
    return {
      kind: 'digest',
      state: 'up',
      sent_at_ms: clock.nowMs(),
      map_epoch: state.map_epoch,
      load_percent: Math.round(loadavg()[0]! * 100),
      control_version: programVersion(),
      data_version: peer.dataVersion ?? '',
      disks: disks.map(disk => ({
        id: disk.disk_id,
        size_bytes: sizes.get(disk.disk_id) ?? 0,
        used_bytes: disk.stats.used_bytes ?? 0,
        state: disk.state,
        write_us: Math.min(disk.stats.write_us ?? 0, 2 ** 32 - 1),
        full: fullnessOf(disk),
      })),
      scrubs: disks.flatMap(runningScrubOf),
    }
  }
}

export function viewOf(state: ClusterState, self: number) {
  const members = state.peers
    .filter(peer => peer.state !== 'out')
    .map(peer => ({
      peer: peer.id,
      publicKey: peer.public_key,
      addresses: peer.addresses.filter(one => one.role === 'gossip').map(one => one.address),
    }))
  const isMember = members.some(member => member.peer === self)
  if (!isMember) return null
  const { cluster_id: clusterId, map_epoch: mapEpoch, is_leader: leads } = state
  return { clusterId, self, mapEpoch, leads, members }
}

/** What of a digest is worth a message of its own. Map epochs are announced by themselves. */
function whatIsNews(digest: Digest): string {
  const disks = digest.disks.map(({ id, size_bytes, used_bytes, state, full }) => {
    const step = size_bytes > 0 ? Math.round((usedSteps * used_bytes) / size_bytes) : 0
    return `${id} ${size_bytes} ${step} ${state} ${full}`
  })
  const scrubs = digest.scrubs.map(({ disk, order, done, total }) => {
    return `${disk} ${order} ${Math.floor((scrubSteps * done) / Math.max(1, total))}`
  })
  return [digest.data_version, ...disks, 'scrubs', ...scrubs].join('|')
}
