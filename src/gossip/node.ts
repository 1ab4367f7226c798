// The libp2p node: connections with members, topics, syncs. It knows keys and bytes, not what they
// mean.
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Clock } from '../common/clock.ts'
import type { Identity } from './identity.ts'
import { answerTimeoutMs, recordBytesMax } from './limits.ts'
import { type NodeServices, nodeOptions } from './node-options.ts'
import type { Kind } from './record.ts'
import { answerSync, askSync, type SyncSource, syncProtocol } from './sync-stream.ts'
import { kinds, topicOf, topicsOf } from './topics.ts'

export type Verdict = 'accept' | 'ignore' | 'reject'

export interface NodeInit {
  identity: Identity
  /** As libp2p writes it. */
  listen: string
  clusterId: string
  version: string
  clock: Clock
  isMember: (peerId: string) => boolean
  /** A record came from the network; `signer` published it, which is not who passed it on. */
  onRecord: (bytes: Uint8Array, signer: string) => Verdict
  onConnect: (peerId: string, isDialler: boolean) => void
  onDisconnect: (peerId: string) => void
  source: SyncSource
  /** Whether what is heard goes on to others: not where its publisher reaches everyone itself. */
  passesOn: (kind: Kind) => boolean
}

const results = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

const stopMsMax = 1_000
const keepAliveTag = 'keep-alive-shoal'
const inboundSyncsMax = 2

export class GossipNode {
  readonly #init: NodeInit
  readonly #libp2p: Libp2p<NodeServices>

  private constructor(init: NodeInit, libp2p: Libp2p<NodeServices>) {
    this.#init = init
    this.#libp2p = libp2p
  }

  static async start(init: NodeInit): Promise<GossipNode> {
    const { identity, listen, clusterId, version, isMember } = init
    const raw = Buffer.concat([identity.seed, identity.publicKey])
    const privateKey = privateKeyFromRaw(raw)
    const setup = { privateKey, listen, clusterId, version, isMember }
    const libp2p = await createLibp2p({ ...nodeOptions(setup), start: false })
    const node = new GossipNode(init, libp2p)
    await node.#listen()
    return node
  }

  get peerId(): string {
    return this.#libp2p.peerId.toString()
  }

  /** Really listened on: with port 0 the kernel chooses one. */
  get ports(): number[] {
    return this.#libp2p.getMultiaddrs().flatMap(address => {
      const port = /\/tcp\/(\d+)/.exec(address.toString())
      return port ? [Number(port[1])] : []
    })
  }

  async publish(kind: Kind, bytes: Uint8Array): Promise<void> {
    await this.#libp2p.services.gossip.publish(topicOf(this.#init.clusterId, kind), bytes)
  }

  async dial(peerId: string, multiaddrs: readonly string[]): Promise<void> {
    const targets = multiaddrs.map(address => multiaddr(`${address}/p2p/${peerId}`))
    await this.#libp2p.dial(targets)
  }

  /** Asks someone who is connected and silent for a sign of life; without one the connection ends. */
  async probe(peerId: string): Promise<void> {
    const id = peerIdFromString(peerId)
    try {
      await this.#timed(async signal => {
        await this.#libp2p.services.ping.ping(id, { signal })
      })
    } catch {
      for (const connection of this.#libp2p.getConnections(id))
        connection.abort(new Error('it does not answer'))
    }
  }

  connectedPeerIds(): Set<string> {
    return new Set(this.#libp2p.getConnections().map(one => one.remotePeer.toString()))
  }

  async sync(peerId: string): Promise<void> {
    await this.#timed(async signal => {
      const id = peerIdFromString(peerId)
      const stream = await this.#libp2p.dialProtocol(id, syncProtocol, { signal })
      await orAbort(stream, askSync(stream, this.#init.source, signal))
    })
  }

  /** Ends every connection with someone who is no member any more. */
  closeStrangers(): void {
    for (const connection of this.#libp2p.getConnections()) {
      if (!this.#init.isMember(connection.remotePeer.toString()))
        connection.abort(new Error('no member any more'))
    }
  }

  async stop(): Promise<void> {
    const stopped = Promise.resolve(this.#libp2p.stop())
    // What hangs, hangs with a connection of someone who is gone.
    const timeUp = new Promise<void>(resolve => this.#init.clock.after(stopMsMax, resolve))
    await Promise.race([stopped, timeUp])
  }

  async #listen(): Promise<void> {
    const { gossip } = this.#libp2p.services
    for (const kind of kinds) {
      const validate = (_: PeerId, message: Message) => this.#judge(kind, message)
      gossip.topicValidators.set(topicOf(this.#init.clusterId, kind), validate)
    }
    // NOT when the connection opens: who dials believes it open before the other side has looked at
    // the key, and may have refused it. Who has identified itself has taken us for a member.
    this.#libp2p.addEventListener('peer:identify', event => this.#opened(event.detail.connection))
    this.#libp2p.addEventListener('peer:disconnect', event =>
      this.#init.onDisconnect(event.detail.toString()),
    )
    await this.#libp2p.handle(syncProtocol, stream => this.#answer(stream), {
      maxInboundStreams: inboundSyncsMax,
    })
    await this.#libp2p.start()
    for (const topic of topicsOf(this.#init.clusterId)) gossip.subscribe(topic)
  }

  /** Learned here; what is only ignored goes no further, and is held against nobody. */
  #judge(kind: Kind, message: Message): TopicValidatorResult {
    if (message.type !== 'signed' || message.data.length > recordBytesMax) return results.reject
    const verdict = this.#init.onRecord(message.data, message.from.toString())
    return results[verdict === 'accept' && !this.#init.passesOn(kind) ? 'ignore' : verdict]
  }

  #opened(connection: Connection): void {
    const peerId = connection.remotePeer
    const tags = { [keepAliveTag]: { value: 100 } }
    this.#libp2p.peerStore.merge(peerId, { tags }).catch(() => undefined)
    this.#init.onConnect(peerId.toString(), connection.direction === 'outbound')
  }

  async #answer(stream: Stream): Promise<void> {
    await this.#timed(signal =>
      orAbort(stream, answerSync(stream, this.#init.source, signal)),
    ).catch(
      // Who asked sees the stream end, and asks again.
      () => undefined,
    )
  }

  async #timed(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController()
    const cancel = this.#init.clock.after(answerTimeoutMs, () => controller.abort())
    try {
      await work(controller.signal)
    } finally {
      cancel()
    }
  }
}

async function orAbort(stream: Stream, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (thrown) {
    stream.abort(thrown instanceof Error ? thrown : new Error(String(thrown)))
    throw thrown
  }
}
