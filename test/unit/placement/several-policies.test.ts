import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type PgTable, type Policy, planTables } from '../../../src/placement/index.ts'
import { Dice, deviation, faults, randomChange, randomDisks, sameTable } from './world.ts'

const test = suite('placement: several policies')

test('the sum over all policies is within one slot, not only each of them', () => {
  let worstOfSum = 0
  for (let seed = 1; seed <= 60; seed++) {
    const dice = new Dice(seed * 31)
    let disks = randomDisks(dice, { zones: 3, racks: 3, peers: 4, disks: 4 })
    const policies: Policy[] = Array.from({ length: 2 + dice.below(7) }, (_, i) => ({
      name: `policy ${i}`,
      ...dice.pick<Partial<Policy>>([
        { copies: 2 },
        { copies: 3 },
        { copies: 3, domain: 'disk' },
        { ec: '4+2', domain: 'disk' },
      ]),
      pgs: dice.pick([16, 64, 128]),
    }))
    let previous: PgTable[] = []
    for (let change = 0; change < 4; change++) {
      const now = planTables({ disks }, policies, previous)
      worstOfSum = Math.max(worstOfSum, deviation(now))
      now.policies.forEach((one, i) => {
        assert.equal(faults(disks, policies[i], one), [])
        const { disk, peer, rack, zone } = one.spread
        assert.ok(
          Math.max(disk, peer, rack, zone) < 1,
          `seed ${seed}: ${JSON.stringify(one.spread)}`,
        )
      })
      previous = now.policies.map(one => one.table)
      const again = planTables({ disks }, policies, previous)
      assert.is(again.moved, 0)
      assert.ok(again.policies.every((one, i) => sameTable(one.table, previous[i])))
      disks = randomChange(dice, disks, seed * 100 + change)
    }
  }
  assert.ok(worstOfSum < 1, `the sum is ${worstOfSum} slots off`)
})

test.run()
