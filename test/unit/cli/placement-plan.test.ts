import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { durationText } from '../../../src/cli/placement-text.ts'
import { before } from '../../helpers/before.ts'
import { runShoal } from '../../helpers/run-shoal.ts'

/** Commands that run side by side; most of their time is Node's start. */
const atOnce = 3

const cli = suite<{ dir: string }>('placement plan')

before(cli, context => {
  context.dir = mkdtempSync(join(tmpdir(), 'shoal-plan-'))
})
cli.after(context => rmSync(context.dir, { recursive: true }))

interface Disk {
  id: number
  peer: string
  rack: string
  weight: number
  [more: string]: unknown
}

function disks(count: number): Disk[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    peer: `p${i + 1}`,
    rack: `r${i >> 1}`,
    weight: 4,
  }))
}

function file(dir: string, name: string, value: unknown): string {
  const path = join(dir, name)
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

const policies = [{ name: 'a', copies: 3, domain: 'rack', pgs: 64 }]

/** No daemon is there to be asked. */
function plan(...args: string[]) {
  return runShoal(['placement', 'plan', ...args], { env: { SHOAL_SERVER: 'unix:/none' } })
}

cli('plans from files, and its output is the next previous', async ({ dir }) => {
  const topology = file(dir, 'six.json', { policies, disks: disks(6) })
  const out = join(dir, 'six.plan.json')
  const first = await plan('--topology', topology, '--out', out, '--json')
  assert.is(first.code, 0, first.stderr)
  const made = JSON.parse(first.stdout)
  assert.is(made.schema_version, 1)
  assert.is(made.moved, 0)
  assert.is(made.policies[0].table.length, 64)
  assert.equal(JSON.parse(readFileSync(out, 'utf8')), made)
  assert.not.ok(existsSync(`${out}.new`))

  // Some editors begin files with a byte order mark.
  const larger = file(dir, 'eight.json', `\ufeff${JSON.stringify({ policies, disks: disks(8) })}`)
  const [json, text] = await Promise.all([
    plan('--topology', larger, '--previous', out, '--json'),
    plan('--topology', larger, '--previous', out, '--rate', '1MiB', '--used', '6GiB'),
  ])
  const grown = JSON.parse(json.stdout)
  assert.is(grown.moved, 48)
  assert.is(grown.lower_bound, 48)
  assert.ok(grown.spread.disk < 1 && grown.spread_before.disk > 7)
  assert.ok(grown.moves.every((one: { to: string }) => ['p7', 'p8'].includes(one.to)))
  assert.match(text.stdout, /moves +48 members \(at least 48 have to\)/)
  // 48 of 192 members of 32 MiB, half of them to each new disk at 1 MiB/s.
  assert.match(text.stdout, /data +1\.5GiB/)
  assert.match(text.stdout, /time +12m 48s/)
  assert.match(text.stdout, /a +64 +3 +2 disks, or 2 peers, or 2 racks/)
  assert.match(text.stdout, /FROM PEER +TO PEER +MEMBERS/)
})

cli('bad input is refused by name, with what to do next', async ({ dir }) => {
  const [one, ...others] = disks(6)
  const with1 = (change: object) => ({ policies, disks: [{ ...one, ...change }, ...others] })
  const many = Array.from({ length: 70_000 }, (_, i) => ({ id: i, peer: i }))
  const copies = [{ ...policies[0], copies: 4 }]
  const cases: [string, unknown, RegExp][] = [
    ['a peer in two racks', with1({ peer: 'p6' }), /not_a_tree/],
    ['a disk twice', with1({ id: 2 }), /duplicate_disk/],
    ['a negative weight', with1({ weight: -1 }), /bad_weight/],
    [
      'an infinite weight',
      JSON.stringify(with1({ weight: 7 })).replace(':7}', ':1e999}'),
      /bad_weight/,
    ],
    ['a weight that is no number', with1({ weight: 'x' }), /bad_weight/],
    ['NaN', JSON.stringify(with1({ weight: 7 })).replace(':7}', ':NaN}'), /no JSON/],
    ['a state nobody knows', with1({ state: 'gone' }), /bad_state/],
    [
      'a misspelt field',
      { policies: [{ ...policies[0], domian: 'rack' }], disks: disks(6) },
      /unknown_field[\s\S]*domain/,
    ],
    ['no disk at all', { policies, disks: [] }, /no_eligible_disk/],
    [
      'copies and domains',
      { policies: copies, disks: disks(6) },
      /policy a: [\s\S]*short_pgs[\s\S]*--allow-short/,
    ],
    ['too many disks', { policies, disks: many }, /too_many_disks/],
    ['no lists', { policies }, /bad_input/],
    ['text', 'disks', /no JSON/],
  ]
  const check = async ([name, value, pattern]: (typeof cases)[number], at: number) => {
    const ran = await plan('--topology', file(dir, `bad${at}.json`, value), '--json')
    assert.is(ran.code, 2, `${name}: ${ran.stderr}`)
    assert.match(ran.stderr, pattern, name)
    assert.match(ran.stderr, /^error: .*\n[\s\S]*next: /, name)
    assert.not.match(ran.stderr, /\n\s+at /, name)
    assert.is(JSON.parse(ran.stdout).error.code, 'bad_request', name)
  }
  for (let at = 0; at < cases.length; at += atOnce)
    await Promise.all(cases.slice(at, at + atOnce).map((one, i) => check(one, at + i)))
})

cli('a previous plan that is none, and files that are not there', async ({ dir }) => {
  const topology = file(dir, 'fine.json', { policies, disks: disks(6) })
  const table = { policies: [{ name: 'a', table: [[1, { disk: 2 }]] }] }
  const nothing = file(dir, 'null.json', 'null')
  const nobody = await plan('--topology', topology, '--previous', nothing)
  assert.equal([nobody.code, /bad_input/.test(nobody.stderr)], [2, true], nobody.stderr)
  const shrunk = { policies: [{ name: 'a', table: Array.from({ length: 128 }, () => [1, 3, 5]) }] }
  const [none, wrong, fewer, unwritable] = await Promise.all([
    plan('--topology', join(dir, 'nothing.json')),
    plan('--topology', topology, '--previous', file(dir, 'wrong.json', table)),
    plan('--topology', topology, '--previous', file(dir, 'fewer.json', shrunk)),
    plan('--topology', topology, '--out', join(dir, 'none/x.json')),
  ])
  assert.is(none.code, 3)
  assert.match(none.stderr, /there is no file/)
  assert.is(wrong.code, 2)
  assert.match(wrong.stderr, /bad_id|bad_table/)
  assert.match(fewer.stderr, /pg_count_shrinks/)
  assert.is(unwritable.code, 3, unwritable.stderr)
})

cli('time is told in two units', () => {
  const told = [0, 0.4, 59, 60, 3_599, 3_600, 90_000, 86_400].map(durationText)
  assert.equal(told, ['0s', '0s', '59s', '1m', '59m 59s', '1h', '1d 1h', '1d'])
})

cli.run()
