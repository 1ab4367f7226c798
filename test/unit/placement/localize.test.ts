import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type PgTable, type Policy, planTables } from '../../../src/placement/index.ts'
import { Dice, deviation, faults, randomChange, randomDisks, rows } from './world.ts'

const test = suite('placement: localize')

const RULES: readonly Partial<Policy>[] = [
  { copies: 1, domain: 'disk' },
  { copies: 2 },
  { copies: 3 },
  { copies: 3, domain: 'rack' },
  { copies: 3, domain: 'zone' },
  { copies: 3, domain: 'disk' },
  { copies: 5, max_per: { rack: 2 } },
  { ec: '4+2', max_per: { rack: 3 } },
]

test('every PG has a member in the place, rules hold, the rest is fair', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const dice = new Dice(seed * 17)
    let disks = randomDisks(dice, { zones: 3, racks: 3, peers: 4, disks: 3 })
    const home = dice.pick(disks)
    const place = dice.below(2) === 0 ? { peer: home.peer } : { zone: home.zone ?? '' }
    const isIn = (one: { peer: unknown; zone?: unknown }) =>
      'peer' in place ? one.peer === place.peer : one.zone === place.zone
    const policy: Policy = { name: 'a', ...dice.pick(RULES), localize: place, pgs: 64 }
    let previous: PgTable[] | undefined
    for (let change = 0; change < 4; change++) {
      const now = planTables({ disks }, [policy], previous)
      assert.equal(faults(disks, policy, now.policies[0]), [], `seed ${seed}`)
      assert.ok(deviation(now) < 1, `seed ${seed}: ${JSON.stringify(now.spread)}`)
      const local = new Set(disks.filter(isIn).map(one => one.id))
      if (!now.warnings.some(one => one.code === 'localize_unmet')) {
        const lacking = rows(now.policies[0].table).filter(row => !row.some(id => local.has(id)))
        assert.is(lacking.length, 0, `seed ${seed}, change ${change}`)
      }
      previous = now.policies.map(one => one.table)
      disks = randomChange(dice, disks, seed * 100 + change)
    }
  }
})

test('a peer that is the place costs no copies: where the others have no room it holds more', () => {
  const at = (peer: number, rack: number, id: number) => ({
    id,
    peer: `p${peer}`,
    rack: `r${rack}`,
  })
  const localize = { peer: 'p0' }
  const bounds = { rack: 3 }
  const cases = [
    { disks: [at(0, 0, 1), at(0, 0, 2), at(0, 0, 3)], copies: 3, local: 3 },
    { disks: [at(0, 0, 1), at(0, 0, 2), at(0, 0, 3), at(1, 0, 4)], copies: 3, local: 2 },
    // Three of the rack: two here, one beside, two in the other rack.
    {
      ...{ disks: [1, 2, 3, 4, 5, 6, 7].map(id => at(id <= 3 ? 0 : id - 3, id <= 5 ? 0 : 1, id)) },
      ...{ copies: 5, local: 1 },
    },
    {
      disks: [1, 2, 3, 4, 5].map(id => at(id <= 4 ? 0 : 1, id <= 4 ? 0 : 1, id)),
      copies: 4,
      local: 3,
    },
    // Room for the rest elsewhere: it is spread.
    { disks: [1, 2, 3, 4, 5].map(id => at(id <= 3 ? 0 : id - 3, 0, id)), copies: 3, local: 1 },
  ]
  for (const { disks, copies, local } of cases) {
    const shape = { copies, domain: 'disk' as const, max_per: bounds, pgs: 64 }
    const planned = planTables({ disks }, [{ name: 'a', ...shape, localize }]).policies[0]
    const free = planTables({ disks }, [{ name: 'a', ...shape }]).policies[0]
    assert.is(planned.membersPerPg, free.membersPerPg)
    assert.equal(faults(disks, { name: 'a', ...shape }, planned), [])
    for (const row of rows(planned.table)) {
      const here = row.filter(id => disks.some(one => one.id === id && one.peer === 'p0'))
      assert.is(here.length, local, `${row}`)
    }
  }
})

test('a place without disks is a warning, and the policy is placed without it', () => {
  const disks = Array.from({ length: 6 }, (_, i) => ({ id: i, peer: `p${i}`, weight: 1 }))
  const policy: Policy = { name: 'a', copies: 3, localize: { peer: 'gone' }, pgs: 64 }
  const now = planTables({ disks }, [policy])
  assert.is(now.warnings[0].code, 'localize_unmet')
  assert.equal(faults(disks, policy, now.policies[0]), [])
})

test('asking for a place moves one member per PG that has none there, and no more', () => {
  const disks = Array.from({ length: 12 }, (_, i) => ({ id: i, peer: `p${i}`, weight: 1 }))
  const policy: Policy = { name: 'a', copies: 3, pgs: 256 }
  const before = planTables({ disks }, [policy]).policies[0].table
  const lacking = rows(before).filter(row => !row.includes(5)).length
  const now = planTables({ disks }, [{ ...policy, localize: { peer: 'p5' } }], [before])
  assert.ok(now.moved >= lacking)
  assert.ok(now.moved <= lacking * 1.05, `${now.moved} moved, ${lacking} have none there`)
})

test.run()
