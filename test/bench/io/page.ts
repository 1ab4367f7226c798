// docs/performance.md from a report.
import type { Report, Row } from './main.ts'
import type { StartRow, StoreRow } from './store-alone.ts'

export function performancePage(report: Report): string {
  return `# Performance

Written by \`npm run bench -- --doc\`: fio for ${report.seconds} s each, on one machine with
${report.cores} cores (${report.processor}, Linux ${report.kernel}). Raw disk: io_uring, O_DIRECT, and
O_DSYNC for writes. Volume: three peers on that same machine and disk, three copies, through NBD on a unix
socket; every write is on stable media of all three before it is acknowledged.

| | raw disk | volume | share | p50 | p99 | p99.9 | CPU per I/O | bytes written per byte |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
${report.rows.map(tableRow).join('\n')}

IOPS, or MB/s for 1 MiB. Times are the volume's, as the client sees them; CPU is that of all processes of
the three peers together; bytes written count all three copies, logs and folding. A data process may hold
${mebibytes(report.memory.budget_bytes)} MiB of data and tables; the largest of the three was
${mebibytes(report.memory.peak_bytes)} MiB in all, code and stacks included.

## One store alone

One thread, one store, no network, no copies, on the same disk: every write is durable when it is counted.

| | one store | p50 | p99 | p99.9 | CPU per I/O |
|---|--:|--:|--:|--:|--:|
${report.store.loads.map(storeRow).join('\n')}

Its start, after every chunk of 400,000 got one block, the most index that so little data can have:

| | time | index read | entries | log read | blocks found in the log | index in memory |
|---|--:|--:|--:|--:|--:|--:|
${report.store.starts.map(startRow).join('\n')}

${startRates(report.store.starts)}
`
}

/** The second start differs from the first by the log alone. */
function startRates([empty, replayed]: StartRow[]): string {
  if (!empty || !replayed) return ''
  const perGib = (ms: number, bytes: number) => ((ms / 1000) * (2 ** 30 / bytes)).toFixed(1)
  const index = perGib(empty.ms, empty.index_bytes)
  const log = perGib(replayed.ms - empty.ms, replayed.log_bytes)
  const gib = ((empty.index_memory_bytes / empty.index_entries) * chunksPerTib) / 2 ** 30
  return (
    `That is ${index} s for each GiB of index and ${log} s for each GiB of log. A TiB of whole chunks takes\n` +
    `${gib.toFixed(2)} GiB of memory for its index.`
  )
}

/** Of 128 KiB. */
const chunksPerTib = 2 ** 23

function tableRow(row: Row): string {
  const isLarge = row.shape.startsWith('1 MiB')
  const rate = (figures: Row['raw']) =>
    isLarge ? `${Math.round(figures.bytes_per_s / 1e6)} MB/s` : `${Math.round(figures.iops)}`
  return [
    '',
    row.shape,
    rate(row.raw),
    rate(row.nbd),
    row.share.toFixed(2),
    micros(row.nbd.p50_us),
    micros(row.nbd.p99_us),
    micros(row.nbd.p999_us),
    micros(row.cpu_us_per_op),
    row.write_amplification === null ? '' : row.write_amplification.toFixed(1),
    '',
  ]
    .join(' | ')
    .trim()
}

function storeRow(row: StoreRow): string {
  const rate = row.name.startsWith('1 MiB')
    ? `${Math.round(row.bytes_per_s / 1e6)} MB/s`
    : `${Math.round(row.iops)}`
  const times = [row.p50_us, row.p99_us, row.p999_us, row.cpu_us_per_op].map(micros)
  return `| ${[row.name, rate, ...times].join(' | ')} |`
}

function startRow(row: StartRow): string {
  const mib = (bytes: number) => `${mebibytes(bytes)} MiB`
  const cells = [
    row.start,
    `${Math.round(row.ms)} ms`,
    mib(row.index_bytes),
    row.index_entries,
    mib(row.log_bytes),
    row.dirty_blocks,
    mib(row.index_memory_bytes),
  ]
  return `| ${cells.join(' | ')} |`
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}

function micros(us: number): string {
  return us >= 10_000 ? `${(us / 1000).toFixed(1)} ms` : `${Math.round(us)} µs`
}
