import type { CheckedTopology } from './checked-topology.ts'
import type { PlanWarning } from './types.ts'

/** A disk is slow beyond this many times the median of its class. */
const SLOW_RATIO = 3
/** Fewer disks of a class have no median worth the name. */
const CLASS_DISKS_MIN = 4

/** Names the disks that are much slower than their class; the operator may weight them down. */
export function slowDiskWarnings(topology: CheckedTopology): PlanWarning[] {
  const latencies = new Map<string, number[]>()
  for (const disk of topology.disks) {
    if (disk.latencyUs === null) continue
    const ofClass = latencies.get(disk.class)
    if (ofClass === undefined) latencies.set(disk.class, [disk.latencyUs])
    else ofClass.push(disk.latencyUs)
  }
  for (const ofClass of latencies.values()) ofClass.sort((a, b) => a - b)
  return topology.disks.flatMap(disk => {
    const ofClass = latencies.get(disk.class) ?? []
    const median = ofClass[(ofClass.length - 1) >> 1]
    const isSlow = disk.latencyUs !== null && disk.latencyUs > median * SLOW_RATIO
    if (!isSlow || ofClass.length < CLASS_DISKS_MIN) return []
    const message = `${disk.latencyUs} us per read, ${median} us is usual in its class`
    return [{ code: 'slow_disk', message, subject: disk.id }] as const
  })
}
