import type { CheckedPolicy } from './checked-policy.ts'
import type { CheckedDisk, CheckedTopology } from './checked-topology.ts'
import { HOLE } from './limits.ts'
import type { PgTable } from './types.ts'

/** How many of these can fail at once, whichever they are, without losing data of the policy. */
export interface Tolerance {
  readonly disk: number
  readonly peer: number
  readonly rack: number
  readonly zone: number
}

/** Every PG counts: the answer is that of the worst one. */
export function toleranceOf(
  topology: CheckedTopology,
  policy: CheckedPolicy,
  table: PgTable,
): Tolerance {
  const needed = policy.width - policy.spare
  const numbers = {
    disk: numberDomains(topology, disk => [disk.id]),
    peer: numberDomains(topology, disk => [disk.peer]),
    rack: numberDomains(topology, disk => [disk.rack, disk.zone]),
    zone: numberDomains(topology, disk => [disk.zone]),
  }
  const worst = (domains: Uint16Array) => {
    let least = Number.POSITIVE_INFINITY
    for (let first = 0; first < table.slots.length; first += table.width) {
      const row = table.slots.subarray(first, first + table.width)
      least = Math.min(least, failuresOf(row, domains, needed))
    }
    return least
  }
  return {
    disk: worst(numbers.disk),
    peer: worst(numbers.peer),
    rack: worst(numbers.rack),
    zone: worst(numbers.zone),
  }
}

/** Domains with most members first: so many may go that `needed` members are left. */
function failuresOf(row: Uint16Array, domains: Uint16Array, needed: number): number {
  const counts = new Map<number, number>()
  let left = 0
  for (const disk of row) {
    if (disk === HOLE) continue
    left++
    counts.set(domains[disk], (counts.get(domains[disk]) ?? 0) + 1)
  }
  let failures = 0
  for (const count of [...counts.values()].sort((a, b) => b - a)) {
    left -= count
    if (left < needed) break
    failures++
  }
  return failures
}

/** Disks come sorted, so a domain is a run of equal names. */
function numberDomains(
  topology: CheckedTopology,
  names: (disk: CheckedDisk) => readonly unknown[],
): Uint16Array {
  const numbers = new Uint16Array(topology.disks.length)
  for (let i = 1; i < numbers.length; i++) {
    const before = names(topology.disks[i - 1])
    const isSame = names(topology.disks[i]).every((name, at) => name === before[at])
    numbers[i] = numbers[i - 1] + (isSame ? 0 : 1)
  }
  return numbers
}
