import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../../src/common/random.ts'
import { signerOf } from '../../../src/gossip/keys.ts'
import { recordBytesMax } from '../../../src/gossip/limits.ts'
import { nodeOptions } from '../../../src/gossip/node-options.ts'
import { encodeRecord } from '../../../src/gossip/record-codec.ts'
import { syncProtocol } from '../../../src/gossip/sync-stream.ts'
import {
  clusterId,
  digestOf,
  eventually,
  identityOf,
  introduce,
  meshed,
  startPeers,
  stopAll,
  type TestPeer,
} from './world.ts'

const hostile = suite('gossip with a hostile member')

/** What peer `number` says, in the bytes that it would publish. */
function saidBy(number: number, sequence: number, sent_at_ms: number): Uint8Array {
  const origin = { peer: number, incarnation: 1, sequence }
  const sign = signerOf(identityOf(number).seed)
  return encodeRecord(clusterId, origin, digestOf(sent_at_ms), sign)
}

hostile('forged, old, oversized and senseless records change nothing', async () => {
  const peers = await startPeers(3)
  const [first, second, bad] = peers as [TestPeer, TestPeer, TestPeer]
  introduce(peers)
  await meshed(peers)
  first.gossip.publishDigest(digestOf(100))
  await eventually('the true digest', () => second.digests.get(1)?.sent_at_ms === 100)
  const node = bad.gossip.node!
  const random = seededRandom(5)
  const forged = Buffer.from(saidBy(3, 9, 666))
  forged.writeUInt32LE(1, 24)
  const old = saidBy(1, 1, 1)
  const junk = Array.from({ length: 20 }, () => Buffer.from(random.hex(200), 'hex'))
  const oversized = new Uint8Array(recordBytesMax + 1)
  for (const bytes of [forged, old, oversized, ...junk]) await node.publish('digest', bytes)
  await node.publish('map', forged)
  await node.publish('event', old)
  // What follows on the same streams has passed all of it.
  first.gossip.publishDigest(digestOf(101))
  await eventually('the next true digest', () => second.digests.get(1)?.sent_at_ms === 101)
  assert.equal([...second.digests.keys()], [1])
  assert.equal([...first.digests.keys()], [])
  assert.equal([...second.events, ...first.events], [])
  assert.is(second.presenceOf(1), 'up')
  await stopAll(peers)
})

hostile('a sync that sends nonsense is ended, and the next one works', async () => {
  const [first, second] = (await startPeers(2)) as [TestPeer, TestPeer]
  const bad = await rawMember(3)
  const publicKey = Buffer.from(identityOf(3).publicKey).toString('hex')
  const members = [first.member, second.member, { peer: 3, publicKey, addresses: [] }]
  for (const peer of [first, second]) peer.gossip.update(members, 1, false)
  await meshed([first, second])
  const target = first.gossip.node!
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${target.ports[0]}/p2p/${target.peerId}`)
  const nonsense = [new Uint8Array(0), Buffer.from([1, 255, 255, 255, 255]), new Uint8Array(99)]
  for (const message of [...nonsense, Buffer.alloc(2 ** 20 + 1)]) {
    const stream = await bad.dialProtocol(address, syncProtocol)
    const messages = lpStream(stream)
    const answer = messages.write(message).then(() => messages.read())
    assert.ok(
      await answer.then(
        () => false,
        () => true,
      ),
    )
  }
  first.gossip.publishDigest(digestOf(7))
  await second.gossip.node!.sync(target.peerId)
  await eventually('its digest', () => second.digests.get(1)?.sent_at_ms === 7)
  await bad.stop()
  await stopAll([first, second])
})

/** A member that speaks libp2p by its own rules. */
async function rawMember(number: number) {
  const { seed, publicKey } = identityOf(number)
  const privateKey = privateKeyFromRaw(Buffer.concat([seed, publicKey]))
  const listen = '/ip4/127.0.0.1/tcp/0'
  const setup = { privateKey, listen, clusterId, version: '0.1.0', isMember: () => true }
  return await createLibp2p(nodeOptions(setup))
}

hostile.run()
