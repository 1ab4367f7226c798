import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Id,
  type Plan,
  type Policy,
  planTables,
  type TopologyDisk,
} from '../../../src/placement/index.ts'
import { deviation, faults, rows } from './world.ts'

const test = suite('placement: tiny clusters')

/** One list of weights per peer. */
function cluster(...peers: number[][]): TopologyDisk[] {
  return peers.flatMap((weights, p) =>
    weights.map((weight, d) => ({ id: `p${p}d${d}`, peer: `p${p}`, weight })),
  )
}

function right(disks: TopologyDisk[], policy: Policy, before?: Plan): Plan {
  const previous = before?.policies.map(one => one.table)
  const now = planTables({ disks }, [{ pgs: 64, ...policy }], previous)
  assert.equal(faults(disks, policy, now.policies[0]), [])
  assert.ok(deviation(now) < 1, JSON.stringify(now.spread))
  return now
}

test('no disk at all: every PG is empty, and said to be', () => {
  const now = planTables({ disks: [] }, [{ name: 'a', copies: 3, pgs: 64 }])
  assert.equal(
    rows(now.policies[0].table),
    Array.from({ length: 64 }, () => []),
  )
  assert.is(now.warnings[0].code, 'no_eligible_disk')
})

test('1 peer x 3 disks: one copy per peer is short, one per disk is not', () => {
  const disks = cluster([1, 1, 1])
  const short = right(disks, { name: 'a', copies: 3 })
  assert.is(short.policies[0].membersPerPg, 1)
  assert.is(short.warnings[0].code, 'short_pgs')
  assert.is(right(disks, { name: 'a', copies: 3, domain: 'disk' }).policies[0].membersPerPg, 3)
})

test('who names no rack or zone stands for itself', () => {
  const disks = cluster([1], [1], [1])
  for (const domain of ['rack', 'zone'] as const) {
    const now = planTables({ disks }, [{ name: 'a', copies: 3, domain, pgs: 64 }])
    assert.is(now.policies[0].membersPerPg, 3)
  }
  // Racks without a zone: two peers of one rack are in one zone too.
  const racked = cluster([1], [1], [1]).map((one, i) => ({
    ...one,
    rack: i < 2 ? 'left' : 'right',
  }))
  const now = planTables({ disks: racked }, [{ name: 'a', copies: 3, domain: 'zone', pgs: 64 }])
  assert.is(now.policies[0].membersPerPg, 2)
})

test('2 x 1, then a third peer joins and fills the short PGs; nothing else moves', () => {
  const short = right(cluster([1], [1]), { name: 'a', copies: 3 })
  assert.is(short.policies[0].membersPerPg, 2)
  const grown = right(cluster([1], [1], [1]), { name: 'a', copies: 3 }, short)
  assert.is(grown.moved, 64)
  assert.is(grown.policies[0].membersPerPg, 3)
})

test('3 x 1 with 3 copies: everything everywhere, whatever the weights', () => {
  for (const row of rows(
    right(cluster([1], [1000], [7]), { name: 'a', copies: 3 }).policies[0].table,
  )) {
    assert.equal(row.slice().sort(), ['p0d0', 'p1d0', 'p2d0'])
  }
})

test('3 x 4 unequal disks: by weight inside a peer, one copy per peer', () => {
  const disks = cluster([1, 2, 3, 4], [4, 4, 4, 4], [1, 1, 1, 13])
  const now = right(disks, { name: 'a', copies: 3 })
  const held = (id: string) =>
    rows(now.policies[0].table)
      .flat()
      .filter(one => one === id).length
  assert.is(held('p2d3'), 52)
  assert.is(held('p1d0'), 16)
})

test('weights of 1 : 1000', () => {
  const now = right(cluster([1], [1000], [1000], [1000]), { name: 'a', copies: 2, pgs: 1024 })
  assert.ok(
    rows(now.policies[0].table)
      .flat()
      .filter(id => id === 'p0d0').length <= 1,
  )
})

test('from one disk to seven and back, a step at a time', () => {
  let disks = cluster([3])
  let now = right(disks, { name: 'a', copies: 3 })
  for (let p = 1; p < 7; p++) {
    disks = disks.concat({ id: `p${p}d0`, peer: `p${p}`, weight: 1 + p })
    now = right(disks, { name: 'a', copies: 3 }, now)
  }
  while (disks.length > 1) {
    disks = disks.slice(1)
    now = right(disks, { name: 'a', copies: 3 }, now)
  }
  assert.is(now.policies[0].membersPerPg, 1)
})

test('more copies or fewer: newcomers or leavers alone', () => {
  const disks = cluster([1, 2], [2, 1], [3, 3], [1, 1])
  const three = right(disks, { name: 'a', copies: 3 })
  const four = right(disks, { name: 'a', copies: 4 }, three)
  assert.is(four.moved, 64)
  const back = right(disks, { name: 'a', copies: 3 }, four)
  assert.ok(back.moved <= 2, `${back.moved} moved`)
})

test('PGs double: the old ones stay as they are, the new ones cost nothing', () => {
  const disks = cluster([1, 2], [2, 1], [3, 3], [1, 1])
  const before = right(disks, { name: 'a', copies: 3 })
  const doubled = right(disks, { name: 'a', copies: 3, pgs: 128 }, before)
  assert.is(doubled.policies[0].table.pgs, 128)
  assert.equal([doubled.moved, doubled.lowerBound], [0, 0])
  const kept = rows(before.policies[0].table)
  assert.equal(rows(doubled.policies[0].table).slice(0, 64).map(sorted), kept.map(sorted))
  const uneven = right(cluster([1, 2], [2, 1], [3, 3], [5, 1]), { name: 'a', copies: 3 }, before)
  const both = right(
    cluster([1, 2], [2, 1], [3, 3], [5, 1]),
    { name: 'a', copies: 3, pgs: 256 },
    before,
  )
  assert.ok(both.moved <= uneven.moved, 'what moves is what the targets need of the old ones')
})

test('a disk of another class, label, state or no weight gets nothing', () => {
  const disks: TopologyDisk[] = [
    ...cluster([4], [4], [4]).map(one => ({ ...one, class: 'nvme', labels: ['fast', 'new'] })),
    { id: 'hdd', peer: 'p3', weight: 4, class: 'hdd', labels: ['fast', 'new'] },
    { id: 'plain', peer: 'p4', weight: 4, class: 'nvme', labels: ['fast'] },
    { id: 'empty', peer: 'p5', weight: 0, class: 'nvme', labels: ['fast', 'new'] },
    { id: 'kept', peer: 'p6', weight: 4, reserve: 4, class: 'nvme', labels: ['fast', 'new'] },
    { id: 'off', peer: 'p7', weight: 4, state: 'out', class: 'nvme', labels: ['fast', 'new'] },
  ]
  const policy: Policy = { name: 'a', copies: 2, class: 'nvme', labels: ['new', 'fast'] }
  const used = new Set(rows(right(disks, policy).policies[0].table).flat())
  assert.equal([...used].sort(), ['p0d0', 'p1d0', 'p2d0'])
})

function sorted(row: readonly Id[]): Id[] {
  return row.slice().sort()
}

test.run()
