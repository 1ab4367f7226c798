import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CAPACITY_DEFAULTS, planCapacity } from '../../../src/placement/capacity.ts'
import {
  PlacementError,
  type PlacementErrorCode,
  planTables,
} from '../../../src/placement/index.ts'
import { treeOf } from '../../../src/placement/tree-view.ts'

const test = suite('placement: capacity planning and the tree')

function disks(peers: number) {
  return Array.from({ length: peers * 2 }, (_, i) => ({
    id: `d${i}`,
    peer: `p${i >> 1}`,
    rack: `r${i >> 2}`,
    zone: `z${i >> 3}`,
    weight: 4,
  }))
}

const POLICIES = [
  { name: 'fast', copies: 3, domain: 'rack' as const, pgs: 256 },
  { name: 'cold', ec: '4+2', max_per: { rack: 2 }, pgs: 64 },
]

test('from a file and back: the output is the next previous', () => {
  const first = planCapacity({ policies: POLICIES, disks: disks(8) })
  assert.is(first.moved, 0)
  assert.is(first.seconds, 0)
  assert.is(first.spread_before, null)
  const file = JSON.parse(JSON.stringify(first))
  const same = planCapacity({ policies: POLICIES, disks: disks(8) }, file)
  assert.is(same.moved, 0)
  assert.equal(JSON.stringify(same.policies), JSON.stringify(first.policies))

  const grown = planCapacity({ policies: POLICIES, disks: disks(10) }, file)
  assert.ok(grown.moved > 0 && grown.moved <= grown.lower_bound * 1.05 + 2)
  assert.is(
    grown.moves.reduce((sum, move) => sum + move.members, 0),
    grown.moved,
  )
  assert.is(
    grown.disks.reduce((sum, disk) => sum + disk.arriving, 0),
    grown.moved,
  )
  assert.is(
    grown.disks.reduce((sum, disk) => sum + disk.leaving, 0),
    grown.moved,
  )
  assert.ok(grown.moves.every(move => move.to === 'p8' || move.to === 'p9'))
  assert.ok((grown.spread_before?.peer ?? 0) > 10 && grown.spread.peer < 1)
})

test('how long it takes: the busiest disk at the given rate', () => {
  const first = planCapacity({ policies: POLICIES, disks: disks(8) })
  const options = { bytesPerSecond: 1000, usedBytes: 1_152_000 }
  const grown = planCapacity({ policies: POLICIES, disks: disks(10) }, first, options)
  // 256 x 3 + 64 x 6 members share the bytes: 1,000 each.
  const busiest = Math.max(...grown.disks.map(disk => Math.max(disk.arriving, disk.leaving)))
  assert.is(grown.seconds, busiest)
  assert.is(grown.moved_bytes, grown.moved * 1000)
})

test('what can fail', () => {
  const now = planCapacity({ policies: POLICIES, disks: disks(8) })
  assert.equal(now.policies[0].tolerates, {
    disk: 2,
    peer: 2,
    rack: 2,
    zone: now.policies[0].tolerates.zone,
  })
  assert.equal(now.policies[1].tolerates.peer, 2)
  assert.equal(now.policies[1].tolerates.rack, 1)
  const single = planCapacity({ policies: [{ name: 'a', copies: 1, pgs: 64 }], disks: disks(2) })
  assert.equal(single.policies[0].tolerates, { disk: 0, peer: 0, rack: 0, zone: 0 })
})

test('a disk that is gone: its members are made anew, from nobody in particular', () => {
  const first = planCapacity({ policies: POLICIES, disks: disks(8) })
  const lost = planCapacity({ policies: POLICIES, disks: disks(8).slice(1) }, first)
  const held = first.policies
    .flatMap(policy => policy.table.flat())
    .filter(id => id === 'd0').length
  assert.ok(lost.moved <= lost.lower_bound * 1.06, `${lost.moved}, at least ${lost.lower_bound}`)
  const anew = lost.moves.filter(move => move.from === null)
  assert.is(
    anew.reduce((sum, move) => sum + move.members, 0),
    held,
  )
})

test('files that are something else get a named error', () => {
  const good = { policies: POLICIES, disks: disks(8) }
  const refuses = (code: PlacementErrorCode, act: () => unknown) => {
    try {
      act()
    } catch (error) {
      assert.instance(error, PlacementError, String((error as Error).stack))
      assert.is((error as PlacementError).code, code)
      return
    }
    assert.unreachable(`no error, wanted ${code}`)
  }
  for (const bad of [null, undefined, 7, [], {}, { policies: [] }, { disks: [] }]) {
    refuses('bad_input', () => planCapacity(bad))
  }
  for (const bad of [null, 7, {}, { policies: 3 }])
    refuses('bad_input', () => planCapacity(good, bad))
  for (const name of ['weight', 'size', 'reserve', 'factor']) {
    const [first, ...others] = disks(2)
    const lost = { ...good, disks: [{ ...first, [name]: null }, ...others] }
    refuses('bad_weight', () => planCapacity(lost))
  }
  refuses('bad_id', () => planCapacity(good, { policies: [{ table: [] }] }))
  for (const table of [null, {}, [7], [['d0', 'd1'], 'x'], [new Array(17).fill('d0')]]) {
    refuses('bad_table', () => planCapacity(good, { policies: [{ name: 'fast', table }] }))
  }
  refuses('bad_id', () => planCapacity(good, { policies: [{ name: 'fast', table: [[{}]] }] }))
  refuses('bad_table', () =>
    planCapacity(good, { policies: [{ name: 'fast', table: [['d0'], ['d1'], []] }] }),
  )
  refuses('pg_count_shrinks', () =>
    planCapacity(good, { policies: [{ name: 'fast', table: new Array(512).fill(['d0']) }] }),
  )
  const twice = [['d0', 'd2', 'd0']]
  refuses('bad_table', () => planCapacity(good, { policies: [{ name: 'fast', table: twice }] }))
  const mistyped = { policies: [{ name: 'fast', table: [['d0', 'd2', 'dO']] }] }
  refuses('unknown_disk', () => planCapacity(good, { ...mistyped, disks: [{ disk: 'd0' }, null] }))
  const place = { name: 'a', copies: 2, localize: { peer: 'p0', zona: 'z1' } }
  refuses('unknown_field', () => planCapacity({ ...good, policies: [place] }))
  refuses('bad_limits', () =>
    planCapacity(good, undefined, { ...CAPACITY_DEFAULTS, bytesPerSecond: 0 }),
  )
})

test('the largest file fits: 262,144 PGs', () => {
  const table = new Array(262_144).fill(['d0'])
  const policies = [{ name: 'a', copies: 1, pgs: 262_144 }]
  const now = planCapacity({ policies, disks: disks(2) }, { policies: [{ name: 'a', table }] })
  assert.is(now.moved, 196_608)
})

test('the tree has every domain once, with its sums', () => {
  const list = disks(8).map((one, i) => ({ ...one, fill: i < 8 ? 0.25 : null }))
  const { table } = planTables({ disks: list }, [{ name: 'a', copies: 2, pgs: 256 }]).policies[0]
  const tree = treeOf({ disks: list }, [table])
  assert.equal(
    tree.map(node => node.name),
    ['z0', 'z1'],
  )
  assert.equal(
    tree.map(node => node.fill),
    [0.25, null],
  )
  assert.equal(
    tree.map(node => node.members),
    [256, 256],
  )
  assert.equal(
    tree.map(node => node.weight),
    [32, 32],
  )
  assert.equal(
    tree[0].children.map(node => node.name),
    ['r0', 'r1'],
  )
  assert.equal(
    tree[0].children[0].children.map(node => node.name),
    ['p0', 'p1'],
  )
  const leaf = tree[1].children[1].children[1].children[1]
  assert.equal(
    { ...leaf, children: [] },
    {
      level: 'disk',
      name: 'd15',
      weight: 4,
      fill: null,
      members: 32,
      share: 32 / 512,
      state: 'in',
      class: '',
      children: [],
    },
  )
})

test.run()
