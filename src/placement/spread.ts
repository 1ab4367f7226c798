import type { CheckedTopology } from './checked-topology.ts'
import { GRID } from './limits.ts'
import type { Id, Spread } from './types.ts'

/**
 * How far `loads` (members per disk of the topology) are from `shares` (grid parts), at most, in
 * slots: for disks, and for the sums of peers, racks and zones.
 */
export function spreadOf(
  topology: CheckedTopology,
  loads: Int32Array,
  shares: Float64Array,
): Spread {
  const off = new Float64Array(loads.length)
  for (let i = 0; i < loads.length; i++) off[i] = loads[i] * GRID - shares[i]
  const { disks } = topology
  return {
    disk: largest(off) / GRID,
    peer:
      largestSum(
        off,
        i => disks[i].peer,
        i => disks[i].rack,
        i => disks[i].zone,
      ) / GRID,
    rack:
      largestSum(
        off,
        i => disks[i].rack,
        i => disks[i].zone,
      ) / GRID,
    zone: largestSum(off, i => disks[i].zone) / GRID,
  }
}

export function widestSpread(spreads: readonly Spread[]): Spread {
  const widest = { disk: 0, peer: 0, rack: 0, zone: 0 }
  for (const spread of spreads) {
    widest.disk = Math.max(widest.disk, spread.disk)
    widest.peer = Math.max(widest.peer, spread.peer)
    widest.rack = Math.max(widest.rack, spread.rack)
    widest.zone = Math.max(widest.zone, spread.zone)
  }
  return widest
}

function largest(off: Float64Array): number {
  let most = 0
  for (const parts of off) most = Math.max(most, Math.abs(parts))
  return most
}

/** Disks come sorted, so the disks of one domain lie in a row. */
function largestSum(off: Float64Array, ...names: ((at: number) => Id)[]): number {
  let most = 0
  let sum = 0
  for (let i = 0; i < off.length; i++) {
    if (i > 0 && names.some(name => name(i) !== name(i - 1))) {
      most = Math.max(most, Math.abs(sum))
      sum = 0
    }
    sum += off[i]
  }
  return Math.max(most, Math.abs(sum))
}
