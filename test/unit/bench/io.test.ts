import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseFio, shapes } from '../../bench/io/fio-result.ts'
import { performancePage } from '../../bench/io/page.ts'
import { readRows, withUblkSection } from '../../bench/io/ublk.ts'

const bench = suite('bench')

const side = (iops: number) => ({
  iops,
  bw_bytes: iops * 4096,
  total_ios: iops * 10,
  clat_ns: { percentile: { '50.000000': 100_000, '99.000000': 2_000_000, '99.900000': 3_000 } },
})
const output = `fio: a warning\n${JSON.stringify({ jobs: [{ read: side(5), write: side(7) }] })}`

bench('reads the side of fio that was measured', () => {
  assert.is(parseFio(output, shapes[0]!).iops, 7)
  const read = parseFio(output, shapes[2]!)
  assert.is(read.iops, 5)
  assert.equal([read.p50_us, read.p99_us, read.p999_us], [100, 2_000, 3])
})

bench('the page has one row for each shape', () => {
  const figures = parseFio(output, shapes[0]!)
  const rows = shapes.map(shape => ({
    shape: shape.name,
    raw: figures,
    nbd: figures,
    share: 1,
    cpu_us_per_op: 50,
    write_amplification: shape.rw.endsWith('write') ? 3.25 : null,
  }))
  const read = { index_bytes: 2 ** 20, index_entries: 3, log_bytes: 0, dirty_blocks: 0 }
  const store = {
    loads: [{ ...figures, name: 'a store', cpu_us_per_op: 12 }],
    starts: [{ start: 'a start', ms: 7.4, ...read, index_memory_bytes: 2 ** 21 }],
  }
  const memory = { budget_bytes: 2 ** 29, peak_bytes: 2 ** 28 }
  const machine = { kernel: '6', processor: 'x', cores: 2 }
  const page = performancePage({ ...machine, seconds: 10, rows, store, memory, ublk: null })
  assert.is(page.match(/^\| /gm)?.length, shapes.length + 5)
  assert.match(page, '| a store | 7 | 100 µs |')
  assert.match(page, '| a start | 7 ms | 1 MiB | 3 | 0 MiB | 0 | 2 MiB |')
  assert.match(page, /hold\n512 MiB .* was\n256 MiB/)
  assert.match(page, '| 4 KiB random write, QD 1 | 7 | 7 | 1.00 | 100 µs |')
})

bench('the rows of ublk replace their section, and nothing else', () => {
  const rows = readRows('variant depth:size:direction x\nnull-user-copy 32:4k:write 21.5\nnoise\n')
  assert.equal(rows, [
    { server: 'null, user copy', shape: '4 KiB random write, QD 32', instructions: 21.5 },
  ])
  const page = '# Performance\n\nwords\n'
  const first = withUblkSection(page, rows)
  assert.match(first, '| | null, user copy |\n|---|--:|\n| 4 KiB random write, QD 32 | 21.5 |')
  assert.match(first, /^# Performance\n\nwords\n\n## ublk/)
  assert.is(withUblkSection(first, rows), first)
  const between = `${first}\n## After\n`
  assert.is(withUblkSection(between, rows), between)
  assert.match(withUblkSection(page, null), 'Not measured.')
})

bench.run()
