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
    for (let pg = 0; pg < Math.min(previous.pgs, table.pgs); pg++) {
      countRow(topology, rowOf(previous, pg), rowOf(table, pg), movement, between)
    }
  }
  const list = [...between.values()].sort((a, b) => b.members - a.members)
  return { ...movement, between: list }
}

function rowOf(table: PgTable, pg: number): Id[] {
  const row = table.slots.subarray(pg * table.width, (pg + 1) * table.width)
  return Array.from(
    row.filter(disk => disk !== HOLE),
    disk => table.disks[disk],
  )
}

function countRow(
  topology: CheckedTopology,
  was: readonly Id[],
  now: readonly Id[],
  movement: { arriving: Int32Array; leaving: Int32Array },
  between: Map<string, { from: Id | null; to: Id; members: number }>,
): void {
  const gone = was.filter(id => !now.includes(id))
  const come = now.filter(id => !was.includes(id))
  for (const id of gone) {
    const at = topology.indexOf.get(id)
    if (at !== undefined) movement.leaving[at] += 1
  }
  come.forEach((id, i) => {
    const at = topology.indexOf.get(id) as number
    movement.arriving[at] += 1
    const source = topology.indexOf.get(gone[i])
    const from = source === undefined ? null : topology.disks[source].peer
    const to = topology.disks[at].peer
    const key = JSON.stringify([from, to])
    const known = between.get(key)
    if (known === undefined) between.set(key, { from, to, members: 1 })
    else known.members += 1
  })
}
