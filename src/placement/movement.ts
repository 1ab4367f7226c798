import type { CheckedTopology } from './checked-topology.ts'
import { HOLE } from './limits.ts'
import type { Id, PgTable } from './types.ts'

/** Members that go from one peer to another; `from` null: made anew from the other members. */
export interface PeerMovement {
  readonly from: Id | null
  readonly to: Id
  readonly members: number
}

export interface Movement {
  /** Members that arrive at and leave each disk of the topology. */
  readonly arriving: Int32Array
  readonly leaving: Int32Array
  readonly between: readonly PeerMovement[]
}

/**
 * What moves between two tables of the same policies. Within a row, those who leave hand over to
 * those who come, in the order they stand.
 */
export function movementBetween(
  topology: CheckedTopology,
  before: readonly PgTable[],
  after: readonly PgTable[],
): Movement {
  const count = topology.disks.length
  const movement = { arriving: new Int32Array(count), leaving: new Int32Array(count) }
  const between = new Map<string, { from: Id | null; to: Id; members: number }>()
  for (const table of after) {
    const previous = before.find(one => one.name === table.name)
    if (previous === undefined) continue
    const [was, now] = [new Rows(topology, previous), new Rows(topology, table)]
    for (let pg = 0; pg < Math.min(previous.pgs, table.pgs); pg++) {
      // Nearly all are as they were: nothing is made for those.
      if (!was.isSame(pg, now)) countRow(topology, was.row(pg), now.row(pg), movement, between)
    }
  }
  const list = [...between.values()].sort((a, b) => b.members - a.members)
  return { ...movement, between: list }
}

/** The rows of a table by index of the topology. */
class Rows {
  readonly #table: PgTable
  readonly #indexOf: Int32Array

  constructor(topology: CheckedTopology, table: PgTable) {
    this.#table = table
    this.#indexOf = indexesOf(topology, table)
  }

  isSame(pg: number, other: Rows): boolean {
    const { width } = this.#table
    if (other.#table.width !== width) return false
    for (let at = pg * width; at < (pg + 1) * width; at++) {
      const [disk, that] = [this.#table.slots[at], other.#table.slots[at]]
      if (disk === HOLE && that === HOLE) continue
      if (disk === HOLE || that === HOLE) return false
      if (this.#indexOf[disk] !== other.#indexOf[that] || this.#indexOf[disk] < 0) return false
    }
    return true
  }

  row(pg: number): number[] {
    const { slots, width } = this.#table
    const row: number[] = []
    for (let at = pg * width; at < (pg + 1) * width; at++) {
      if (slots[at] !== HOLE) row.push(this.#indexOf[slots[at]])
    }
    return row
  }
}

/** Where each disk of a table stands in the topology; -1: not in it any more. */
export function indexesOf(topology: CheckedTopology, table: PgTable): Int32Array {
  return Int32Array.from(table.disks, id => topology.indexOf.get(id) ?? -1)
}

function countRow(
  topology: CheckedTopology,
  was: readonly number[],
  now: readonly number[],
  movement: { arriving: Int32Array; leaving: Int32Array },
  between: Map<string, { from: Id | null; to: Id; members: number }>,
): void {
  const gone = was.filter(at => !now.includes(at))
  const come = now.filter(at => !was.includes(at))
  for (const at of gone) if (at >= 0) movement.leaving[at] += 1
  come.forEach((at, i) => {
    movement.arriving[at] += 1
    const source = gone[i] ?? -1
    const from = source < 0 ? null : topology.disks[source].peer
    const to = topology.disks[at].peer
    const key = JSON.stringify([from, to])
    const known = between.get(key)
    if (known === undefined) between.set(key, { from, to, members: 1 })
    else known.members += 1
  })
}
