// What plan.test.ts and minimality.test.ts do, for thousands of topologies and longer histories.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type PgTable, type Policy, planTables } from '../../../src/placement/index.ts'
import { leastMovement } from './oracle.ts'
import { Dice, deviation, faults, randomChange, randomDisks, rows } from './world.ts'

const test = suite('placement: thousands of random histories')

const POLICIES: readonly Policy[] = [
  { name: 'a', copies: 1, domain: 'disk' },
  { name: 'a', copies: 2 },
  { name: 'a', copies: 3 },
  { name: 'a', copies: 3, domain: 'rack' },
  { name: 'a', copies: 3, domain: 'zone' },
  { name: 'a', copies: 4, domain: 'rack', max_per: { zone: 2 } },
  { name: 'a', copies: 5, max_per: { rack: 2 } },
  { name: 'a', copies: 7, domain: 'disk', max_per: { peer: 2, zone: 4 } },
  { name: 'a', ec: '4+2', max_per: { rack: 2 } },
  { name: 'a', ec: '8+3', domain: 'disk', max_per: { peer: 2, rack: 4 } },
  { name: 'a', ec: '12+4' },
]

test('4,000 topologies x 10 changes: rules and shares hold', () => {
  for (let seed = 1; seed <= 4000; seed++) {
    const dice = new Dice(seed * 104_729)
    let disks = randomDisks(dice, { zones: 4, racks: 4, peers: 6, disks: 6 })
    const policy = { ...dice.pick(POLICIES), pgs: dice.pick([1, 2, 4, 16, 64, 256]) }
    let previous: PgTable[] | undefined
    for (let change = 0; change < 10; change++) {
      const now = planTables({ disks }, [policy], previous)
      const what = `seed ${seed}, change ${change}`
      assert.equal(faults(disks, policy, now.policies[0]), [], what)
      assert.ok(deviation(now) < 1, `${what}: ${JSON.stringify(now.spread)}`)
      previous = now.policies.map(one => one.table)
      disks = randomChange(dice, disks, seed * 100 + change)
    }
  }
})

test('1,500 topologies x 5 changes: the movement is the optimum, or next to it', () => {
  let steps = 0
  let optimal = 0
  for (let seed = 1; seed <= 1500; seed++) {
    const dice = new Dice(seed * 15_485_863)
    let disks = randomDisks(dice, { zones: 4, racks: 4, peers: 6, disks: 4 })
    const policy = { ...dice.pick(POLICIES), pgs: dice.pick([16, 64, 128]) }
    let previous: PgTable[] | undefined
    for (let change = 0; change < 5; change++) {
      const now = planTables({ disks }, [policy], previous)
      if (previous !== undefined) {
        const least = leastMovement(disks, policy, now.policies[0], rows(previous[0]))
        const allowed = least >= 20 ? least * 1.05 : least + 2
        assert.ok(now.moved <= allowed, `seed ${seed}, change ${change}: ${now.moved}, ${least}`)
        steps++
        if (now.moved === least) optimal++
      }
      previous = now.policies.map(one => one.table)
      disks = randomChange(dice, disks, seed * 100 + change)
    }
  }
  assert.ok(optimal >= steps * 0.99, `${optimal} of ${steps} plans were optimal`)
})

test.run()
