// Path length of ublk: instructions per I/O in an emulated guest, where one nanosecond is one
// instruction. There times mean nothing, and this figure is the same in every run.

import { join } from 'node:path'
import { tool } from '../../helpers/demo-cluster.ts'
import { serverOf, whyNoGuest } from '../../vm/guest.ts'

export interface UblkRow {
  /** What serves, and how data moves. */
  server: string
  shape: string
  /** Thousands: fio, kernel and server together. */
  instructions: number
}

const limitSeconds = '600'
const heading = '## ublk: instructions per I/O'

/** Null where no guest can run. */
export async function measureUblk(): Promise<UblkRow[] | null> {
  const reason = whyNoGuest()
  if (reason) {
    process.stderr.write(`ublk is not measured: ${reason}\n`)
    return null
  }
  const server = serverOf('SHOAL_VM_SERVER', 'shoal-ublk', 'ublk-file', 'release')
  const run = join(import.meta.dirname, '../../vm/run')
  const env = ['--env', `SHOAL_VM_SERVER=${server}`]
  return readRows(await tool(run, 'ublk-icount', '--icount', '--limit', limitSeconds, ...env))
}

/** Lines `variant depth:size:direction thousands`, as test/vm/scripts/ublk-icount.sh prints them. */
export function readRows(output: string): UblkRow[] {
  const found = output.matchAll(/^(\S+) (\d+):(\d+)k:(read|write) ([\d.]+)$/gm)
  return [...found].map(([, server, depth, kib, direction, thousands]) => ({
    server: server!.replace('-', ', ').replace('-', ' '),
    shape: `${kib} KiB random ${direction}, QD ${depth}`,
    instructions: Number(thousands),
  }))
}

export function ublkSection(rows: UblkRow[] | null): string {
  const shapes = [...new Set(rows?.map(row => row.shape))]
  const servers = [...new Set(rows?.map(row => row.server))]
  const cell = (server: string, shape: string) =>
    rows?.find(row => row.server === server && row.shape === shape)?.instructions.toFixed(1) ?? ''
  const table = [
    `| | ${servers.join(' | ')} |`,
    `|---|${servers.map(() => '--:|').join('')}`,
    ...shapes.map(shape => `| ${[shape, ...servers.map(one => cell(one, shape))].join(' | ')} |`),
  ]
  return `${heading}

Thousands, of fio, kernel and server together, in an emulated guest that counts them
(Linux 6.12). The server is \`native/crates/ublk/examples/ublk-file\`: it drops data (null), or keeps it in a file in memory.
Replication is not in it.

${rows ? table.join('\n') : 'Not measured.'}
`
}

/** The page with its ublk section replaced, or added at its end. */
export function withUblkSection(page: string, rows: UblkRow[] | null): string {
  const start = page.indexOf(heading)
  const before = start < 0 ? `${page.trimEnd()}\n\n` : page.slice(0, start)
  const next = start < 0 ? -1 : page.indexOf('\n## ', start)
  const after = next < 0 ? '' : page.slice(next)
  return `${before}${ublkSection(rows)}${after}`
}
