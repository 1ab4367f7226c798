import { checkTopology } from './checked-topology.ts'
import type { Id, Topology } from './types.ts'

/** A disk this close to the mean fill of its class keeps its factor: 2 % of its size. */
const HYSTERESIS = 0.02
/** Below this mean fill the measurement says more about chance than about the disk. */
const MEAN_FILL_MIN = 0.05
/** One correction, and all of them together, stay within these. */
const STEP_MAX = 1.1
const FACTOR_MIN = 0.5
const FACTOR_MAX = 2
/** Factors are whole multiples of this part, so that they come to rest. */
const PARTS = 1024

export interface FillFactor {
  readonly id: Id
  readonly factor: number
}

/**
 * Corrects the weights of disks that fill unevenly: PGs are equal in number, not in what users
 * write to them. A disk fuller than the mean of its class gets less, an emptier one more. Kept
 * with the topology (`factor`), so that the next correction starts from this one.
 */
export function nextFillFactors(topology: Topology): FillFactor[] {
  const { disks } = checkTopology(topology)
  const given = new Map(topology.disks.map(disk => [disk.id, disk.factor ?? 1]))
  const means = meanFills(topology)
  return disks.map(disk => {
    const factor = given.get(disk.id) ?? 1
    const mean = means.get(disk.class) ?? 0
    if (disk.fill === null || mean < MEAN_FILL_MIN) return { id: disk.id, factor }
    if (Math.abs(disk.fill - mean) <= HYSTERESIS) return { id: disk.id, factor }
    return { id: disk.id, factor: corrected(factor, mean / disk.fill) }
  })
}

function corrected(factor: number, ratio: number): number {
  const step = Math.min(STEP_MAX, Math.max(1 / STEP_MAX, ratio))
  const next = Math.min(FACTOR_MAX, Math.max(FACTOR_MIN, factor * step))
  return Math.floor(next * PARTS + 0.5) / PARTS
}

/** Used part of all measured disks of each class that take part, by size. */
function meanFills(topology: Topology): Map<string, number> {
  const sums = new Map<string, { used: number; size: number }>()
  for (const disk of checkTopology(topology).disks) {
    if (disk.fill === null || disk.weight === 0 || disk.state === 'out') continue
    const sum = sums.get(disk.class) ?? { used: 0, size: 0 }
    sum.used += disk.fill * disk.rawWeight
    sum.size += disk.rawWeight
    sums.set(disk.class, sum)
  }
  return new Map([...sums].map(([name, { used, size }]) => [name, used / size]))
}
