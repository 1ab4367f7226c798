import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { planInput, policiesNow, topologyOf } from '../../../src/cluster/table-plan.ts'
import { decide } from '../../../src/daemon/reconcile/decide.ts'
import { groupsTotalMax, planGrowth } from '../../../src/daemon/reconcile/growth.ts'
import { stepsOf } from '../../../src/daemon/reconcile/tables.ts'
import type { ClusterState, PolicyRecord } from '../../../src/data/state.ts'
import { nextBatch, plan } from '../../../src/placement/index.ts'
import { absenceTimes } from '../../helpers/absence-times.ts'
import { addDisk, addPeer, emptyState, makePg, makePolicy } from '../../helpers/cluster-fixture.ts'
import { applyTopology } from '../../helpers/pretend-topology.ts'

const growth = suite('growth of groups')

/** Peers with a disk each, and a policy of 128 groups that are all in place: right for three. */
function cluster(peers: number): { state: ClusterState; policy: PolicyRecord } {
  const state = emptyState()
  for (let n = 1; n <= peers; n++) addDisk(state, addPeer(state, `p${n}`))
  const policy = { ...makePolicy(1, 'default'), pg_count: 128, follows_disks: true }
  state.policies.push(policy)
  place(state)
  return { state, policy }
}

function place(state: ClusterState): void {
  plan(planInput(state)).policies.forEach(({ table }, at) => {
    const rowOf = (index: number) =>
      [...table.slots.subarray(index * table.width, (index + 1) * table.width)]
        .map(slot => table.disks[slot])
        .filter(id => id !== undefined)
        .map(Number)
    const pgs = Array.from({ length: table.pgs }, (_, index) => makePg(index, rowOf(index)))
    state.policies[at]!.pgs = pgs
  })
}

/** What it asks for, as far as the counts go. */
function asked(state: ClusterState): number[] {
  return planGrowth(state).flatMap(one => (one.type === 'grow_policy' ? [one.pg_count] : []))
}

growth('twice as many as soon as they are due, with an event; then there is peace', () => {
  assert.equal(planGrowth(cluster(3).state), [])
  const { state, policy } = cluster(4)
  const [command, event] = planGrowth(state)
  assert.equal(command, { type: 'grow_policy', policy: 1, expected: 128, pg_count: 256 })
  assert.ok(event?.type === 'record_event')
  assert.match(event.message, 'policy default has 256 placement groups instead of 128')
  const membersOf = () => policy.pgs.slice(0, 128).map(pg => [...pg.members].sort())
  const before = membersOf()
  applyTopology(state, command!)
  assert.equal(planGrowth(state), [], 'the new groups have no place yet')
  place(state)
  assert.equal(planGrowth(state), [])
  assert.equal(membersOf(), before, 'nothing moves')
})

growth('many disks at once are one step', () => {
  assert.equal(asked(cluster(40).state), [2048])
})

growth('never fewer, and no step back and forth when disks come and go', () => {
  const { state } = cluster(4)
  applyTopology(state, planGrowth(state)[0]!)
  place(state)
  for (let round = 0; round < 5; round++) {
    state.disks[3]!.state = round % 2 === 0 ? 'out' : 'in'
    assert.equal(planGrowth(state), [])
  }
})

growth('a count that somebody gave is kept', () => {
  const { state, policy } = cluster(4)
  policy.follows_disks = false
  assert.equal(planGrowth(state), [])
})

growth('only disks that the policy may use count, and those that are away do', () => {
  const of = (change: (state: ClusterState) => void) => {
    const { state } = cluster(4)
    change(state)
    return asked(state)
  }
  assert.equal(
    of(state => {
      state.disks[3]!.state = 'down'
    }),
    [256],
  )
  for (const standing of ['draining', 'out'] as const) {
    assert.equal(
      of(state => {
        state.disks[3]!.state = standing
      }),
      [],
    )
    assert.equal(
      of(state => {
        state.peers[3]!.state = standing
      }),
      [],
    )
  }
  assert.equal(
    of(state => {
      state.disks[3]!.weight = 0
    }),
    [],
  )
  assert.equal(
    of(state => {
      state.policies[0]!.class = 'nvme'
    }),
    [],
  )
  assert.equal(
    of(state => {
      for (const disk of state.disks.slice(1)) disk.labels = ['new']
      state.policies[0]!.labels = ['new']
    }),
    [],
  )
})

growth('it waits for what is not in place, of that policy alone', () => {
  const { state, policy } = cluster(4)
  policy.pgs[5]!.in_sync = policy.pgs[5]!.members.slice(1)
  assert.equal(planGrowth(state), [])
  place(state)
  // No disk will ever do for this one.
  state.policies.push({ ...makePolicy(2, 'cold'), class: 'hdd', follows_disks: true })
  assert.equal(asked(state), [256])
})

growth('not beyond what the cluster state may hold', () => {
  const { state } = cluster(4)
  const other = { ...makePolicy(2, 'other'), pgs: [] }
  state.policies.push({ ...other, pg_count: groupsTotalMax - 255 })
  assert.equal(planGrowth(state), [])
  state.policies[1]!.pg_count--
  assert.equal(asked(state), [256])
})

growth('it comes after everything else that is to be done', () => {
  const { state } = cluster(4)
  const sessions = state.peers.map(({ id }) => ({ peer: id, isLive: true }))
  const limits = { joinsMax: 8, rowsMax: 100, holdBackMsMax: 0 }
  const types = () => {
    const now = policiesNow(state, plan(planInput(state)))
    const batch = nextBatch(now, topologyOf(state), stepsOf(state))
    const nowMs = state.time_ms
    const absences = absenceTimes(state, nowMs)
    const knowledge = { state, sessions, batch, usedBytes: null, nowMs, absences }
    return decide(knowledge, limits).map(one => one.type)
  }
  assert.equal(types(), ['grow_policy', 'record_event'])
  addDisk(state, 4)
  assert.not(types().includes('grow_policy'), 'members move to the new disk first')
})

growth.run()
