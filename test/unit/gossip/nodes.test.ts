import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sleep } from '../../../src/common/clock.ts'
import {
  digestOf,
  eventOf,
  eventually,
  introduce,
  meshed,
  startPeers,
  stopAll,
  TestPeer,
} from './world.ts'

const nodes = suite('gossip between real peers')

for (const count of [3, 7]) {
  nodes(`${count} peers: everyone hears everyone`, async () => {
    const peers = await startPeers(count)
    introduce(peers)
    await meshed(peers)
    for (const peer of peers) {
      peer.gossip.publishDigest(digestOf(peer.number))
      peer.gossip.publishEvent(eventOf(`from ${peer.number}`))
    }
    await eventually('all digests and events', () =>
      peers.every(peer => peer.digests.size === count - 1 && peer.events.length === count - 1),
    )
    const [first, second] = peers as [TestPeer, TestPeer]
    assert.equal(second.digests.get(1), digestOf(1))
    assert.is(first.presenceOf(2), 'up')
    assert.is(new Set(first.events).size, count - 1)
    await stopAll(peers)
  })
}

nodes('a new map epoch reaches all, and is announced once', async () => {
  const peers = await startPeers(3)
  introduce(peers)
  await meshed(peers)
  peers[0]!.gossip.update(
    peers.map(peer => peer.member),
    7,
    true,
  )
  await eventually('epoch 7', () => peers.slice(1).every(peer => peer.epochs.includes(7)))
  introduce(peers, 7)
  peers[1]!.gossip.publishDigest(digestOf(1, { map_epoch: 8 }))
  await eventually('epoch 8 by a digest', () => peers[0]!.epochs.includes(8))
  assert.equal(peers[2]!.epochs.filter(epoch => epoch === 7).length, 1)
  await stopAll(peers)
})

nodes('who comes late is given what was said before', async () => {
  const peers = await startPeers(3)
  const [first, second, late] = peers as [TestPeer, TestPeer, TestPeer]
  introduce([first, second])
  await meshed([first, second])
  first.gossip.publishDigest(digestOf(1))
  for (const text of ['a', 'b', 'c']) second.gossip.publishEvent(eventOf(text))
  await eventually('the others have it', () => first.events.length === 3)
  // ONLY to the first: what the second said comes from someone else.
  const members = peers.map(peer => peer.member)
  const [one, two, three] = members as [TestPeer['member'], TestPeer['member'], TestPeer['member']]
  first.gossip.update(members, 1, false)
  late.gossip.update([one, { ...two, addresses: [] }, three], 1, false)
  await eventually('digest and events', () => late.digests.size === 1 && late.events.length === 3)
  assert.equal([...late.events].sort(), ['a', 'b', 'c'])
  assert.is(late.connections(), 1)
  await stopAll(peers)
})

nodes('who was cut off catches up', async () => {
  const peers = await startPeers(3)
  const [first, second, third] = peers as [TestPeer, TestPeer, TestPeer]
  introduce(peers)
  await meshed(peers)
  first.gossip.publishDigest(digestOf(1))
  await eventually('the first digest', () => third.digests.get(1)?.sent_at_ms === 1)
  // Cut off: nobody takes the third for a member, so nobody talks with it.
  introduce([first, second])
  await eventually('alone', () => third.connections() === 0)
  first.gossip.publishDigest(digestOf(2))
  first.gossip.publishEvent(eventOf('missed'))
  await eventually('the other one heard it', () => second.digests.get(1)?.sent_at_ms === 2)
  assert.is(third.digests.get(1)?.sent_at_ms, 1)
  introduce(peers)
  await eventually(
    'caught up',
    () => third.digests.get(1)?.sent_at_ms === 2 && third.events.includes('missed'),
  )
  await stopAll(peers)
})

nodes('a stranger is refused before any protocol, dialling and being dialled', async () => {
  const peers = await startPeers(3)
  const [first, second, stranger] = peers as [TestPeer, TestPeer, TestPeer]
  introduce([first, second])
  await meshed([first, second])
  first.gossip.publishDigest(digestOf(1))
  // It knows us, we do not know it.
  const members = peers.map(peer => peer.member)
  stranger.gossip.update(members, 1, false)
  const target = first.gossip.node!
  const address = `/ip4/127.0.0.1/tcp/${target.ports[0]}`
  for (let round = 0; round < 3; round++) {
    await stranger.gossip.node!.dial(target.peerId, [address]).catch(() => undefined)
    await assertThrows(() => stranger.gossip.node!.sync(target.peerId))
  }
  assert.is(stranger.digests.size, 0)
  assert.is(first.presenceOf(3), undefined)
  await assertThrows(() =>
    first.gossip.node!.dial(stranger.gossip.node!.peerId, ['/ip4/127.0.0.1/tcp/9']),
  )
  await stopAll(peers)
})

nodes('a removed member is cut off and forgotten', async () => {
  const peers = await startPeers(3)
  const [first, second, removed] = peers as [TestPeer, TestPeer, TestPeer]
  introduce(peers)
  await meshed(peers)
  removed.gossip.publishDigest(digestOf(3))
  await eventually('its digest', () => first.digests.has(3) && second.digests.has(3))
  introduce([first, second])
  await eventually('cut off', () => removed.connections() === 0)
  removed.gossip.publishEvent(eventOf('from outside'))
  first.gossip.publishEvent(eventOf('among us'))
  await eventually('the others go on', () => second.events.includes('among us'))
  assert.not(second.events.includes('from outside'))
  assert.not(removed.events.includes('among us'))
  assert.is(first.presenceOf(3), undefined)
  await stopAll(peers)
})

nodes('a peer that starts again under its key is heard again', async () => {
  const peers = await startPeers(3)
  const [first, second, third] = peers as [TestPeer, TestPeer, TestPeer]
  introduce(peers)
  await meshed(peers)
  third.gossip.publishDigest(digestOf(30))
  await eventually('its digest', () => first.digests.get(3)?.sent_at_ms === 30)
  const port = third.gossip.node!.ports[0]!
  await third.gossip.stop()
  await eventually('it said goodbye', () => first.presenceOf(3) === 'down')
  const again = new TestPeer(3, port)
  await again.gossip.start()
  introduce([first, second, again])
  again.gossip.publishDigest(digestOf(31))
  await eventually('up again', () => first.presenceOf(3) === 'up' && again.presenceOf(1) === 'up')
  await eventually('its new digest', () => second.digests.get(3)?.sent_at_ms === 31)
  await stopAll([first, second, again])
})

nodes('silence makes suspect, then down', async () => {
  const times = { digestMs: 100, downAfterMs: 600 }
  const peers = await startPeers(2, times)
  const [first, second] = peers as [TestPeer, TestPeer]
  introduce(peers)
  await meshed(peers)
  // No goodbye: the connection ends as with a crash.
  const { member } = first
  second.gossip.update([{ ...member, publicKey: 'ff'.repeat(32) }, second.member], 1, false)
  const seen = new Set<string | undefined>()
  await eventually('down', () => {
    seen.add(first.presenceOf(2))
    return first.presenceOf(2) === 'down'
  })
  assert.ok(seen.has('suspect'))
  await stopAll(peers)
})

async function assertThrows(work: () => Promise<unknown>): Promise<void> {
  const isRefused = await work().then(
    () => false,
    () => true,
  )
  await sleep(1)
  assert.ok(isRefused)
}

nodes.run()
