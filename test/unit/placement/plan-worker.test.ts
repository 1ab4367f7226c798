import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CAPACITY_DEFAULTS,
  capacityOf,
  PlacementError,
  type PlanInput,
  plan,
} from '../../../src/placement/index.ts'
import {
  capacityOffLoop,
  INLINE_SIZE_MAX,
  planOffLoop,
} from '../../../src/placement/plan-worker.ts'
import { sameTable } from './world.ts'

const test = suite('placement: planning in a thread')

function input(pgs: number): PlanInput {
  const disks = Array.from({ length: 60 }, (_, i) => ({
    id: i,
    peer: `p${i >> 2}`,
    weight: 1 + (i % 3),
  }))
  return { topology: { disks }, policies: [{ name: 'a', copies: 3, pgs }] }
}

test('the thread returns what the event loop would have', async () => {
  for (const pgs of [64, 4096]) {
    const here = plan(input(pgs))
    const there = await planOffLoop(input(pgs))
    assert.ok(sameTable(here.policies[0].table, there.policies[0].table))
    assert.equal(there.spread, here.spread)
  }
  assert.ok(4096 * 3 > INLINE_SIZE_MAX, 'the larger one runs in the thread')
})

test('so does what a plan means for capacity, with its errors', async () => {
  for (const pgs of [64, 4096]) {
    const { topology, policies } = input(pgs)
    const { table } = plan(input(pgs)).policies[0]
    const disks = topology.disks.slice(4)
    const next = { topology: { disks }, policies, previous: [table] }
    const here = capacityOf(next, plan(next), CAPACITY_DEFAULTS)
    assert.ok(here.moved > 0 && here.moves.length > 0)
    assert.equal(await capacityOffLoop(next, CAPACITY_DEFAULTS), here)
    const options = { bytesPerSecond: -1, usedBytes: null }
    const error = await capacityOffLoop(next, options).catch(caught => caught)
    assert.is((error as PlacementError).code, 'bad_limits')
  }
})

test('the event loop turns while the thread plans', async () => {
  let turns = 0
  const planned = planOffLoop(input(65_536))
  const isDone = { value: false }
  planned.then(() => {
    isDone.value = true
  })
  while (!isDone.value) {
    turns++
    await new Promise(resolve => {
      setImmediate(resolve)
    })
  }
  await planned
  assert.ok(turns > 10, `${turns} turns`)
})

test('errors keep their name on the way', async () => {
  for (const pgs of [64, 8192]) {
    const bad = input(pgs)
    const twice = [...bad.topology.disks, bad.topology.disks[0]]
    const error = await planOffLoop({ ...bad, topology: { disks: twice } }).catch(caught => caught)
    assert.instance(error, PlacementError)
    assert.is((error as PlacementError).code, 'duplicate_disk')
  }
})

test.run()
