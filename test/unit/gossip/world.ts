// Real peers that gossip over loopback, in one process.
import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { poll, systemClock } from '../../../src/common/clock.ts'
import { createLog } from '../../../src/common/log.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { ClusterGossip, type GossipTimes } from '../../../src/gossip/cluster-gossip.ts'
import type { Identity } from '../../../src/gossip/identity.ts'
import { publicKeyOfSeed } from '../../../src/gossip/keys.ts'
import type { Member } from '../../../src/gossip/members.ts'
import type { DigestBody, EventBody } from '../../../src/gossip/record.ts'

export const clusterId = 'c0'.repeat(16)
/** Generous: the machine may be busy. Nothing waits for it when all is well. */
export const patienceMs = 30_000

export function identityOf(number: number): Identity {
  const seed = new Uint8Array(32).fill(number)
  return { seed, publicKey: publicKeyOfSeed(seed) }
}

/** As the data process writes it. */
export function keyFileOf(number: number): string {
  const { seed, publicKey } = identityOf(number)
  const keys = Buffer.concat([seed, publicKey])
  const sum = createHash('sha256').update('shoal-key-1 peer').update(keys).digest().subarray(0, 8)
  return `shoal-key-1 peer ${Buffer.concat([keys, sum]).toString('base64url')}\n`
}

export function digestOf(sent_at_ms: number, more: Partial<DigestBody> = {}): DigestBody {
  return {
    kind: 'digest',
    state: 'up',
    sent_at_ms,
    map_epoch: 1,
    load_percent: 12,
    control_version: '0.1.0',
    data_version: '0.1.0',
    disks: [
      { id: 1, size_bytes: 2 ** 31, used_bytes: 4096, state: 'open', write_us: 250, full: 'data' },
    ],
    scrubs: [{ disk: 1, order: 2 ** 48 + 1, done: 4096, total: 2 ** 40, eta_s: 90 }],
    ...more,
  }
}

export function eventOf(message: string): EventBody {
  return { kind: 'event', time_ms: 1, severity: 'info', code: 'test', subject: 'x', message }
}

export class TestPeer {
  readonly number: number
  readonly gossip: ClusterGossip
  readonly digests = new Map<number, DigestBody>()
  readonly epochs: number[] = []
  readonly events: string[] = []

  constructor(number: number, port: number, times: Partial<GossipTimes> = {}) {
    this.number = number
    this.gossip = new ClusterGossip({
      identity: identityOf(number),
      clusterId,
      self: number,
      listen: `/ip4/127.0.0.1/tcp/${port}`,
      version: '0.1.0',
      times: { digestMs: 5_000, syncMs: 500, downAfterMs: 10_000, ...times },
      clock: systemClock,
      random: seededRandom(number),
      log: createLog('error'),
      onDigest: (peer, digest) => this.digests.set(peer, digest),
      onMapEpoch: epoch => this.epochs.push(epoch),
      onEvent: (_, event) => this.events.push(event.message),
      onPresence: () => undefined,
    })
  }

  get member(): Member {
    const publicKey = Buffer.from(identityOf(this.number).publicKey).toString('hex')
    const ports = this.gossip.node?.ports ?? []
    return { peer: this.number, publicKey, addresses: ports.map(port => `127.0.0.1:${port}`) }
  }

  presenceOf(peer: number): string | undefined {
    return this.gossip.peers().find(one => one.peer === peer)?.presence
  }

  connections(): number {
    return this.gossip.peers().filter(one => one.isConnected).length
  }
}

/** Peers 1 to `count`, started and not yet acquainted. */
export async function startPeers(
  count: number,
  times: Partial<GossipTimes> = {},
): Promise<TestPeer[]> {
  const peers = Array.from({ length: count }, (_, index) => new TestPeer(index + 1, 0, times))
  await Promise.all(peers.map(peer => peer.gossip.start()))
  return peers
}

export function introduce(peers: readonly TestPeer[], mapEpoch = 1): void {
  const members = peers.map(peer => peer.member)
  for (const peer of peers) peer.gossip.update(members, mapEpoch, peer === peers[0])
}

export async function meshed(peers: readonly TestPeer[]): Promise<void> {
  await eventually('all are connected', () =>
    peers.every(peer => peer.connections() === peers.length - 1),
  )
}

export async function eventually(what: string, ask: () => boolean): Promise<void> {
  const found = await poll(patienceMs, 10, () => (ask() ? true : undefined))
  assert.ok(found, `${what}: not within ${patienceMs} ms`)
}

export async function stopAll(peers: readonly TestPeer[]): Promise<void> {
  await Promise.all(peers.map(peer => peer.gossip.stop()))
}
