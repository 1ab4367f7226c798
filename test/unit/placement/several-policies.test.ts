import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type PgTable,
  type Policy,
  planTables,
  type Spread,
  type TopologyDisk,
} from '../../../src/placement/index.ts'
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

test('so it is where policies share only some of their disks', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const dice = new Dice(seed * 7919)
    let disks = marked(dice, randomDisks(dice, { zones: 4, racks: 3, peers: 4, disks: 4 }))
    const policies = Array.from({ length: 2 + dice.below(5) }, (_, i) => ({
      name: `policy ${i}`,
      pgs: dice.pick([16, 64, 256]),
      ...dice.pick(rules),
      ...narrowed(dice, disks),
    }))
    let previous: PgTable[] = []
    for (let change = 0; change < 5; change++) {
      const now = planTables({ disks }, policies, previous)
      assert.ok(deviation(now) < 1, `seed ${seed}, change ${change}: ${JSON.stringify(now.spread)}`)
      for (const one of now.policies) assert.ok(widest(one.spread) < 1)
      previous = now.policies.map(one => one.table)
      assert.is(planTables({ disks }, policies, previous).moved, 0)
      disks = marked(dice, randomChange(dice, disks, seed * 100 + change))
    }
  }
})

const rules: Partial<Policy>[] = [
  { copies: 3 },
  { copies: 2, domain: 'rack' },
  { copies: 1, domain: 'disk' },
  { copies: 3, domain: 'disk', max_per: { peer: 2 } },
  { ec: '4+2', domain: 'disk', max_per: { peer: 2 } },
  { copies: 4, max_per: { rack: 2, zone: 3 } },
]

/** Disks that have none get a class, and one in three of them a label. */
function marked(dice: Dice, disks: readonly TopologyDisk[]): TopologyDisk[] {
  return disks.map(disk => {
    if (disk.class !== undefined) return disk
    return { ...disk, class: dice.pick(['ssd', 'hdd']), labels: dice.below(3) === 0 ? ['new'] : [] }
  })
}

/** To a part of the disks, or to all of them. */
function narrowed(dice: Dice, disks: readonly TopologyDisk[]): Partial<Policy> {
  const one = dice.pick([...disks])
  return dice.pick<Partial<Policy>>([
    {},
    {},
    { class: 'ssd' },
    { labels: ['new'] },
    { localize: { zone: one.zone! } },
    { localize: { peer: one.peer } },
  ])
}

function widest({ disk, peer, rack, zone }: Spread): number {
  return Math.max(disk, peer, rack, zone)
}

test.run()
