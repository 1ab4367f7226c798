import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { planTargets } from '../../../src/cluster/table-plan.ts'
import { addDisk, addPeer, emptyState, makePolicy } from '../../helpers/cluster-fixture.ts'

const plan = suite('table plan')

plan('peers of one named rack need no zone', () => {
  const state = emptyState()
  for (const name of ['p1', 'p2', 'p3', 'p4']) {
    const peer = addPeer(state, name)
    addDisk(state, peer)
    state.peers[peer - 1]!.domains.rack = peer <= 2 ? 'r1' : 'r2'
  }
  const policy = makePolicy(1, 'default', 2)
  state.policies.push({ ...policy, failure_domain: 'rack', pgs: [] })
  const rows = planTargets(state).get(1)!
  assert.is(rows.length, policy.pg_count)
  for (const row of rows) {
    assert.is(row.filter(disk => disk <= 2).length, 1, `${row}`)
    assert.is(row.filter(disk => disk > 2).length, 1, `${row}`)
  }
})

plan.run()
