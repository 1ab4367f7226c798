// Gossip of one peer in one cluster, from its start to its end: finds, spreads and suspects. Nothing
// is decided by it.
import type { Clock } from '../common/clock.ts'
import type { Log } from '../common/log.ts'
import type { Random } from '../common/random.ts'
import { DialPlan } from './dial-plan.ts'
import type { Identity } from './identity.ts'
import { signerOf } from './keys.ts'
import { fullMeshMax } from './limits.ts'
import { type Member, MemberTable } from './members.ts'
import { GossipNode } from './node.ts'
import { type Presence, PresenceBoard, silenceMsMax } from './presence.ts'
import type { Body, DigestBody, EventBody, GossipRecord } from './record.ts'
import { Records } from './records.ts'

export interface GossipTimes {
  digestMs: number
  syncMs: number
  downAfterMs: number
}

export interface ClusterGossipInit {
  identity: Identity
  clusterId: string
  self: number
  /** As libp2p writes it. */
  listen: string
  version: string
  times: GossipTimes
  clock: Clock
  random: Random
  log: Log
  onDigest: (peer: number, digest: DigestBody) => void
  onMapEpoch: (epoch: number) => void
  onEvent: (peer: number, event: EventBody) => void
  /** Someone came or went. */
  onPresence: () => void
}

export interface PeerPresence {
  peer: number
  isConnected: boolean
  presence: Presence
}

const tickMs = 1_000
/** While all are there: nobody to find, to ask or to dial. */
const restMs = 5_000

export class ClusterGossip {
  readonly #init: ClusterGossipInit
  readonly #members = new MemberTable()
  readonly #records: Records
  readonly #presence: PresenceBoard
  readonly #plan: DialPlan
  readonly #probing = new Set<string>()
  #node: GossipNode | undefined
  #cancelTick: () => void = () => undefined
  #tickDueMs = Number.POSITIVE_INFINITY
  #nextSyncMs = 0
  #mapEpoch = 0
  #lastPresence = ''

  constructor(init: ClusterGossipInit) {
    const { clusterId, self, identity, clock, log } = init
    this.#init = init
    this.#presence = new PresenceBoard(clock.monotonicMs())
    this.#plan = new DialPlan(self, init.random)
    this.#records = new Records({
      clusterId,
      self,
      sign: signerOf(identity.seed),
      members: this.#members,
      clock,
      onNews: record => this.#news(record),
      onFault: (fault, sender) => log.debug({ code: fault.code, sender }, fault.message),
    })
  }

  get node(): GossipNode | undefined {
    return this.#node
  }

  async start(): Promise<void> {
    const { identity, clusterId, listen, version, clock, log } = this.#init
    this.#node = await GossipNode.start({
      identity,
      clusterId,
      listen,
      version,
      clock,
      isMember: peerId => this.#members.peerOf(peerId) !== undefined,
      onRecord: (bytes, signer) => this.#records.published(bytes, signer),
      onConnect: (peerId, isDialler) => this.#connected(peerId, isDialler),
      onDisconnect: peerId => this.#disconnected(peerId),
      source: this.#records,
      // Where everyone is connected with everyone a digest passed on would be a copy; a sync gives
      // it to whom it did not reach.
      passesOn: kind => kind !== 'digest' || this.#members.size > fullMeshMax,
    })
    log.info({ peer_id: this.#node.peerId, listen }, 'gossip listens')
    this.#tick()
  }

  /** Says goodbye, so that nobody has to suspect it. */
  async stop(): Promise<void> {
    this.#cancelTick()
    this.#cancelTick = () => undefined
    const node = this.#node
    this.#node = undefined
    const last = this.#records.newest('digest', this.#init.self)?.body
    if (node && last?.kind === 'digest') {
      const bytes = this.#records.say({ ...last, state: 'leaving' })
      await node.publish('digest', bytes).catch(() => undefined)
    }
    await node?.stop()
  }

  /**
   * The members and the map epoch that the cluster state names. ONE announces it, the leader: all
   * learn it at the same time, and would all tell all others.
   */
  update(members: readonly Member[], mapEpoch: number, announces: boolean): void {
    const changed = this.#members.replace(members)
    const isMember = (peer: number) => this.#members.has(peer)
    this.#records.forgetStrangers()
    this.#presence.keepOnly(isMember)
    this.#plan.keepOnly(isMember)
    const nowMs = this.#init.clock.monotonicMs()
    for (const peer of changed) this.#plan.encourage(peer, nowMs)
    this.#node?.closeStrangers()
    if (mapEpoch > this.#mapEpoch) {
      this.#mapEpoch = mapEpoch
      if (announces) this.#say({ kind: 'map', map_epoch: mapEpoch })
    }
    this.#dial()
    if (changed.length > 0) this.#tickIn(tickMs)
  }

  publishDigest(digest: DigestBody): void {
    this.#say(digest)
  }

  publishEvent(event: EventBody): void {
    this.#say(event)
  }

  /** Every other member. */
  peers(): PeerPresence[] {
    const { self, clock, times } = this.#init
    const nowMs = clock.monotonicMs()
    const silenceMs = silenceMsMax(this.#members.size, times.downAfterMs, times.digestMs)
    const isMesh = this.#members.size <= fullMeshMax
    const isNeighbour = (peer: number) => isMesh && this.#members.multiaddrsOf(peer).length > 0
    return this.#members
      .peers()
      .filter(peer => peer !== self)
      .map(peer => ({
        peer,
        isConnected: this.#presence.isConnected(peer),
        presence: this.#presence.presence(peer, nowMs, silenceMs, isNeighbour(peer)),
      }))
  }

  #say(body: Body): void {
    const bytes = this.#records.say(body)
    // Who misses it is given it by a neighbour.
    this.#node?.publish(body.kind, bytes).catch(() => undefined)
  }

  #news({ origin, body }: GossipRecord): void {
    const { onDigest, onEvent, clock } = this.#init
    if (body.kind === 'event') {
      onEvent(origin.peer, body)
      return
    }
    if (body.kind === 'digest') {
      this.#presence.digested(origin.peer, body.state === 'leaving', clock.monotonicMs())
      onDigest(origin.peer, body)
    }
    this.#sawMapEpoch(body.map_epoch)
  }

  #sawMapEpoch(epoch: number): void {
    if (epoch <= this.#mapEpoch) return
    this.#mapEpoch = epoch
    this.#init.onMapEpoch(epoch)
  }

  #connected(peerId: string, isDialler: boolean): void {
    const peer = this.#members.peerOf(peerId)
    if (peer === undefined) return
    const nowMs = this.#init.clock.monotonicMs()
    this.#plan.connected(peer, nowMs)
    this.#presence.connected(peer, nowMs)
    this.#watchPresence()
    if (isDialler) this.#sync(peerId)
  }

  #disconnected(peerId: string): void {
    const peer = this.#members.peerOf(peerId)
    if (peer === undefined || !this.#presence.isConnected(peer)) return
    const nowMs = this.#init.clock.monotonicMs()
    this.#plan.disconnected(peer, nowMs)
    this.#presence.disconnected(peer, nowMs)
    this.#watchPresence()
    this.#tickIn(tickMs)
  }

  #tick(): void {
    this.#tickDueMs = Number.POSITIVE_INFINITY
    this.#findLost()
    this.#probeSilent()
    this.#dial()
    this.#watchPresence()
    this.#syncInTurn()
    if (this.#isAtRest()) this.#rest()
    else this.#tickIn(tickMs)
  }

  #rest(): void {
    const untilSyncMs = this.#nextSyncMs - this.#init.clock.monotonicMs()
    this.#tickIn(Math.min(restMs, Math.max(tickMs, untilSyncMs)))
  }

  /** Never later than it is due already: who comes and goes all the time must not put it off. */
  #tickIn(ms: number): void {
    const { clock } = this.#init
    const dueMs = clock.monotonicMs() + ms
    if (!this.#node || dueMs >= this.#tickDueMs) return
    this.#cancelTick()
    this.#tickDueMs = dueMs
    this.#cancelTick = clock.after(ms, () => this.#tick())
  }

  #isAtRest(): boolean {
    const isMesh = this.#members.size <= fullMeshMax
    return isMesh && this.peers().every(one => one.presence === 'up')
  }

  #syncInTurn(): void {
    const { clock, times, random } = this.#init
    const nowMs = clock.monotonicMs()
    if (nowMs < this.#nextSyncMs) return
    this.#nextSyncMs = nowMs + times.syncMs * (0.75 + random.fraction() / 2)
    const near = this.#members.peers().filter(peer => this.#presence.isConnected(peer))
    const chosen = near[Math.floor(random.fraction() * near.length)]
    const peerId = chosen === undefined ? undefined : this.#members.peerIdOf(chosen)
    if (peerId !== undefined) this.#sync(peerId)
  }

  /** A connection may end while it is still being set up, and then nobody says so. */
  #findLost(): void {
    const open = this.#node?.connectedPeerIds()
    for (const peer of this.#members.peers()) {
      const peerId = this.#members.peerIdOf(peer)!
      if (this.#presence.isConnected(peer) && !open?.has(peerId)) this.#disconnected(peerId)
    }
  }

  #probeSilent(): void {
    for (const { peer, isConnected, presence } of this.peers()) {
      const peerId = this.#members.peerIdOf(peer)
      if (!isConnected || presence !== 'suspect' || peerId === undefined) continue
      if (this.#probing.has(peerId)) continue
      this.#probing.add(peerId)
      this.#node?.probe(peerId).finally(() => this.#probing.delete(peerId))
    }
  }

  #sync(peerId: string): void {
    this.#node?.sync(peerId).catch(thrown => this.#init.log.debug({ err: thrown }, 'a sync failed'))
  }

  #dial(): void {
    const node = this.#node
    if (!node) return
    const { clock } = this.#init
    const isConnected = (peer: number) => this.#presence.isConnected(peer)
    for (const peer of this.#plan.due(this.#members.peers(), isConnected, clock.monotonicMs()))
      this.#dialOne(node, peer)
        .catch(() => undefined)
        .finally(() => this.#plan.dialled(peer, clock.monotonicMs()))
  }

  async #dialOne(node: GossipNode, peer: number): Promise<void> {
    const addresses = this.#members.multiaddrsOf(peer)
    const peerId = this.#members.peerIdOf(peer)
    if (peerId !== undefined && addresses.length > 0) await node.dial(peerId, addresses)
  }

  #watchPresence(): void {
    const now = this.peers()
      .map(one => `${one.peer}${one.presence}`)
      .join()
    if (now === this.#lastPresence) return
    this.#lastPresence = now
    this.#init.onPresence()
  }
}
