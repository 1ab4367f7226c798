// One measurement by fio, as its JSON tells it.
import { tool } from '../../helpers/demo-cluster.ts'

export interface Shape {
  name: string
  rw: 'randwrite' | 'randread' | 'write' | 'read'
  blockBytes: number
  depth: number
}

export const shapes: Shape[] = [
  { name: '4 KiB random write, QD 1', rw: 'randwrite', blockBytes: 4096, depth: 1 },
  { name: '4 KiB random write, QD 32', rw: 'randwrite', blockBytes: 4096, depth: 32 },
  { name: '4 KiB random read, QD 1', rw: 'randread', blockBytes: 4096, depth: 1 },
  { name: '4 KiB random read, QD 32', rw: 'randread', blockBytes: 4096, depth: 32 },
  { name: '1 MiB write, QD 8', rw: 'write', blockBytes: 2 ** 20, depth: 8 },
  { name: '1 MiB read, QD 8', rw: 'read', blockBytes: 2 ** 20, depth: 8 },
]

export interface Figures {
  iops: number
  bytes_per_s: number
  ops: number
  p50_us: number
  p99_us: number
  p999_us: number
}

/** `target`: the engine and what it works on, as fio takes them. */
export async function measure(
  shape: Shape,
  target: string[],
  seconds: number,
  sizeBytes: number,
): Promise<Figures> {
  const output = await tool(
    'fio',
    '--name=bench',
    `--rw=${shape.rw}`,
    `--bs=${shape.blockBytes}`,
    `--iodepth=${shape.depth}`,
    `--size=${sizeBytes}`,
    '--time_based=1',
    `--runtime=${seconds}`,
    '--randrepeat=0',
    '--output-format=json',
    ...target,
  )
  return parseFio(output, shape)
}

interface FioSide {
  iops: number
  bw_bytes: number
  total_ios: number
  clat_ns: { percentile?: Record<string, number> }
}

export function parseFio(output: string, shape: Shape): Figures {
  // Warnings may stand before the object.
  const document = JSON.parse(output.slice(output.indexOf('{'))) as {
    jobs: { read: FioSide; write: FioSide }[]
  }
  const side = document.jobs[0]![shape.rw.endsWith('write') ? 'write' : 'read']
  const at = (percent: string) => (side.clat_ns.percentile?.[percent] ?? 0) / 1000
  return {
    iops: side.iops,
    bytes_per_s: side.bw_bytes,
    ops: side.total_ios,
    p50_us: at('50.000000'),
    p99_us: at('99.000000'),
    p999_us: at('99.900000'),
  }
}
