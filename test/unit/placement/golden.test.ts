import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type PgTable, planTables } from '../../../src/placement/index.ts'
import { GOLDEN_CASES, goldenSteps } from './golden-cases.ts'
import { Dice } from './world.ts'

const test = suite('placement: golden tables')

interface Golden {
  readonly name: string
  readonly sha256: readonly string[]
}

const file = new URL('../../golden/placement-tables.json', import.meta.url)
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden[]

test('every machine makes these tables, bit for bit, in whatever order the input comes', () => {
  assert.equal(
    golden.map(one => one.name),
    GOLDEN_CASES.map(one => one.name),
  )
  GOLDEN_CASES.forEach((one, i) => {
    assert.equal(
      goldenSteps(one, list => list.slice()),
      golden[i].sha256,
      one.name,
    )
    const dice = new Dice(i + 1)
    assert.equal(
      goldenSteps(one, list => dice.shuffled(list)),
      golden[i].sha256,
      one.name,
    )
  })
})

test('the hash covers the slots and the order of the disks', () => {
  const disks = Array.from({ length: 9 }, (_, i) => ({ id: i, peer: `p${i}`, weight: 1 }))
  const { table } = planTables({ disks }, [{ name: 'a', copies: 3, pgs: 64 }]).policies[0]
  const hash = (one: PgTable) =>
    createHash('sha256').update(JSON.stringify(one.disks)).update(one.slots).digest('hex')
  const swapped = { ...table, slots: table.slots.slice().reverse() }
  assert.is.not(hash(table), hash(swapped))
})

test.run()
