import type { Id, PlanWarning } from './types.ts'

/** A disk is slow beyond this many times the median of its class, and this much above it. */
const SLOW_RATIO = 4
const SLOW_US = 1_000
/** Fewer disks of a class have no median worth the name. */
const CLASS_DISKS_MIN = 4

export interface TimedDisk {
  readonly id: Id
  readonly class: string
  /** Typical time of a small write; null where it is not known. */
  readonly latencyUs: number | null
}

/** Names the disks that are much slower than their class; the operator may weight them down. */
export function slowDisks(disks: readonly TimedDisk[]): PlanWarning[] {
  const latencies = new Map<string, number[]>()
  for (const disk of disks) {
    if (disk.latencyUs === null) continue
    const ofClass = latencies.get(disk.class)
    if (ofClass === undefined) latencies.set(disk.class, [disk.latencyUs])
    else ofClass.push(disk.latencyUs)
  }
  for (const ofClass of latencies.values()) ofClass.sort((a, b) => a - b)
  return disks.flatMap(disk => {
    const ofClass = latencies.get(disk.class) ?? []
    const median = ofClass[(ofClass.length - 1) >> 1]
    if (disk.latencyUs === null || ofClass.length < CLASS_DISKS_MIN) return []
    if (disk.latencyUs <= Math.max(median * SLOW_RATIO, median + SLOW_US)) return []
    const message = `${disk.latencyUs} us per write, ${median} us is usual in its class`
    return [{ code: 'slow_disk', message, subject: disk.id }] as const
  })
}
