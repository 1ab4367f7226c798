import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type PgTable, type Policy, planTables } from '../../../src/placement/index.ts'
import { Dice, randomChange, randomDisks, rows } from './world.ts'

const test = suite('placement: positions and preferred readers')

test('every disk reads for its members / members per PG, within one', () => {
  for (let seed = 1; seed <= 150; seed++) {
    const dice = new Dice(seed * 13)
    let disks = randomDisks(dice, { zones: 3, racks: 3, peers: 4, disks: 4 })
    const policy: Policy = { name: 'a', copies: 2 + dice.below(3), domain: 'disk', pgs: 128 }
    let previous: PgTable[] | undefined
    for (let change = 0; change < 4; change++) {
      const planned = planTables({ disks }, [policy], previous).policies[0]
      const list = rows(planned.table)
      for (const { id } of disks) {
        const members = list.filter(row => row.includes(id)).length
        const reads = list.filter(row => row[0] === id).length
        const off = Math.abs(reads - members / planned.membersPerPg)
        assert.ok(off < 1, `seed ${seed}: ${id} is in ${members}, reads for ${reads}`)
      }
      previous = [planned.table]
      disks = randomChange(dice, disks, seed * 100 + change)
    }
  }
})

test('who is the only one left reads, wherever it stood', () => {
  const disks = [0, 1].map(id => ({ id, peer: `p${id}` }))
  const policy: Policy = { name: 'a', copies: 3, pgs: 64 }
  const both = planTables({ disks }, [policy]).policies[0].table
  const { table } = planTables({ disks: disks.slice(1) }, [policy], [both]).policies[0]
  const readers = Array.from({ length: 64 }, (_, pg) => table.disks[table.slots[pg * table.width]])
  assert.equal(new Set(readers), new Set([1]))
})

test('under erasure coding who stays keeps its shard', () => {
  const dice = new Dice(4)
  let disks = randomDisks(dice, { zones: 3, racks: 4, peers: 6, disks: 4 })
  const policy: Policy = { name: 'a', ec: '4+2', pgs: 128 }
  let before = planTables({ disks }, [policy]).policies[0].table
  for (let change = 0; change < 20; change++) {
    disks = randomChange(dice, disks, change)
    const after = planTables({ disks }, [policy], [before]).policies[0].table
    for (let pg = 0; pg < 128; pg++) {
      const was = Array.from(before.slots.subarray(pg * 6, pg * 6 + 6), at => before.disks[at])
      const now = Array.from(after.slots.subarray(pg * 6, pg * 6 + 6), at => after.disks[at])
      was.forEach((id, shard) => {
        if (id !== undefined && now.includes(id)) assert.is(now.indexOf(id), shard)
      })
    }
    before = after
  }
})

test.run()
