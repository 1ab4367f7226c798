// Gossip of one daemon: nothing before this peer is a member of a cluster, then the cluster's, and
// nothing again after it left. A fault of gossip is logged and tried again; it never stops a daemon.
import type { Clock } from '../common/clock.ts'
import { toShoalError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import type { Random } from '../common/random.ts'
import type { ClusterGossip, GossipTimes, PeerPresence } from './cluster-gossip.ts'
import { loadIdentity } from './identity.ts'
import { toMultiaddr } from './listen-address.ts'
import type { Member } from './members.ts'
import type { DigestBody, EventBody } from './record.ts'

export interface GossipView {
  clusterId: string
  self: number
  mapEpoch: number
  /** This peer leads: it announces the epoch. */
  leads: boolean
  members: readonly Member[]
}

export interface GossipHostInit {
  identityPath: string
  /** HOST:PORT. */
  listen: string
  version: string
  times: GossipTimes
  clock: Clock
  random: Random
  log: Log
}

const retryMs = 5_000

export class GossipHost {
  readonly #init: GossipHostInit
  #running: { clusterId: string; self: number; gossip: ClusterGossip } | undefined
  #view: GossipView | null = null
  #isStopped = false
  #isWorking = false
  #notBeforeMs = 0
  #work: Promise<void> = Promise.resolve()
  #onDigest: (peer: number, digest: DigestBody) => void = () => undefined
  #onMapEpoch: (epoch: number) => void = () => undefined
  #onEvent: (peer: number, event: EventBody) => void = () => undefined
  #onPresence: () => void = () => undefined

  constructor(init: GossipHostInit) {
    this.#init = init
  }

  onDigest(call: (peer: number, digest: DigestBody) => void): void {
    this.#onDigest = call
  }

  onMapEpoch(call: (epoch: number) => void): void {
    this.#onMapEpoch = call
  }

  onEvent(call: (peer: number, event: EventBody) => void): void {
    this.#onEvent = call
  }

  onPresence(call: () => void): void {
    this.#onPresence = call
  }

  /** Null: this peer is no member. Returns at once; starting and stopping happen behind it. */
  update(view: GossipView | null): void {
    this.#view = view
    if (this.#isFitting()) {
      if (view) this.#running?.gossip.update(view.members, view.mapEpoch, view.leads)
      return
    }
    if (this.#isWorking || this.#init.clock.monotonicMs() < this.#notBeforeMs) return
    this.#isWorking = true
    this.#work = this.#change().finally(() => {
      this.#isWorking = false
    })
  }

  publishDigest(digest: DigestBody): void {
    this.#running?.gossip.publishDigest(digest)
  }

  publishEvent(event: EventBody): void {
    this.#running?.gossip.publishEvent(event)
  }

  /** Every other member; empty while there is no gossip. */
  peers(): PeerPresence[] {
    return this.#running?.gossip.peers() ?? []
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#work
    await this.#end()
  }

  #isFitting(): boolean {
    if (!this.#view) return this.#running === undefined
    const { clusterId, self } = this.#view
    return this.#running?.clusterId === clusterId && this.#running.self === self
  }

  async #change(): Promise<void> {
    try {
      await this.#end()
      if (this.#view && !this.#isStopped) await this.#begin(this.#view)
    } catch (thrown) {
      this.#notBeforeMs = this.#init.clock.monotonicMs() + retryMs
      const { message, why, next } = toShoalError(thrown)
      this.#init.log.error({ why, next }, `gossip does not run: ${message}`)
    }
  }

  async #begin(view: GossipView): Promise<void> {
    const { identityPath, version, times, clock, random, log } = this.#init
    const identity = await loadIdentity(identityPath)
    const listen = toMultiaddr(this.#init.listen)
    if (!identity) throw new Error(`there is no identity in ${identityPath}`)
    if (listen === undefined) throw new Error(`"${this.#init.listen}" is not HOST:PORT`)
    // Loaded here: a daemon that does not gossip never loads libp2p.
    const { ClusterGossip } = await import('./cluster-gossip.ts')
    const { clusterId, self } = view
    const gossip = new ClusterGossip({
      ...{ identity, clusterId, self, listen, version, times, clock, random, log },
      onDigest: (peer, digest) => this.#onDigest(peer, digest),
      onMapEpoch: epoch => this.#onMapEpoch(epoch),
      onEvent: (peer, event) => this.#onEvent(peer, event),
      onPresence: () => this.#onPresence(),
    })
    gossip.update(view.members, view.mapEpoch, view.leads)
    await gossip.start()
    this.#running = { clusterId, self, gossip }
    // What changed while it started.
    const latest = this.#view
    if (latest && this.#isFitting()) gossip.update(latest.members, latest.mapEpoch, latest.leads)
    this.#onPresence()
  }

  async #end(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.gossip.stop()
  }
}
