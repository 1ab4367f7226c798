import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { heldDisks, holds } from '../../../src/cluster/flapping.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { addDisk, threePeers } from '../../helpers/cluster-fixture.ts'

const flapping = suite('flapping')

const start = 1_700_000_000_000
const most = 120_000

function lose(
  state: ClusterState,
  subject: string,
  atMs: number,
  why = 'two peers cannot reach it',
) {
  const message = `left the in-sync sets of 4 placement groups: ${why}`
  const id = state.events.length + 1
  const event = { id, time_ms: atMs, severity: 'warn' as const, code: 'member_removed' }
  state.events.push({ ...event, message, subject })
}

flapping('the first losses cost nothing; then ever more time, up to a bound', () => {
  const state = threePeers()
  const waits: number[] = []
  for (let loss = 0; loss < 10; loss++) {
    const atMs = start + loss * 30_000
    lose(state, 'peer 3', atMs)
    const [hold] = holds(state, atMs, most)
    waits.push(hold ? (hold.untilMs - atMs) / 1000 : 0)
  }
  assert.equal(waits, [0, 0, 5, 10, 20, 40, 80, 120, 120, 120])
  assert.equal(holds(state, start + 9 * 30_000 + 120_000, most), [], 'it is over')
  assert.equal(holds(state, start + 9 * 30_000, 0), [], 'by the settings')
})

flapping('what happens at once is one loss; what was ordered, or is long ago, is none', () => {
  const state = threePeers()
  for (let part = 0; part < 6; part++) lose(state, 'peer 3', start + part * 100)
  assert.equal(holds(state, start + 600, most), [])
  for (let part = 1; part < 6; part++) lose(state, 'disk 2', start + part * 10_000, 'as ordered')
  assert.equal(holds(state, start + 60_000, most), [])
  for (let loss = 1; loss < 4; loss++) lose(state, 'disk 1', start + loss * 10_000)
  assert.is(holds(state, start + 31_000, most).length, 1)
  assert.equal(holds(state, start + 700_000, most), [])
  assert.equal(holds(state, start - 86_400_000, most), [], 'the clock was set back')
})

flapping('a peer is held back with all of its disks, a disk alone', () => {
  const state = threePeers()
  addDisk(state, 3)
  const of = (subject: string) => [...heldDisks(state, [{ subject, losses: 3, untilMs: 1 }])]
  assert.equal(of('peer 3'), [3, 4])
  assert.equal(of('disk 4'), [4])
  assert.equal(of('disk 44'), [])
})

flapping.run()
