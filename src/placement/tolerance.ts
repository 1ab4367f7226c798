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
  const worst = (domains: Uint16Array) => new WorstRow(table, domains, needed).failures()
  return {
    disk: worst(numbers.disk),
    peer: worst(numbers.peer),
    rack: worst(numbers.rack),
    zone: worst(numbers.zone),
  }
}

/** The row that the fewest failures of one kind of domain can harm. NOTHING IS MADE PER ROW. */
class WorstRow {
  readonly #table: PgTable
  readonly #domains: Uint16Array
  readonly #needed: number
  /** Of one row: its domains, the members of each, and how many domains have so many members. */
  readonly #seen: Uint16Array
  readonly #members: Uint8Array
  readonly #having: Uint8Array

  constructor(table: PgTable, domains: Uint16Array, needed: number) {
    this.#table = table
    this.#domains = domains
    this.#needed = needed
    this.#seen = new Uint16Array(table.width)
    this.#members = new Uint8Array(table.width)
    this.#having = new Uint8Array(table.width + 1)
  }

  failures(): number {
    const { slots, width } = this.#table
    let least = Number.POSITIVE_INFINITY
    for (let first = 0; first < slots.length && least > 0; first += width) {
      least = Math.min(least, this.#failuresOf(first))
    }
    return least
  }

  /** Domains with most members first: so many may go that `needed` members are left. */
  #failuresOf(first: number): number {
    let left = this.#countDomains(first)
    let failures = 0
    for (let members = this.#table.width; members > 0; members--) {
      for (let more = this.#having[members]; more > 0; more--) {
        left -= members
        if (left < this.#needed) return failures
        failures++
      }
    }
    return failures
  }

  /** Returns the members of the row. */
  #countDomains(first: number): number {
    const { slots, width } = this.#table
    let kinds = 0
    let count = 0
    for (let at = first; at < first + width; at++) {
      if (slots[at] === HOLE) continue
      count++
      const domain = this.#domains[slots[at]]
      let known = 0
      while (known < kinds && this.#seen[known] !== domain) known++
      if (known === kinds) {
        this.#seen[kinds] = domain
        this.#members[kinds++] = 0
      }
      this.#members[known] += 1
    }
    this.#having.fill(0)
    for (let kind = 0; kind < kinds; kind++) this.#having[this.#members[kind]] += 1
    return count
  }
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
