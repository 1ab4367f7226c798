import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkName, isName } from '../../../src/common/names.ts'
import { renderProgress } from '../../../src/common/progress.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { renderTable } from '../../../src/common/table.ts'

const text = suite('text')

const columns = [
  { header: 'name', value: (row: { name: string; size: number }) => row.name },
  { header: 'size', value: (row: { size: number }) => `${row.size}`, align: 'right' as const },
  { header: 'extra', value: () => 'more', isWide: true },
]

text('tables align, have no trailing blanks and survive awk', () => {
  const rows = [
    { name: 'a', size: 1 },
    { name: 'longer', size: 1000 },
    { name: '', size: 2 },
  ]
  assert.is(renderTable(rows, columns), 'NAME    SIZE\na          1\nlonger  1000\n-          2')
  assert.is(renderTable(rows.slice(0, 1), columns, { hasHeader: false }), 'a  1')
  assert.match(renderTable(rows, columns, { isWide: true }), 'EXTRA')
})

text('tables let no control character through to the terminal', () => {
  assert.is(
    renderTable([{ name: 'a\x1b[2Jb\n', size: 1 }], columns, { hasHeader: false }),
    'a?[2Jb?  1',
  )
})

text('names follow one rule, and a repair is proposed', () => {
  for (const good of ['a', '0', 'db-1.log_2', 'x'.repeat(63)]) assert.ok(isName(good), good)
  for (const bad of ['', 'A', '.a', '-a', 'a b', 'a/b', 'a@b', 'ä', 'x'.repeat(64), 'a\n']) {
    assert.not(isName(bad), bad)
  }
  try {
    checkName('volume', 'My DB')
    assert.unreachable()
  } catch (thrown) {
    assert.is((thrown as { next: string }).next, 'try my-db')
  }
})

text('progress shows share, rate and time left', () => {
  const state = { label: 'copy', done: 2 ** 29, total: 2 ** 30, unit: 'bytes', elapsedMs: 1_000 }
  assert.is(
    renderProgress({ ...state, unit: 'bytes' }),
    'copy  [============............]  50 %  512MiB/1GiB  512MiB/s  ETA 1s',
  )
  assert.match(
    renderProgress({ label: 'x', done: 0, total: 0, unit: 'items', elapsedMs: 0 }),
    '0 %',
  )
})

text('equal seeds give equal numbers', () => {
  const [a, b] = [seededRandom(7), seededRandom(7)]
  assert.is(a.hex(16), b.hex(16))
  assert.is(a.fraction(), b.fraction())
  assert.is.not(seededRandom(8).hex(16), seededRandom(9).hex(16))
})

text.run()
