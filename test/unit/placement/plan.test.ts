import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Policy, plan, planTables, type TopologyDisk } from '../../../src/placement/index.ts'
import {
  Dice,
  deviation,
  disk,
  faults,
  randomChange,
  randomDisks,
  rows,
  sameTable,
} from './world.ts'

const test = suite('placement: plan')

const POLICIES: readonly Policy[] = [
  { name: 'a', copies: 1, domain: 'disk' },
  { name: 'a', copies: 2, domain: 'disk' },
  { name: 'a', copies: 2 },
  { name: 'a', copies: 3 },
  { name: 'a', copies: 3, domain: 'rack' },
  { name: 'a', copies: 3, domain: 'zone' },
  { name: 'a', copies: 5, domain: 'peer', max_per: { rack: 2 } },
  { name: 'a', copies: 7, domain: 'disk', max_per: { peer: 2, zone: 4 } },
  { name: 'a', ec: '4+2', max_per: { rack: 2 } },
  { name: 'a', ec: '8+3', domain: 'disk', max_per: { peer: 2, rack: 4 } },
]

function check(disks: readonly TopologyDisk[], policy: Policy, result: ReturnType<typeof plan>) {
  assert.equal(faults(disks, policy, result.policies[0]), [])
  assert.ok(deviation(result) < 1, `off by ${deviation(result)}: ${JSON.stringify(result.spread)}`)
  assert.ok(result.moved >= result.lowerBound)
}

test('random topologies and changes: rules hold, every domain is within one slot', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const dice = new Dice(seed)
    let disks = randomDisks(dice, { zones: 4, racks: 3, peers: 4, disks: 4 })
    const policy = { ...dice.pick(POLICIES), pgs: dice.pick([16, 64, 256]) }
    let now = plan({ topology: { disks }, policies: [policy] })
    check(disks, policy, now)
    for (let change = 0; change < 6; change++) {
      disks = randomChange(dice, disks, seed * 100 + change)
      const previous = now.policies.map(one => one.table)
      now = plan({ topology: { disks: dice.shuffled(disks) }, policies: [policy], previous })
      check(disks, policy, now)
    }
  }
})

test('repeating an unchanged map moves nothing and changes no position', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const dice = new Dice(seed)
    const disks = randomDisks(dice, { zones: 3, racks: 3, peers: 4, disks: 4 })
    const policy = { ...dice.pick(POLICIES), pgs: 128 }
    const first = planTables({ disks }, [policy])
    const again = planTables({ disks }, [policy], [first.policies[0].table])
    assert.is(again.moved, 0)
    assert.ok(sameTable(first.policies[0].table, again.policies[0].table))
  }
})

test('the order in which disks and policies are listed does not matter', () => {
  const dice = new Dice(5)
  const disks = randomDisks(dice, { zones: 3, racks: 3, peers: 4, disks: 4 })
  const policies: Policy[] = [
    { name: 'x', copies: 3, pgs: 64 },
    { name: 'y', copies: 2, domain: 'rack', pgs: 128 },
  ]
  const one = planTables({ disks }, policies)
  const other = planTables({ disks: dice.shuffled(disks) }, policies.slice().reverse())
  assert.ok(sameTable(one.policies[0].table, other.policies[1].table))
  assert.ok(sameTable(one.policies[1].table, other.policies[0].table))
})

test('a peer that leaves and returns before its data moved costs nothing', () => {
  const disks = Array.from({ length: 24 }, (_, i) => disk(0, i % 3, i >> 1, i % 2, 4))
  const policy: Policy = { name: 'a', copies: 3, pgs: 256 }
  const before = planTables({ disks }, [policy])
  const without = disks.filter(one => one.peer !== disks[0].peer)
  const gone = planTables({ disks: without }, [policy], [before.policies[0].table])
  assert.ok(gone.moved > 0)
  const back = planTables({ disks }, [policy], [before.policies[0].table])
  assert.is(back.moved, 0)
})

test('down moves nothing, out moves everything of the peer and nothing else', () => {
  const disks = Array.from({ length: 20 }, (_, i) => disk(0, 0, i >> 1, i % 2, 4))
  const policy: Policy = { name: 'a', copies: 3, pgs: 256 }
  const before = planTables({ disks }, [policy]).policies[0].table
  const held = rows(before)
    .flat()
    .filter(id => String(id).startsWith('z0r0p3')).length
  const as = (state: 'down' | 'out' | 'draining') => ({
    disks: disks.map(one => (one.peer === 'z0r0p3' ? { ...one, state } : one)),
  })
  assert.is(planTables(as('down'), [policy], [before]).moved, 0)
  assert.is(planTables(as('out'), [policy], [before]).moved, held)
  assert.is(planTables(as('draining'), [policy], [before]).moved, held)
})

test.run()
