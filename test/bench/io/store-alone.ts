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

export async function measureStore(seconds: number): Promise<StoreRow[]> {
  const program = process.env.SHOAL_BENCH_STORE
  if (!program) throw new Error('SHOAL_BENCH_STORE is not set: run npm run bench')
  const dir = mkdtempSync(join(tmpdir(), 'shoal-bench-'))
  try {
    const output = await tool(program, join(dir, 'store'), String(seconds))
    return output
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as StoreRow)
  } finally {
    rmSync(dir, { recursive: true })
  }
}
