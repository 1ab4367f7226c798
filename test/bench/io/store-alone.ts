// One store on a real file, driven by native/crates/runtime/examples/store_disk.rs.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tool } from '../../helpers/demo-cluster.ts'

export interface StoreRow {
  name: string
  iops: number
  bytes_per_s: number
  p50_us: number
  p99_us: number
  p999_us: number
  cpu_us_per_op: number
}

/** One opening of a store: what it read, and how long that took. */
export interface StartRow {
  start: string
  ms: number
  index_bytes: number
  index_entries: number
  log_bytes: number
  dirty_blocks: number
  /** What the index takes in memory from then on. */
  index_memory_bytes: number
}

export interface StoreReport {
  loads: StoreRow[]
  starts: StartRow[]
}

export async function measureStore(seconds: number): Promise<StoreReport> {
  const program = process.env.SHOAL_BENCH_STORE
  if (!program) throw new Error('SHOAL_BENCH_STORE is not set: run npm run bench')
  const dir = mkdtempSync(join(tmpdir(), 'shoal-bench-'))
  try {
    const output = await tool(program, join(dir, 'store'), String(seconds))
    const lines = output.split('\n').filter(line => line.startsWith('{'))
    const rows = lines.map(line => JSON.parse(line) as StoreRow | StartRow)
    return {
      loads: rows.filter(row => 'iops' in row),
      starts: rows.filter(row => 'start' in row),
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
}
