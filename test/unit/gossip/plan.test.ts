import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../../src/common/random.ts'
import {
  DialPlan,
  firstRetryMs,
  healthyMs,
  politenessMs,
  retryMsMax,
} from '../../../src/gossip/dial-plan.ts'
import { dialsAtOnceMax, sparseConnections } from '../../../src/gossip/limits.ts'
import { toMultiaddr } from '../../../src/gossip/listen-address.ts'
import { digestIntervalMs, PresenceBoard, silenceMsMax } from '../../../src/gossip/presence.ts'

const plan = suite('gossip plans')
const none = () => false

plan('the lesser id dials at once, the greater one after a while', () => {
  const members = [1, 2, 3]
  const found = new DialPlan(2, seededRandom(1))
  assert.equal(found.due(members, none, 0), [3])
  assert.equal(found.due(members, none, politenessMs - 1), [])
  assert.equal(found.due(members, none, politenessMs), [1])
})

plan('who does not answer is dialled ever more seldom, but always again', () => {
  const found = new DialPlan(1, seededRandom(1))
  const dials: number[] = []
  for (let nowMs = 0; nowMs < 300_000; nowMs += 100) {
    if (found.due([1, 2], none, nowMs).length === 0) continue
    dials.push(nowMs)
    found.dialled(2, nowMs)
  }
  const gaps = dials.slice(1).map((at, index) => at - dials[index]!)
  assert.ok(gaps[0]! <= firstRetryMs * 1.25 + 100)
  assert.ok(gaps.every(gap => gap <= retryMsMax * 1.25 + 100))
  assert.ok(gaps.at(-1)! >= retryMsMax * 0.75)
  found.encourage(2, 300_000)
  assert.equal(found.due([1, 2], none, 300_000), [2])
})

plan('a connection that broke soon counts as a failed dial, a healthy one does not', () => {
  const found = new DialPlan(1, seededRandom(1))
  found.due([1, 2], none, 0)
  found.connected(2, 10)
  found.dialled(2, 11)
  found.disconnected(2, 20)
  assert.equal(found.due([1, 2], none, 21), [])
  found.due([1, 2], none, 20_000)
  found.connected(2, 20_000)
  found.disconnected(2, 20_000 + healthyMs)
  assert.equal(found.due([1, 2], none, 20_000 + healthyMs), [2])
})

plan('in a large cluster some connections will do, to whomever chance picks', () => {
  const members = Array.from({ length: 300 }, (_, index) => index + 1)
  const chosen = [1, 2].map(seed => {
    const found = new DialPlan(1, seededRandom(seed))
    const open = new Set<number>()
    for (let nowMs = 0; nowMs < 20_000; nowMs += 500) {
      const due = found.due(members, peer => open.has(peer), nowMs)
      assert.ok(due.length <= dialsAtOnceMax)
      for (const peer of due) {
        found.connected(peer, nowMs)
        open.add(peer)
      }
    }
    return open
  })
  for (const open of chosen) assert.is(open.size, sparseConnections)
  assert.ok([...chosen[0]!].some(peer => !chosen[1]!.has(peer)))
})

plan('nobody dials more at once than the bound, or who left', () => {
  const members = Array.from({ length: 50 }, (_, index) => index + 1)
  const found = new DialPlan(1, seededRandom(1))
  assert.is(found.due(members, none, 0).length, dialsAtOnceMax)
  assert.is(found.due(members, none, 0).length, 0)
  found.keepOnly(peer => peer === 50)
  assert.equal(found.due([1, 50], none, 0), [50])
})

plan('presence follows what is heard', () => {
  const board = new PresenceBoard(0)
  const at = (nowMs: number, isNeighbour = true) => board.presence(2, nowMs, 1_000, isNeighbour)
  assert.is(at(999), 'unknown')
  assert.is(at(1_000), 'down')
  assert.is(at(1_000, false), 'unknown')
  board.connected(2, 1_500)
  assert.is(at(2_499), 'up')
  assert.is(at(2_500), 'suspect', 'connected, and silent')
  board.digested(2, false, 3_000)
  assert.is(at(3_999), 'up')
  board.disconnected(2, 3_500)
  assert.is(at(3_501), 'suspect')
  assert.is(at(3_501, false), 'up', 'heard of by others')
  assert.is(at(4_500), 'down')
  board.digested(2, false, 5_000)
  assert.is(at(5_001), 'suspect')
  board.digested(2, true, 5_100)
  assert.is(at(5_101), 'down', 'it said so')
  board.connected(2, 6_000)
  assert.is(at(6_001), 'up')
  board.keepOnly(() => false)
  assert.is(board.isConnected(2), false)
})

plan('digests of a large cluster come more seldom, and silence is longer there', () => {
  assert.is(digestIntervalMs(3, 5_000), 5_000)
  assert.is(digestIntervalMs(100, 5_000), 100_000)
  assert.is(silenceMsMax(3, 10_000, 5_000), 10_000)
  assert.is(silenceMsMax(100, 10_000, 5_000), 200_000)
})

plan('addresses are written as libp2p wants them, or not at all', () => {
  assert.is(toMultiaddr('10.0.0.1:7441'), '/ip4/10.0.0.1/tcp/7441')
  assert.is(toMultiaddr('[2001:db8::1]:1'), '/ip6/2001:db8::1/tcp/1')
  assert.is(toMultiaddr('host-1.example:65535'), '/dns/host-1.example/tcp/65535')
  for (const text of ['', 'x', ':1', 'h:65536', 'h:', '[x]:1', 'a/b:1', '::1:5', 'h:1/p2p/x'])
    assert.is(toMultiaddr(text), undefined, text)
})

plan.run()
