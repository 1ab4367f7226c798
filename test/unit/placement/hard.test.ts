import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type PgTable,
  type Policy,
  planTables,
  type TopologyDisk,
} from '../../../src/placement/index.ts'
import { CHAIN_CHECKS_MAX } from '../../../src/placement/limits.ts'
import { deviation, faults } from './world.ts'

const test = suite('placement: tight rules, few domains')

/** Plans one topology after the other; returns what moved above the lower bound, as a ratio. */
function walk(policy: Policy, topologies: readonly TopologyDisk[][]): number {
  let previous: PgTable[] | undefined
  let worst = 1
  topologies.forEach((disks, step) => {
    const now = planTables({ disks }, [policy], previous)
    const [planned] = now.policies
    assert.equal(faults(disks, policy, planned), [], `step ${step}`)
    assert.ok(deviation(now) < 1, `step ${step}: ${JSON.stringify(now.spread)}`)
    assert.ok(planned.chainChecks < CHAIN_CHECKS_MAX / 10, `step ${step}: ${planned.chainChecks}`)
    if (now.lowerBound > 0) worst = Math.max(worst, now.moved / now.lowerBound)
    previous = now.policies.map(one => one.table)
  })
  return worst
}

test('4 zones of 50/30/15/5 %, one copy each: reweighted and back, three times', () => {
  const zones = (...factors: number[]) =>
    Array.from({ length: 2000 }, (_, i) => {
      const zone = i < 1000 ? 0 : i < 1600 ? 1 : i < 1900 ? 2 : 3
      const weight = factors[zone] * [1, 4, 8, 16][i % 4]
      return { id: i, peer: `p${zone}_${Math.floor(i / 10)}`, zone: `z${zone}`, weight }
    })
  const policy: Policy = { name: 'a', copies: 3, domain: 'zone', pgs: 16_384 }
  const worst = walk(policy, [
    zones(1, 1, 1, 1),
    zones(1, 1, 3, 1),
    zones(1, 1, 1, 1),
    zones(3, 1, 1, 3),
    zones(1, 1, 1, 1),
    zones(0.3, 1, 1, 1),
    zones(1, 1, 1, 1),
  ])
  assert.ok(worst <= 1.02, `${worst} times the lower bound moved`)
})

test('12+4 on 20 peers: losing one, a second and a third, then all return', () => {
  const disks = Array.from({ length: 240 }, (_, i) => ({
    id: i,
    peer: `p${Math.floor(i / 12)}`,
    weight: [1, 4, 8, 16][(i * 7) % 4],
  }))
  const lost = [0, 12, 24, 36, 48, 36, 0].map(count => disks.slice(count))
  const worst = walk({ name: 'a', ec: '12+4', pgs: 2048 }, lost)
  assert.ok(worst <= 1.05, `${worst} times the lower bound moved`)
})

test('8+3 with at most 2 per rack: a peer, then its rack goes, and comes back', () => {
  const disks = Array.from({ length: 800 }, (_, i) => ({
    id: i,
    peer: `p${Math.floor(i / 10)}`,
    rack: `r${Math.floor(i / 100)}`,
    weight: [1, 4, 8, 16][i % 4],
  }))
  const policy: Policy = { name: 'a', ec: '8+3', max_per: { rack: 2 }, pgs: 8192 }
  const worst = walk(policy, [disks, disks.slice(10), disks.slice(100), disks])
  assert.ok(worst <= 1.05, `${worst} times the lower bound moved`)
})

test.run()
