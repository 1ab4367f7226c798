import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type PgTable, type Policy, planTables } from '../../../src/placement/index.ts'
import { leastMovement } from './oracle.ts'
import { Dice, randomChange, randomDisks, rows } from './world.ts'

const test = suite('placement: least movement')

const POLICIES: readonly Policy[] = [
  { name: 'a', copies: 1, domain: 'disk' },
  { name: 'a', copies: 2, domain: 'disk' },
  { name: 'a', copies: 2 },
  { name: 'a', copies: 3 },
  { name: 'a', copies: 3, domain: 'rack' },
  { name: 'a', copies: 3, domain: 'zone' },
  { name: 'a', copies: 4, domain: 'rack', max_per: { zone: 2 } },
  { name: 'a', copies: 5, domain: 'peer', max_per: { rack: 2 } },
  { name: 'a', copies: 7, domain: 'disk', max_per: { peer: 2, zone: 4 } },
  { name: 'a', ec: '4+2', max_per: { rack: 2 } },
  { name: 'a', ec: '8+3', domain: 'disk', max_per: { peer: 2, rack: 4 } },
  { name: 'a', ec: '12+4' },
]

/** 5 % above the optimum, or 2 members where that is more exact. */
function mostAllowed(optimum: number): number {
  return optimum >= 20 ? optimum * 1.05 : optimum + 2
}

/** Movement of random histories, each step held against the optimum: in all, and at least. */
function movements(policies: readonly Policy[], seeds: number): { moved: number; least: number } {
  let moved = 0
  let least = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const dice = new Dice(seed * 7919)
    let disks = randomDisks(dice, { zones: 4, racks: 3, peers: 4, disks: 4 })
    const policy = { ...dice.pick(policies), pgs: dice.pick([16, 64, 128]) }
    let previous: PgTable[] | undefined
    for (let change = 0; change < 5; change++) {
      const now = planTables({ disks }, [policy], previous)
      if (previous !== undefined) {
        const optimum = leastMovement(disks, policy, now.policies[0], rows(previous[0]))
        const what = `seed ${seed}, change ${change}: ${now.moved} moved, ${optimum} needed`
        assert.ok(now.moved <= mostAllowed(optimum), what)
        assert.ok(now.moved >= optimum, `the oracle is wrong: ${what}`)
        assert.ok(now.lowerBound <= optimum, `the lower bound is not one: ${what}`)
        moved += now.moved
        least += optimum
      }
      previous = now.policies.map(one => one.table)
      disks = randomChange(dice, disks, seed * 100 + change)
    }
  }
  return { moved, least }
}

test('movement stays with the exact optimum, found by min-cost flow', () => {
  const { moved, least } = movements(POLICIES, 150)
  assert.ok(least > 5000, `only ${least} members had to move at all`)
  assert.ok(moved <= least * 1.01, `${moved} moved in all, ${least} needed`)
})

test('so does that of policies with one member in a given zone', () => {
  const localize = { zone: 'z0' }
  const shapes = POLICIES.filter(one => one.copies != null && one.max_per == null)
  const { moved, least } = movements(
    shapes.map(one => ({ ...one, localize })),
    40,
  )
  assert.ok(least > 1000, `only ${least} members had to move at all`)
  assert.ok(moved <= least * 1.01, `${moved} moved in all, ${least} needed`)
})

test('a rack that is renamed, or moves to another zone, moves only what then breaks a rule', () => {
  const dice = new Dice(3)
  const disks = Array.from({ length: 48 }, (_, i) => ({
    id: i,
    peer: `p${i >> 1}`,
    rack: `r${i >> 3}`,
    zone: `z${Math.floor(i / 16)}`,
    weight: dice.pick([2, 4]),
  }))
  const policy: Policy = { name: 'a', copies: 3, domain: 'rack', pgs: 1024 }
  const before = planTables({ disks }, [policy]).policies[0].table
  const renamed = disks.map(one => (one.rack === 'r1' ? { ...one, rack: 'other' } : one))
  assert.is(planTables({ disks: renamed }, [policy], [before]).moved, 0)

  // Two peers of rack 1 now stand in rack 0: a PG with a member in both has to move one.
  const shifted = disks.map(one => (one.peer === 'p4' ? { ...one, rack: 'r0' } : one))
  const after = planTables({ disks: shifted }, [policy], [before])
  const optimum = leastMovement(shifted, policy, after.policies[0], rows(before))
  assert.ok(after.moved <= mostAllowed(optimum), `${after.moved} moved, ${optimum} needed`)
})

test('a policy that becomes another one moves no more than that takes', () => {
  const replicas = POLICIES.filter(one => one.copies != null)
  const placed = [{ zone: 'z0' }, { zone: 'z1' }].map(localize => ({ ...replicas[3], localize }))
  let least = 0
  for (let seed = 1; seed <= 40; seed++) {
    const dice = new Dice(seed * 48_611)
    const disks = randomDisks(dice, { zones: 4, racks: 3, peers: 4, disks: 3 })
    const pgs = dice.pick([16, 64])
    let previous: PgTable[] | undefined
    for (let change = 0; change < 5; change++) {
      const policy = { ...dice.pick([...replicas, ...placed]), pgs }
      const now = planTables({ disks }, [policy], previous)
      if (previous !== undefined) {
        const optimum = leastMovement(disks, policy, now.policies[0], rows(previous[0]))
        const what = `seed ${seed}, change ${change}: ${now.moved} moved, ${optimum} needed`
        assert.ok(now.moved <= mostAllowed(optimum) && now.lowerBound <= optimum, what)
        least += optimum
      }
      previous = now.policies.map(one => one.table)
    }
  }
  assert.ok(least > 1000, `only ${least} members had to move at all`)
})

test('domains that become fewer than copies: nobody comes for who only has to go', () => {
  const disks = Array.from({ length: 8 }, (_, id) => {
    const peer = id >> 1
    return { id, peer: `p${peer}`, rack: `r${peer >> 1}`, weight: 4 }
  })
  const of = (domain: 'peer' | 'rack', previous: PgTable[] = []) =>
    planTables({ disks }, [{ name: 'a', copies: 3, domain, pgs: 512 }], previous)
  const before = of('peer').policies[0].table
  const now = of('rack', [before])
  assert.is(now.policies[0].membersPerPg, 2)
  assert.ok(now.moved <= 2 && now.lowerBound <= now.moved, `${now.moved}, ${now.lowerBound}`)
})

test('at 1,000 disks the movement is the lower bound, or 2 % more', () => {
  const dice = new Dice(9)
  const disks = Array.from({ length: 1000 }, (_, i) => ({
    id: i,
    peer: `p${Math.floor(i / 10)}`,
    rack: `r${Math.floor(i / 50)}`,
    weight: dice.pick([1, 4, 8, 16]),
  }))
  const policy: Policy = { name: 'a', copies: 3, domain: 'rack', pgs: 32_768 }
  const before = [planTables({ disks }, [policy]).policies[0].table]
  const added = Array.from({ length: 60 }, (_, i) => ({
    id: 1000 + i,
    peer: `p${100 + Math.floor(i / 10)}`,
    rack: `r${20 + Math.floor(i / 50)}`,
    weight: 8,
  }))
  for (const changed of [
    disks.slice(1),
    disks.slice(10),
    disks.slice(50),
    disks.concat(added),
    disks.concat(added.slice(0, 1)),
    disks.map(one => (one.id < 100 ? { ...one, weight: one.weight * 2 } : one)),
  ]) {
    const { moved, lowerBound } = planTables({ disks: changed }, [policy], before)
    assert.ok(moved > 0 && moved <= lowerBound * 1.02, `${moved} moved, at least ${lowerBound}`)
  }
})

test.run()
