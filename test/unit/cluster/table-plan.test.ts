import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { byTables, byTopology, Planner } from '../../../src/cluster/planner.ts'
import { planInput, planState, topologyOf } from '../../../src/cluster/table-plan.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { HOLE, type PgTable, plan as planNow } from '../../../src/placement/index.ts'
import {
  addDisk,
  addPeer,
  emptyState,
  makePg,
  makePolicy,
  threePeers,
} from '../../helpers/cluster-fixture.ts'

const plan = suite('table plan')

function rows(table: PgTable): number[][] {
  return Array.from({ length: table.pgs }, (_, index) =>
    Array.from(table.slots.subarray(index * table.width, (index + 1) * table.width))
      .filter(slot => slot !== HOLE)
      .map(slot => Number(table.disks[slot])),
  )
}

function peers(count: number, copies: number): ClusterState {
  const state = emptyState()
  for (let n = 1; n <= count; n++) addDisk(state, addPeer(state, `p${n}`))
  state.policies.push({ ...makePolicy(1, 'default', copies), pg_count: 64, pgs: [] })
  return state
}

function planned(state: ClusterState): number[][] {
  return rows(planNow(planInput(state)).policies[0]!.table)
}

plan('peers of one named rack need no zone', () => {
  const state = peers(4, 2)
  state.peers.forEach((peer, at) => {
    peer.domains.rack = at < 2 ? 'r1' : 'r2'
  })
  state.policies[0]!.failure_domain = 'rack'
  for (const row of planned(state)) {
    assert.is(row.filter(disk => disk <= 2).length, 1, `${row}`)
    assert.is(row.filter(disk => disk > 2).length, 1, `${row}`)
  }
})

plan('weights, reserve, labels, class and bounds of the state reach the plan', () => {
  const state = peers(6, 3)
  const policy = state.policies[0]!
  const membersOn = (disk: number) => planned(state).filter(row => row.includes(disk)).length
  assert.is(membersOn(1), 32)
  state.disks[0]!.weight = 0
  assert.is(membersOn(1), 0)
  state.disks[0]!.weight = 2
  state.disks[0]!.reserve_bytes = state.disks[0]!.size_bytes / 2
  assert.is(membersOn(1), Math.round((64 * 3) / 11))
  state.disks[0]!.reserve_bytes = 0
  for (const disk of state.disks.slice(0, 4)) disk.labels = ['fast', 'new']
  policy.labels = ['fast']
  assert.equal([membersOn(1), membersOn(5), membersOn(6)], [48, 0, 0])
  policy.labels = []
  state.disks[5]!.class = 'hdd'
  policy.class = 'ssd'
  assert.is(membersOn(6), 0)
  policy.class = null
  state.peers.forEach((peer, at) => {
    peer.domains.rack = at < 3 ? 'r1' : 'r2'
  })
  policy.max_per = { rack: 2 }
  assert.ok(planned(state).every(row => row.filter(disk => disk <= 3).length <= 2))
  policy.localize = { peer: 6 }
  assert.is(membersOn(6), 64)
})

plan(
  'a peer that drains or is out keeps nothing, whatever its disks say; down moves nothing',
  () => {
    const state = peers(5, 3)
    const before = planned(state)
    state.policies[0]!.pgs = before.map((row, index) => makePg(index, row))
    for (const standing of ['draining', 'out'] as const) {
      state.peers[4]!.state = standing
      assert.not(planned(state).some(row => row.includes(5)))
      assert.is(topologyOf(state).disks[4]!.state, standing)
    }
    state.peers[4]!.state = 'down'
    assert.equal(planned(state), before)
  },
)

plan('joins under way count as done, members on their way out do not', () => {
  const state = threePeers()
  addDisk(state, addPeer(state, 'p4'))
  const policy = state.policies[0]!
  policy.pgs[0] = makePg(0, [1, 2, 4, 3], [1, 2, 3])
  const [table] = planInput(state).previous!
  assert.equal(rows(table!)[0], [1, 2, 4])
})

plan('a plan is kept as long as what it was made from', async () => {
  const state = threePeers()
  const carrying = new Planner(byTopology)
  const showing = new Planner(byTables)
  const [first, shown] = [carrying.plan(state), showing.plan(state)]
  state.policies[0]!.table_epoch++
  assert.is(carrying.plan(state), first)
  assert.is.not(showing.plan(state), shown)
  carrying.forget()
  assert.is.not(carrying.plan(state), first)
  const again = carrying.plan(state)
  state.topology_epoch++
  assert.is.not(carrying.plan(state), again)
  assert.ok('plan' in (await again))
})

plan('what cannot be placed is a value with a reason', async () => {
  const state = threePeers()
  state.peers[0]!.domains = { rack: 'r1', zone: 'a' }
  state.peers[1]!.domains = { rack: 'r1', zone: 'b' }
  const planned = await new Planner(byTopology).plan(state)
  assert.ok('fault' in planned)
  assert.is(planned.fault.code, 'not_a_tree')
  let thrown: unknown
  await planState(state).catch(error => {
    thrown = error
  })
  assert.is((thrown as { code: string }).code, 'not_a_tree')
})

plan.run()
