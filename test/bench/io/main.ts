// `npm run bench`: raw disk and replicated volume in one run, by fio. Prints JSON; `--doc` writes the
// table into docs/performance.md; `--part ublk` measures and writes that part alone.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DemoCluster, tool } from '../../helpers/demo-cluster.ts'
import { dataMemoryPeak, readCosts } from './costs.ts'
import { type Figures, measure, type Shape, shapes } from './fio-result.ts'
import { performancePage } from './page.ts'
import { measureStore, type StoreReport } from './store-alone.ts'
import { measureUblk, type UblkRow, withUblkSection } from './ublk.ts'

export interface Row {
  shape: string
  raw: Figures
  nbd: Figures
  share: number
  cpu_us_per_op: number
  /** Bytes that all stores wrote for one byte of the client; null for reads. */
  write_amplification: number | null
}

export interface Report {
  kernel: string
  processor: string
  cores: number
  seconds: number
  rows: Row[]
  /** One store on the same disk, without network and copies. */
  store: StoreReport
  memory: { budget_bytes: number; peak_bytes: number }
  /** Path length of devices; null where no guest can run. */
  ublk: UblkRow[] | null
}

const fileBytes = 2 ** 30
/** What a peer has by default; a demo is given less. */
const budgetBytes = 512 * 2 ** 20
const say = (text: string) => process.stderr.write(`${text}\n`)

async function measureRaw(seconds: number): Promise<Figures[]> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-bench-'))
  const file = join(dir, 'raw')
  try {
    await tool(
      'fio',
      '--name=fill',
      `--filename=${file}`,
      '--rw=write',
      '--bs=1M',
      '--direct=1',
      `--size=${fileBytes}`,
    )
    const found: Figures[] = []
    for (const shape of shapes) {
      say(`raw disk: ${shape.name}`)
      const sync = shape.rw.endsWith('write') ? ['--sync=dsync'] : []
      const target = ['--ioengine=io_uring', '--direct=1', `--filename=${file}`, ...sync]
      found.push(await measure(shape, target, seconds, fileBytes))
    }
    return found
  } finally {
    rmSync(dir, { recursive: true })
  }
}

async function measureVolume(
  demo: DemoCluster,
  shape: Shape,
  seconds: number,
): Promise<Omit<Row, 'raw' | 'share'>> {
  say(`three peers, NBD: ${shape.name}`)
  const before = await readCosts(demo.peers)
  const nbd = await measure(shape, ['--ioengine=nbd', `--uri=${demo.uri}`], seconds, fileBytes)
  const after = await readCosts(demo.peers)
  const ops = Math.max(1, nbd.ops)
  const isWrite = shape.rw.endsWith('write')
  return {
    shape: shape.name,
    nbd,
    cpu_us_per_op: ((after.cpu_s - before.cpu_s) * 1e6) / ops,
    write_amplification: isWrite
      ? (after.disk_bytes - before.disk_bytes) / (ops * shape.blockBytes)
      : null,
  }
}

async function bench(seconds: number): Promise<Report> {
  const raw = await measureRaw(seconds)
  say('one store alone')
  const store = await measureStore(seconds)
  const demo = new DemoCluster()
  const rows: Row[] = []
  let peakBytes = 0
  try {
    process.env.SHOAL_DATA_MEMORY = `${budgetBytes}`
    await demo.up('--disk-size', '4GiB', '--fill-disks')
    await tool(
      'fio',
      '--name=fill',
      '--ioengine=nbd',
      `--uri=${demo.uri}`,
      '--rw=write',
      '--bs=1M',
      '--iodepth=4',
      `--size=${fileBytes}`,
    )
    for (const [index, shape] of shapes.entries()) {
      const row = await measureVolume(demo, shape, seconds)
      rows.push({ ...row, raw: raw[index]!, share: row.nbd.iops / raw[index]!.iops })
    }
    peakBytes = dataMemoryPeak(demo.peers)
  } finally {
    await demo.down()
  }
  const [first] = cpus()
  return {
    kernel: release(),
    processor: first?.model ?? 'unknown',
    cores: cpus().length,
    seconds,
    rows,
    store,
    memory: { budget_bytes: budgetBytes, peak_bytes: peakBytes },
    ublk: await measureUblk(),
  }
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    doc: { type: 'boolean', default: false },
    /** all, or ublk alone: the rest of the page stays. */
    part: { type: 'string', default: 'all' },
  },
})
const path = join(import.meta.dirname, '../../../docs/performance.md')
const isUblkAlone = values.part === 'ublk'
const report = isUblkAlone ? { ublk: await measureUblk() } : await bench(Number(values.seconds))
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
if (values.doc) {
  const page = 'rows' in report ? performancePage(report) : readFileSync(path, 'utf8')
  writeFileSync(path, withUblkSection(page, report.ublk))
}
