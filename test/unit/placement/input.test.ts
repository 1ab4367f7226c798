import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  PlacementError,
  type PlacementErrorCode,
  type PlanInput,
  plan,
  planTables,
} from '../../../src/placement/index.ts'
import { Dice } from './world.ts'

const test = suite('placement: bad input gets a named error')

const DISKS = Array.from({ length: 6 }, (_, i) => ({
  id: i,
  peer: `p${i >> 1}`,
  rack: `r${i >> 1}`,
  zone: 'z',
  weight: 1,
}))
const POLICY = { name: 'a', copies: 2, pgs: 64 }

/** `input` is what came from a file or the network: anything. */
function refuses(code: PlacementErrorCode, input: unknown): void {
  try {
    plan(input as PlanInput)
  } catch (error) {
    assert.instance(error, PlacementError)
    assert.is((error as PlacementError).code, code, (error as PlacementError).message)
    assert.ok((error as PlacementError).hint.length > 0)
    return
  }
  assert.unreachable(`no error, wanted ${code}`)
}

function withDisk(changes: object): unknown {
  const disks = [...DISKS, { id: 'x', peer: 'px', rack: 'rx', zone: 'z', weight: 1, ...changes }]
  return { topology: { disks }, policies: [POLICY] }
}

function withPolicy(changes: object): unknown {
  return { topology: { disks: DISKS }, policies: [{ ...POLICY, ...changes }] }
}

/** As deep as a file may be that JSON.parse still reads: nothing may walk down it. */
function nested(depth: number): unknown {
  let value: unknown = []
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

test('what is said of a value tells text from number, and stays short', () => {
  const said = (changes: object) => {
    try {
      plan(withDisk(changes) as PlanInput)
    } catch (error) {
      return (error as PlacementError).message
    }
    return 'nothing'
  }
  assert.is(said({ weight: '5' }), 'disk "x": weight is "5"')
  assert.is(said({ weight: [] }), 'disk "x": weight is a list')
  assert.ok(said({ state: 'x'.repeat(10_000) }).length < 200)
})

test('disks', () => {
  refuses('duplicate_disk', withDisk({ id: 3 }))
  refuses('bad_id', withDisk({ id: undefined }))
  refuses('bad_id', withDisk({ id: '' }))
  refuses('bad_id', withDisk({ id: 1.5 }))
  refuses('bad_id', withDisk({ peer: null }))
  refuses('bad_id', withDisk({ peer: 'x'.repeat(256) }))
  refuses('bad_id', withDisk({ id: nested(100_000) }))
  refuses('bad_state', withDisk({ state: nested(100_000) }))
  refuses('bad_state', withDisk({ state: 'lost' }))
  refuses('bad_fill', withDisk({ fill: 1.2 }))
  refuses('bad_input', withDisk({ labels: 'fast' }))
  refuses('bad_input', withDisk({ class: 3 }))
  refuses('bad_input', { topology: { disks: [null] }, policies: [POLICY] })
  refuses('bad_input', { topology: {}, policies: [POLICY] })
  refuses('bad_input', { topology: null, policies: [POLICY] })
})

test('weights', () => {
  for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY, '4', 2 ** 60]) {
    refuses('bad_weight', withDisk({ weight }))
    refuses('bad_weight', withDisk({ reserve: weight }))
    refuses('bad_weight', withDisk({ factor: weight }))
  }
})

test('domains that do not nest: a peer in two racks, a rack in two zones, a cycle of names', () => {
  refuses('not_a_tree', withDisk({ peer: 'p0' }))
  refuses('not_a_tree', withDisk({ rack: 'r0', zone: 'other' }))
  refuses('not_a_tree', withDisk({ peer: 'p0', rack: undefined, zone: undefined }))
})

test('racks and zones are named by any number, 0 too', () => {
  const disks = Array.from({ length: 6 }, (_, id) => ({
    ...{ id, peer: `p${id}`, rack: Math.max(0, id - 3), zone: 0 },
  }))
  const [{ table }] = planTables({ disks }, [
    { name: 'a', copies: 3, domain: 'rack', pgs: 64 },
  ]).policies
  const rackOf = (slot: number) => disks[Number(table.disks[slot])]!.rack
  for (let pg = 0; pg < table.pgs; pg++) {
    const row = [...table.slots.subarray(pg * 3, pg * 3 + 3)]
    assert.is(new Set(row.map(rackOf)).size, 3, `group ${pg}: ${row}`)
  }
  const zones = planTables({ disks }, [{ name: 'a', copies: 3, domain: 'zone', pgs: 64 }])
  assert.is(zones.policies[0].membersPerPg, 1, 'all are in zone 0')
})

test('policies named 1 and "1" take their turns in one order', () => {
  const policies = [1, '1'].map(name => ({ name, copies: 2, pgs: 64 }))
  const slots = (list: typeof policies) =>
    new Map(
      planTables({ disks: DISKS }, list).policies.map(one => [one.table.name, one.table.slots]),
    )
  const [one, other] = [slots(policies), slots(policies.toReversed())]
  for (const { name } of policies) assert.equal(one.get(name), other.get(name))
})

test('70,000 disks', () => {
  const disks = Array.from({ length: 70_000 }, (_, id) => ({ id, peer: id >> 3, weight: 1 }))
  refuses('too_many_disks', { topology: { disks }, policies: [POLICY] })
})

test('policies', () => {
  for (const copies of [0, -1, 8, 2.5, Number.NaN, '3'])
    refuses('bad_policy', withPolicy({ copies }))
  for (const ec of ['4', '0+2', '13+2', '4+5', '4+0', '4+2+1', 'k+m', 42]) {
    refuses('bad_policy', withPolicy({ copies: undefined, ec }))
  }
  refuses('bad_policy', withPolicy({ ec: '4+2' }))
  refuses('bad_policy', withPolicy({ copies: undefined }))
  refuses('bad_domain', withPolicy({ domain: 'room' }))
  refuses('bad_domain', withPolicy({ max_per: { room: 2 } }))
  refuses('bad_policy', withPolicy({ max_per: { rack: 0 } }))
  refuses('bad_policy', withPolicy({ max_per: 2 }))
  refuses('bad_policy', withPolicy({ localize: {} }))
  refuses('bad_policy', withPolicy({ localize: { peer: 'p0', zone: 'z' } }))
  refuses('bad_policy', withPolicy({ class: 7 }))
  refuses('bad_policy', withPolicy({ labels: [7] }))
  for (const pgs of [0, 100, 2 ** 19, 1.5, Number.NaN, '64'])
    refuses('bad_pg_count', withPolicy({ pgs }))
  refuses('duplicate_policy', { topology: { disks: DISKS }, policies: [POLICY, POLICY] })
  refuses('bad_input', { topology: { disks: DISKS }, policies: [null] })
  refuses('bad_input', { topology: { disks: DISKS }, policies: 'all' })
})

test('previous tables', () => {
  const good = planTables({ disks: DISKS }, [POLICY]).policies[0].table
  const refusesTable = (code: PlacementErrorCode, changes: object) =>
    refuses(code, {
      topology: { disks: DISKS },
      policies: [POLICY],
      previous: [{ ...good, ...changes }],
    })
  refusesTable('unknown_disk', { disks: good.disks.slice(1) })
  refusesTable('bad_table', { slots: good.slots.slice(1) })
  refusesTable('bad_table', { pgs: 63 })
  refusesTable('bad_table', { width: 1.5 })
  refusesTable('pg_count_shrinks', { pgs: 128, slots: new Uint16Array(256) })
  refuses('bad_table', {
    topology: { disks: DISKS },
    policies: [POLICY],
    previous: [good, good],
  })
})

test('random damage to a good input: an error by name or a plan, and never anything else', () => {
  const dice = new Dice(11)
  const junk = [null, undefined, -1, Number.NaN, 'x', [], {}, 2 ** 53, true, '']
  const fields = ['id', 'peer', 'rack', 'zone', 'weight', 'state', 'class', 'labels', 'reserve']
  let refused = 0
  for (let round = 0; round < 2000; round++) {
    const disks = DISKS.map(one => ({ ...one }) as Record<string, unknown>)
    const policy: Record<string, unknown> = { ...POLICY }
    for (let hits = dice.below(3); hits >= 0; hits--) {
      if (dice.below(3) === 0) {
        policy[dice.pick(['name', 'copies', 'ec', 'domain', 'max_per', 'pgs'])] = dice.pick(junk)
      } else dice.pick(disks)[dice.pick(fields)] = dice.pick(junk)
    }
    try {
      plan({ topology: { disks }, policies: [policy] } as unknown as PlanInput)
    } catch (error) {
      assert.instance(error, PlacementError, String((error as Error).stack))
      refused++
    }
  }
  assert.ok(refused > 1000 && refused < 2000, `${refused} of 2000 refused`)
})

test.run()
