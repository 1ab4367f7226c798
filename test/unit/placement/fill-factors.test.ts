import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nextFillFactors } from '../../../src/placement/fill-factors.ts'
import {
  type PgTable,
  type Policy,
  planTables,
  type TopologyDisk,
} from '../../../src/placement/index.ts'
import { Dice, rows } from './world.ts'

const test = suite('placement: weights by measured fill')

const DISKS: TopologyDisk[] = Array.from({ length: 24 }, (_, i) => ({
  id: i,
  peer: `p${i >> 1}`,
  weight: i % 3 === 0 ? 200 : 100,
}))

/** Part of each disk that is used, when the PGs hold `sizes`. */
function fills(table: PgTable, sizes: readonly number[]): Map<unknown, number> {
  const used = new Map<unknown, number>()
  rows(table).forEach((row, pg) => {
    for (const id of row) used.set(id, (used.get(id) ?? 0) + sizes[pg])
  })
  return new Map(DISKS.map(one => [one.id, (used.get(one.id) ?? 0) / (one.weight ?? 1)]))
}

test('disks that got heavy PGs come back to the mean, and then nothing moves any more', () => {
  const dice = new Dice(8)
  const sizes = Array.from({ length: 1024 }, () => dice.pick([0.2, 0.5, 2]))
  const policy: Policy = { name: 'a', copies: 2, pgs: 1024 }
  let disks = DISKS
  let table = planTables({ disks }, [policy]).policies[0].table
  const widest = () => {
    const list = [...fills(table, sizes).values()]
    return Math.max(...list) - Math.min(...list)
  }
  const before = widest()
  let still = 0
  for (let round = 0; round < 30; round++) {
    const measured = fills(table, sizes)
    disks = disks.map(one => ({ ...one, fill: Math.min(1, measured.get(one.id) ?? 0) }))
    const factors = new Map(nextFillFactors({ disks }).map(one => [one.id, one.factor]))
    disks = disks.map(one => ({ ...one, factor: factors.get(one.id) ?? 1 }))
    const next = planTables({ disks }, [policy], [table]).policies[0]
    still = next.moved === 0 ? still + 1 : 0
    table = next.table
  }
  assert.ok(before > 0.1, `only ${before} apart to begin with`)
  assert.ok(widest() < before / 2, `${widest()} apart, ${before} before`)
  assert.ok(still >= 3, 'it never comes to rest')
})

test('within 2 % of the mean, unmeasured, or nearly empty: the factor stays', () => {
  const at = (fill: number | null, factor: number): TopologyDisk => ({
    id: `${fill}`,
    peer: `${fill}`,
    weight: 1,
    fill,
    factor,
  })
  const near = [at(0.5, 1.2), at(0.515, 0.8), at(0.49, 1), at(null, 0.7)]
  assert.equal(
    nextFillFactors({ disks: near })
      .map(one => one.factor)
      .sort(),
    [0.7, 0.8, 1, 1.2],
  )
  const empty = [at(0.001, 1.2), at(0.04, 0.8)]
  assert.equal(
    nextFillFactors({ disks: empty }).map(one => one.factor),
    [1.2, 0.8],
  )
})

test('one correction is at most a tenth, all of them at most half or double', () => {
  let disks: TopologyDisk[] = [
    { id: 'full', peer: 'a', weight: 1, fill: 1 },
    { id: 'empty', peer: 'b', weight: 1, fill: 0 },
  ]
  for (let round = 0; round < 20; round++) {
    const next = nextFillFactors({ disks })
    disks = disks.map(one => ({
      ...one,
      factor: next.find(other => other.id === one.id)?.factor ?? 1,
    }))
    const [full, empty] = disks
    if (round === 0) {
      assert.ok((full.factor ?? 0) > 0.9 && (full.factor ?? 0) < 0.92)
      assert.ok((empty.factor ?? 0) > 1.09 && (empty.factor ?? 0) < 1.11)
    }
  }
  assert.equal(
    disks.map(one => one.factor),
    [0.5, 2],
  )
})

test.run()
