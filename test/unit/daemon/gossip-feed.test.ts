import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLog } from '../../../src/common/log.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { GossipFeed, viewOf } from '../../../src/daemon/gossip-feed.ts'
import { type Digest, type Gossip, noGossip } from '../../../src/daemon/gossip-port.ts'
import { PeerState } from '../../../src/daemon/peer-state.ts'
import type { DataPort } from '../../../src/data/client.ts'
import { ClusterPort } from '../../../src/data/cluster-port.ts'
import type { LocalDisk } from '../../../src/data/protocol.ts'
import { threePeers } from '../../helpers/cluster-fixture.ts'
import { SteppedClock } from '../../helpers/stepped-clock.ts'

const feed = suite('gossip feed')

function makeFeed(used: { bytes: number; scrub?: LocalDisk['scrub'] }) {
  const clock = new SteppedClock()
  const state = threePeers()
  const stats = () => ({ used_bytes: used.bytes, write_us: 321, writable_bytes: 0 })
  const answers: Record<string, () => unknown> = {
    'state.get': () => state,
    'disk.list': () => [
      { disk_id: 1, path: '/srv/disk1', state: 'open', stats: stats(), scrub: used.scrub ?? null },
    ],
  }
  const data = { request: async (method: string) => answers[method]!() } as unknown as DataPort
  const cluster = new ClusterPort(data, { clock, random: seededRandom(1) })
  const peer = new PeerState(clock)
  const digests: Digest[] = []
  const views: unknown[] = []
  const gossip: Gossip = {
    ...noGossip,
    update: view => views.push(view),
    publishDigest: digest => digests.push(digest),
  }
  const log = createLog('error')
  const made = new GossipFeed({ gossip, cluster, peer, clock, log, digestMs: 5_000 })
  peer.onChange(() => made.wake())
  const hello = { protocol: 1, version: '0.1.0', pid: 1, started_at_ms: 1, cluster_id: 'x' }
  return { clock, state, cluster, peer, digests, views, made, hello }
}

feed('a peer that is no member says nothing; then it tells how it is, every interval', async () => {
  const { clock, peer, digests, views, made, hello } = makeFeed({ bytes: 10 })
  peer.connected({ ...hello, peer_id: null })
  await clock.pass(6_000)
  assert.equal(views[0], null)
  assert.is(digests.length, 0)
  peer.joined(1)
  await clock.pass(1_200)
  assert.is(digests.length, 1)
  assert.equal(digests[0]!.disks, [
    { id: 1, size_bytes: 2 ** 31, used_bytes: 10, state: 'open', write_us: 321, full: 'data' },
  ])
  await clock.pass(10_500)
  assert.is(digests.length, 3)
  made.stop()
  await clock.pass(10_000)
  assert.is(digests.length, 3)
})

feed('a change is told soon, many at once are one, and little is none', async () => {
  const used = { bytes: 0 }
  const { clock, state, cluster, peer, digests, made, hello } = makeFeed(used)
  peer.connected({ ...hello, peer_id: 1 })
  await clock.pass(1_500)
  assert.is(digests.length, 1)
  used.bytes = 2 ** 31 / 1000
  peer.changed()
  await clock.pass(1_200)
  assert.is(digests.length, 1, 'a thousandth of the disk')
  state.map_epoch = 2
  cluster.invalidate()
  peer.changed()
  await clock.pass(1_200)
  assert.is(digests.length, 1, 'the leader announces an epoch, not everyone')
  used.bytes = 2 ** 30
  cluster.invalidate()
  for (let change = 0; change < 10; change++) peer.changed()
  await clock.pass(1_200)
  assert.is(digests.length, 2)
  assert.is(digests[1]!.map_epoch, 2)
  made.stop()
})

feed('a scrub is told when it begins, by hundredths, and when it is over', async () => {
  const used: { bytes: number; scrub?: LocalDisk['scrub'] } = { bytes: 10 }
  const { clock, peer, digests, made, hello } = makeFeed(used)
  peer.connected({ ...hello, peer_id: 1 })
  await clock.pass(1_500)
  const told = async (done: number | null) => {
    const rest = { order: 4, total: 1_000, bad_blocks: 0, eta_s: 3 }
    used.scrub = done === null ? null : { done, ...rest }
    const before = digests.length
    peer.changed()
    await clock.pass(1_200)
    return digests.length === before ? null : digests.at(-1)!.scrubs
  }
  const line = { disk: 1, order: 4, total: 1_000, eta_s: 3 }
  assert.equal(await told(5), [{ ...line, done: 5 }])
  assert.is(await told(9), null)
  assert.equal(await told(10), [{ ...line, done: 10 }])
  assert.equal(await told(null), [])
  made.stop()
})

feed('members are all but those that were taken out; who is none has no view', () => {
  const state = threePeers()
  state.peers[0]!.addresses.push({ role: 'gossip', address: '10.0.0.1:7441' })
  state.peers[1]!.state = 'out'
  state.peers[2]!.state = 'down'
  const view = viewOf(state, 1)!
  assert.equal(
    view.members.map(member => [member.peer, member.addresses]),
    [
      [1, ['10.0.0.1:7441']],
      [3, []],
    ],
  )
  assert.is(viewOf(state, 2), null)
})

feed.run()
