import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { goneDisks, planRecovery, type Seen } from '../../../src/volume/recovery.ts'
import { makeVolume, threePeers } from '../../helpers/cluster-fixture.ts'

const recovery = suite('volume recovery')
const extent = 1024 * 4096

function scene(inSync: number[], out: { disk: number; out_at: number; full: boolean }[]) {
  const state = threePeers()
  const volume = { ...makeVolume(1, 'db'), size_bytes: 64 * extent + 4096 }
  state.volumes.push(volume, makeVolume(2, 'other'))
  const pg = state.policies[0]!.pgs[0]!
  pg.in_sync = inSync
  pg.out = out
  return { state, volume }
}

const nothingSeen: Seen = { isPeerAway: () => false, storeState: () => 'open' }

const out = [
  { disk: 1, out_at: 4, full: false },
  { disk: 2, out_at: 7, full: false },
]

recovery('the newest stale member goes on where every copy in sync is gone', () => {
  const { state, volume } = scene([3], out)
  state.peers[2]!.state = 'down'
  const plan = planRecovery(state, volume, goneDisks(state, nothingSeen))
  assert.equal(plan.promotions, [{ pg: { policy: 1, index: 0 }, disk: 2, expected: 1 }])
  assert.equal(plan.others, ['other'])
  const total = plan.ranges.reduce((sum, range) => sum + range.length, 0)
  assert.is(total, plan.old_bytes)
  assert.ok(total > 4 * extent && total < 40 * extent, `${total}`)
  const ends = plan.ranges.map(range => range.offset + range.length)
  assert.ok(ends.every((end, at) => end < (plan.ranges[at + 1]?.offset ?? Infinity)))
  assert.ok(ends.at(-1)! <= volume.size_bytes)
})

recovery('nothing is given up while a copy in sync may come back or is there', () => {
  const { state, volume } = scene([3], out)
  const plan = planRecovery(state, volume, goneDisks(state, nothingSeen))
  assert.equal([plan.promotions, plan.ranges, plan.others], [[], [], []])
})

recovery('what is worth nothing, or gone as well, is no copy', () => {
  const { state, volume } = scene([3], [{ ...out[1]!, full: true }, out[0]!])
  state.peers[2]!.state = 'down'
  state.disks[0]!.state = 'down'
  const plan = planRecovery(state, volume, goneDisks(state, nothingSeen))
  assert.is(plan.hopeless, 1)
  assert.equal(plan.promotions, [])
})

for (const standing of ['draining', 'out'] as const) {
  recovery(`a peer or a disk that is ${standing} serves on, and is not gone`, () => {
    for (const what of ['peer', 'disk'] as const) {
      const { state, volume } = scene([3], out)
      if (what === 'peer') state.peers[2]!.state = standing
      else state.disks[2]!.state = standing
      const plan = planRecovery(state, volume, goneDisks(state, nothingSeen))
      assert.equal([plan.promotions, plan.hopeless], [[], 0], what)
    }
  })

  recovery(`a peer or a disk that is ${standing} is gone once it is away`, () => {
    const { state } = scene([3], out)
    state.peers[2]!.state = standing
    const silent: Seen = { ...nothingSeen, isPeerAway: peer => peer === 3 }
    assert.equal([...goneDisks(state, silent)], [3])
    state.peers[2]!.state = 'in'
    state.disks[2]!.state = standing
    const broken: Seen = { ...nothingSeen, storeState: disk => (disk === 3 ? 'failed' : 'open') }
    assert.equal([...goneDisks(state, broken)], [3])
  })
}

recovery('a disk that was given up while it was down is gone until it is taken back', () => {
  const { state } = scene([3], out)
  state.disks[2]!.state = 'out'
  state.given_up = [3]
  assert.is(goneDisks(state, nothingSeen).size, 0, 'its peer was away, and is back')
  state.disks_down = [{ disk: 3, since_ms: 1 }]
  assert.equal([...goneDisks(state, nothingSeen)], [3])
})

recovery('a peer that the leader counts on is there, whatever was heard of it', () => {
  const { state } = scene([3], out)
  assert.is(goneDisks(state, { isPeerAway: () => true, storeState: () => 'failed' }).size, 0)
})

recovery.run()
