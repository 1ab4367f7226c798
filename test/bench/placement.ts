// Measures the placement and writes the figures into docs/placement.md and docs/img/.
// `npm run bench:placement`; with `-- --print` it only prints.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import {
  choosePgCount,
  HOLE,
  lineageSeed,
  type PgTable,
  type Plan,
  type Policy,
  pgOfExtent,
} from '../../src/placement/index.ts'
import {
  changes,
  cluster,
  hardSteps,
  type Measured,
  measure,
  movedRows,
  straw2,
} from './placement-cases.ts'
import { stepCosts } from './placement-steps.ts'
import { curves, dots, ratioBars } from './svg.ts'

const SIZES = [10, 100, 1000, 10_000]
const COPIES = 3
const PAGE = new URL('../../docs/placement.md', import.meta.url)
const IMAGES = new URL('../../docs/img/', import.meta.url)
const BEGIN = '<!-- measured: written by test/bench/placement.ts -->'
const END = '<!-- end of measured -->'

interface Report {
  readonly lines: string[]
  readonly images: Map<string, string>
}

async function main(): Promise<void> {
  const report: Report = { lines: [], images: new Map() }
  bySize(report)
  byPgs(report)
  againstStraw2(report)
  beforeAndAfter(report)
  hardCases(report)
  await steps(report)
  lookUp(report)
  mapSize(report)
  const text = report.lines.join('\n')
  process.stdout.write(`${text}\n`)
  if (process.argv.includes('--print')) return
  mkdirSync(IMAGES, { recursive: true })
  for (const [name, image] of report.images) writeFileSync(new URL(name, IMAGES), image)
  const page = readFileSync(PAGE, 'utf8')
  const [head, rest] = [page.slice(0, page.indexOf(BEGIN)), page.slice(page.indexOf(END))]
  writeFileSync(PAGE, `${head}${BEGIN}\n\n${text}\n${rest}`)
}

function table(report: Report, title: string, head: string[], rows: (string | number)[][]): void {
  report.lines.push(
    `### ${title}`,
    '',
    row(head),
    row(head.map((_, i) => (i === 0 ? '---' : '--:'))),
  )
  for (const cells of rows) report.lines.push(row(cells))
  report.lines.push('')
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

function ms(measured: Measured): string {
  return `${measured.cpuMs.toFixed(measured.cpuMs < 10 ? 1 : 0)}`
}

function policyOf(disks: number, pgs = choosePgCount(disks, COPIES)): Policy {
  return { name: 'bench', copies: COPIES, domain: disks >= 1000 ? 'rack' : 'peer', pgs }
}

function tablesOf(plan: Plan): PgTable[] {
  return plan.policies.map(one => one.table)
}

/** Small clusters have one disk per peer, so that three peers exist. */
function clusterOf(disks: number) {
  return cluster(disks, disks < 100 ? 2 : 10)
}

function worst({ spread }: Plan): string {
  return Math.max(spread.disk, spread.peer, spread.rack, spread.zone).toFixed(2)
}

function bySize(report: Report): void {
  const rows: (string | number)[][] = []
  const fresh: number[] = []
  const changed: number[] = []
  for (const size of SIZES) {
    const policy = size === 10_000 ? policyOf(size, 65_536) : policyOf(size)
    const disks = clusterOf(size)
    measure(disks, policy)
    const first = measure(disks, policy)
    const heap = process.memoryUsage()
    const again = measure(disks, policy, tablesOf(first.plan))
    const lost = measure(disks.slice(1), policy, tablesOf(first.plan))
    fresh.push(first.cpuMs)
    changed.push(lost.cpuMs)
    rows.push([
      size.toLocaleString('en'),
      (policy.pgs as number).toLocaleString('en'),
      ms(first),
      ms(again),
      ms(lost),
      worst(first.plan),
      `${Math.round((heap.heapUsed + heap.arrayBuffers) / 2 ** 20)}`,
    ])
  }
  table(
    report,
    'Time and memory by disks',
    ['disks', 'PGs', 'fresh, ms', 'unchanged, ms', 'a disk lost, ms', 'off, slots', 'memory, MiB'],
    rows,
  )
  const series = [
    { name: 'a fresh table', values: fresh },
    { name: 'a disk lost', values: changed },
  ]
  report.images.set('placement-time.svg', curves('CPU time of a plan, ms', SIZES, series, 'disks'))
}

function byPgs(report: Report): void {
  const rows = [1024, 16_384, 65_536, 262_144].map(pgs => {
    const policy = policyOf(1000, pgs)
    const disks = cluster(1000)
    const first = measure(disks, policy, undefined, 1)
    const lost = measure(disks.slice(1), policy, tablesOf(first.plan), 1)
    const { moved, lowerBound } = lost.plan
    return [
      pgs.toLocaleString('en'),
      ms(first),
      ms(lost),
      worst(first.plan),
      `${moved} / ${lowerBound}`,
    ]
  })
  const head = ['PGs', 'fresh, ms', 'a disk lost, ms', 'off, slots', 'moved / lower bound']
  table(report, 'Time by PGs, 1,000 disks', head, rows)
}

function againstStraw2(report: Report): void {
  const [size, pgs] = [10_000, 65_536]
  const policy = policyOf(size, pgs)
  const disks = cluster(size)
  const first = measure(disks, policy, undefined, 1)
  const other = straw2(disks, pgs, COPIES)
  const rows: (string | number)[][] = []
  const names: string[] = []
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (const { name, disks: changed } of changes(size)) {
    const { plan } = measure(changed, policy, tablesOf(first.plan), 1)
    const moved = movedRows(other.rows, straw2(changed, pgs, COPIES).rows, COPIES)
    names.push(name)
    ours.push(plan.moved / plan.lowerBound)
    theirs.push(moved / plan.lowerBound)
    rows.push([name, plan.lowerBound, plan.moved, moved, worst(plan)])
  }
  const head = ['change', 'lower bound', 'Shoal', 'straw2', 'Shoal off, slots']
  table(report, 'Members moved, 10,000 disks, 65,536 PGs, 3 copies in racks', head, rows)
  const series = [
    { name: 'Shoal', values: ours },
    { name: 'straw2', values: theirs },
  ]
  const title = 'Members moved, as a multiple of the lower bound'
  report.images.set('placement-moves.svg', ratioBars(title, names, series))
  fairness(report, first, other)
}

function fairness(report: Report, first: Measured, other: ReturnType<typeof straw2>): void {
  const planned = first.plan.policies[0]
  const loads = new Int32Array(planned.table.disks.length)
  for (const slot of planned.table.slots) if (slot !== HOLE) loads[slot] += 1
  const share = Array.from(planned.shares, parts => parts / 65_536)
  const ours = share.map((want, i) => loads[i] - want)
  const theirs = share.map((want, i) => (other.loads.get(planned.table.disks[i]) ?? 0) - want)
  const most = (list: readonly number[]) => Math.max(...list.map(Math.abs)).toFixed(2)
  const fullest = (list: readonly number[]) =>
    Math.max(...list.map((off, i) => (off + share[i]) / share[i])).toFixed(2)
  const deviation = (list: readonly number[]) =>
    Math.sqrt(list.reduce((sum, off) => sum + off * off, 0) / list.length).toFixed(2)
  table(
    report,
    'Fairness of a fresh table, 10,000 disks of 1, 4, 8 and 16 TiB',
    ['', 'Shoal', 'straw2'],
    [
      ['furthest disk from its share, slots', most(ours), most(theirs)],
      ['standard deviation, slots', deviation(ours), deviation(theirs)],
      ['fullest disk, times its share', fullest(ours), fullest(theirs)],
      ['CPU time, ms', ms(first), other.cpuMs.toFixed(0)],
    ],
  )
  const sample = (list: readonly number[]) => list.filter((_, i) => i % 25 === 0)
  const series = [
    { name: 'Shoal', values: sample(ours) },
    { name: 'straw2', values: sample(theirs) },
  ]
  const title = 'Slots above or below the fair share, every 25th of 10,000 disks'
  report.images.set('placement-share.svg', dots(title, series, 'disks'))
}

/** The same shares, the table before 20 % more disks came and after. */
function beforeAndAfter(report: Report): void {
  const policy = policyOf(1000, 32_768)
  const before = tablesOf(measure(cluster(1000), policy, undefined, 1).plan)
  const [planned] = measure(cluster(1200), policy, before, 1).plan.policies
  const off = (from: PgTable) => {
    const loads = new Map<unknown, number>()
    for (const slot of from.slots) {
      if (slot !== HOLE) loads.set(from.disks[slot], (loads.get(from.disks[slot]) ?? 0) + 1)
    }
    const all = planned.table.disks.map((id, i) => [
      id,
      (loads.get(id) ?? 0) - planned.shares[i] / 65_536,
    ])
    return all
      .sort(([a], [b]) => Number(a) - Number(b))
      .filter((_, i) => i % 3 === 0)
      .map(([, o]) => Number(o))
  }
  const series = [
    { name: 'after', values: off(planned.table) },
    { name: 'before', values: off(before[0]) },
  ]
  const title = 'Slots above or below the new fair share when 200 disks join 1,000'
  report.images.set(
    'placement-before-after.svg',
    dots(title, series, 'disks, the new ones on the right'),
  )
}

function hardCases(report: Report): void {
  const rows = hardSteps().map(({ name, measured }) => {
    const { moved, lowerBound, policies } = measured.plan
    const ratio = lowerBound === 0 ? '' : (moved / lowerBound).toFixed(3)
    const checks = policies[0].chainChecks.toLocaleString('en')
    return [name, ms(measured), moved, lowerBound, ratio, worst(measured.plan), checks]
  })
  const head = ['step', 'ms', 'moved', 'lower bound', 'ratio', 'off, slots', 'chain checks']
  table(report, 'Tight rules, few domains', head, rows)
}

async function steps(report: Report): Promise<void> {
  const rows: (string | number)[][] = []
  for (const pgs of [16_384, 65_536, 262_144]) {
    const { wholeMs, longestMs } = await stepCosts(10_000, pgs)
    rows.push([pgs.toLocaleString('en'), wholeMs.toFixed(1), longestMs.toFixed(1)])
  }
  const head = ['PGs', 'next batch, ms', 'longest turn, ms']
  table(report, 'Steps of a drain, 10,000 disks', head, rows)
}

/** CPU time of many look-ups in a row, the loop and the reading of the row included. */
function lookUp(report: Report): void {
  const { table: planned } = measure(cluster(1000), policyOf(1000), undefined, 1).plan.policies[0]
  const nanos = [0, 1, 2].map(() => nanosPerLookUp(planned)).sort((a, b) => a - b)[1]
  const rust = /([\d.]+) ns per look-up/.exec(
    cargo('run', '--release', '--locked', '-p', 'shoal-types', '--example', 'placement_lookup'),
  )
  const words =
    `From an extent to its ${COPIES} members: ${nanos.toFixed(1)} ns in TypeScript (at most 100), ` +
    `${rust?.[1] ?? '?'} ns in Rust, where heads look up (at most 20; the fastest of 500 runs).`
  report.lines.push('### Look-up', '', words, '')
}

/** What it prints. */
function cargo(...args: string[]): string {
  return execFileSync('cargo', args, {
    cwd: new URL('../../native/', import.meta.url),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

function nanosPerLookUp({ slots, pgs, width }: PgTable): number {
  const seed = lineageSeed(12_345n)
  const count = 5_000_000
  let sum = 0
  const before = process.cpuUsage()
  for (let extent = 0; extent < count; extent++) {
    const first = pgOfExtent(seed, extent, pgs) * width
    sum += slots[first] + slots[first + 1] + slots[first + 2]
  }
  const { user, system } = process.cpuUsage(before)
  // Keeps the loop from being optimized away.
  if (sum < 0) throw new Error('a sum of indexes is not negative')
  return ((user + system) * 1000) / count
}

/** Of the bytes that peers and disks keep: native/crates/meta/tests/map_size.rs encodes them. */
function mapSize(report: Report): void {
  const output = cargo(...'test --locked -p shoal-meta --test map_size -- --nocapture'.split(' '))
  const found = /measured: map (\d+) groups (\d+) topology (\d+) delta (\d+)/.exec(output)
  if (found === null) throw new Error(`no size of a map in: ${output}`)
  const [map, groups, topology, delta] = found.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ]
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2)
  report.lines.push(
    '### Size',
    '',
    `The map of 10,000 disks in 1,000 peers and 262,144 PGs of 3 members, as it is encoded: ` +
      `${mib(map)} MiB (at most 4), of which the groups take ${mib(groups)} (5 bytes + 2 per member) and ` +
      `the topology ${mib(topology)}. The delta when a disk is lost: ${delta.toLocaleString('en')} bytes.`,
    '',
  )
}

await main()
