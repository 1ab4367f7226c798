import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { planInput, policiesNow, topologyOf } from '../../../src/cluster/table-plan.ts'
import { decide } from '../../../src/daemon/reconcile/decide.ts'
import { planFillFactors } from '../../../src/daemon/reconcile/fills.ts'
import { stepsOf } from '../../../src/daemon/reconcile/tables.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { nextBatch, plan } from '../../../src/placement/index.ts'
import { absenceTimes } from '../../helpers/absence-times.ts'
import { addDisk, addPeer, emptyState, makePg, makePolicy } from '../../helpers/cluster-fixture.ts'

const fills = suite('fill factors')
const size = 2 ** 31

/** Six peers with a disk each, a table that placement is content with. */
function settled(): ClusterState {
  const state = emptyState()
  for (let n = 1; n <= 6; n++) addDisk(state, addPeer(state, `p${n}`))
  state.policies.push({ ...makePolicy(1, 'default'), pg_count: 256 })
  apply(state)
  return state
}

function apply(state: ClusterState): void {
  const { table } = plan(planInput(state)).policies[0]!
  state.policies[0]!.pgs = Array.from({ length: table.pgs }, (_, index) => {
    const row = table.slots.subarray(index * 3, index * 3 + 3)
    return makePg(
      index,
      Array.from(row, slot => Number(table.disks[slot])),
    )
  })
}

function used(parts: number[]): Map<number, number> {
  return new Map(parts.map((part, at) => [at + 1, part * size]))
}

function correct(state: ClusterState, parts: number[]): number[] {
  const [command] = planFillFactors(state, used(parts))
  if (command?.type === 'set_fill_factors') {
    for (const [disk, factor] of command.factors)
      state.disks.find(one => one.id === disk)!.fill_factor = factor
  }
  return state.disks.map(disk => disk.fill_factor)
}

fills('a disk fuller than the others gets less, step by step, and comes to rest', () => {
  const state = settled()
  // Groups of the first disk hold half as much again as the others.
  const heavy = (disk: number) => (disk === 1 ? 1.5 : 1)
  const share = () => state.policies[0]!.pgs.filter(pg => pg.members.includes(1)).length
  const before = share()
  const parts = () =>
    state.disks.map(({ id }) => {
      const groups = state.policies[0]!.pgs.filter(pg => pg.members.includes(id)).length
      return (groups / 128) * 0.5 * heavy(id)
    })
  let rounds = 0
  for (; rounds < 40; rounds++) {
    const known = state.disks.map(disk => disk.fill_factor)
    if (JSON.stringify(correct(state, parts())) === JSON.stringify(known)) break
    apply(state)
  }
  assert.ok(rounds > 1 && rounds < 40, `${rounds} rounds`)
  assert.ok(share() < before)
  const [first, ...others] = parts()
  assert.ok(first! < 0.6 || first! - others[0]! < 0.05, `${first} and ${others[0]}`)
})

fills('nothing is corrected before a disk gets full, while data moves, or within 2 %', () => {
  const state = settled()
  const one = Array.from({ length: 6 }, () => 1024)
  assert.equal(correct(state, [0.6, 0.2, 0.2, 0.2, 0.2, 0.2]), one)
  assert.equal(correct(state, [0.7, 0.69, 0.7, 0.71, 0.7, 0.7]), one)
  state.policies[0]!.pgs[0]!.in_sync.pop()
  assert.equal(correct(state, [0.9, 0.2, 0.2, 0.2, 0.2, 0.2]), one)
  state.policies[0]!.pgs[0] = makePg(0, state.policies[0]!.pgs[0]!.members)
  state.disks[0]!.state = 'out'
  assert.equal(correct(state, [0.9, 0.2, 0.2, 0.2, 0.2, 0.2])[1], 1024)
})

fills('disks of which nothing is known keep their share', () => {
  const state = settled()
  const known = new Map([
    [1, 0.9 * size],
    [2, 0.5 * size],
  ])
  const [command] = planFillFactors(state, known)
  assert.ok(command?.type === 'set_fill_factors')
  assert.equal(
    command.factors.map(([disk]) => disk),
    [1, 2],
  )
  assert.ok(command.factors[0]![1] < 1024 && command.factors[1]![1] > 1024)
})

fills('it comes after everything else, and only when it is time', () => {
  const state = settled()
  const sessions = state.peers.map(({ id }) => ({ peer: id, isLive: true }))
  const limits = { joinsMax: 8, holdBackMsMax: 0, rowsMax: 100 }
  const usedBytes = used([0.9, 0.2, 0.2, 0.2, 0.2, 0.2])
  const nowMs = state.time_ms
  const batch = () =>
    nextBatch(policiesNow(state, plan(planInput(state))), topologyOf(state), stepsOf(state))
  const absences = absenceTimes(state, nowMs)
  const knowledge = { state, sessions, batch: batch(), usedBytes, nowMs, absences }
  assert.equal(decide({ ...knowledge, usedBytes: null }, limits), [])
  assert.equal(
    decide(knowledge, limits).map(one => one.type),
    ['set_fill_factors'],
  )
  state.disks[5]!.state = 'draining'
  const types = decide({ ...knowledge, batch: batch() }, limits)
  assert.not(types.some(one => one.type === 'set_fill_factors'))
})

fills.run()
