import type { CheckedPolicy } from './checked-policy.ts'
import type { CheckedTopology } from './checked-topology.ts'
import { PlacementError } from './errors.ts'
import { HOLE, PGS_MAX } from './limits.ts'
import type { PolicyTree } from './policy-tree.ts'
import type { PgTable } from './types.ts'

/** Members by index of today's topology; HOLE where the disk is not in it any more. */
export function inTopology(previous: PgTable, topology: CheckedTopology): Uint16Array {
  checkTable(previous)
  const now = Uint16Array.from(previous.disks, id => topology.indexOf.get(id) ?? HOLE)
  return previous.slots.map(disk => (disk === HOLE ? HOLE : now[disk]))
}

/**
 * The rows of a table in the shape that the policy has now. More PGs: the new ones are empty, for
 * what was written before keeps to the old ones. More copies: holes. Fewer copies: the rows stay as
 * wide as they were until it is decided who leaves.
 */
export function reshape(
  slots: Uint16Array,
  from: { readonly pgs: number; readonly width: number },
  pgs: number,
  width: number,
): Uint16Array {
  if (from.pgs === pgs && from.width >= width) return slots
  const wide = Math.max(width, from.width)
  const rows = new Uint16Array(pgs * wide).fill(HOLE)
  for (let pg = 0; pg < from.pgs; pg++) {
    const first = pg * from.width
    rows.set(slots.subarray(first, first + from.width), pg * wide)
  }
  return rows
}

/** Rows of `width` again: members beyond it take the free positions. */
export function narrow(slots: Uint16Array, wide: number, width: number): Uint16Array {
  if (wide === width) return slots
  const rows = new Uint16Array((slots.length / wide) * width).fill(HOLE)
  for (let pg = 0; pg * wide < slots.length; pg++) {
    const row = slots.subarray(pg * wide, (pg + 1) * wide)
    const first = pg * width
    rows.set(row.subarray(0, width), first)
    for (const disk of row.subarray(width)) {
      if (disk !== HOLE) rows[rows.indexOf(HOLE, first)] = disk
    }
  }
  return rows
}

/** Disks of the tree instead of the topology; HOLE where the disk keeps no members. */
export function inTree(slots: Uint16Array, tree: PolicyTree): Uint16Array {
  const { fromTopology } = tree
  return slots.map(disk => (disk === HOLE || fromTopology[disk] < 0 ? HOLE : fromTopology[disk]))
}

export function outOfTree(slots: Uint16Array, tree: PolicyTree): Uint16Array {
  const { toTopology } = tree
  return slots.map(disk => (disk === HOLE ? HOLE : toTopology[disk]))
}

export function checkGrowth(previous: PgTable, policy: CheckedPolicy, pgs: number): void {
  if (previous.pgs <= pgs) return
  throw new PlacementError(
    'pg_count_shrinks',
    `policy ${JSON.stringify(policy.name)} has ${previous.pgs} PGs, ${pgs} are asked for`,
    'PGs become more, never fewer: keep the count, or double it',
  )
}

function checkTable({ name, pgs, width, disks, slots }: PgTable): void {
  const isPowerOfTwo = pgs >= 1 && pgs <= PGS_MAX && (pgs & (pgs - 1)) === 0
  const isWhole = isPowerOfTwo && Number.isInteger(width) && slots.length === pgs * width
  if (!isWhole || disks.length > HOLE) {
    throw new PlacementError(
      'bad_table',
      `the previous table of ${JSON.stringify(name)} is not ${pgs} PGs of ${width} members`,
      'hand over a table that a plan returned',
    )
  }
  for (const disk of slots) {
    if (disk === HOLE || disk < disks.length) continue
    throw new PlacementError(
      'unknown_disk',
      `the previous table of ${JSON.stringify(name)} names disk number ${disk}`,
      `it lists ${disks.length} disks`,
    )
  }
}
