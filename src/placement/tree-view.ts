import { type CheckedDisk, checkTopology } from './checked-topology.ts'
import { HOLE } from './limits.ts'
import type { DiskState, Domain, Id, PgTable, Topology } from './types.ts'

/** One line of the tree: a domain with the sums of what lies in it. */
export interface TreeNode {
  readonly level: Domain
  /** "peer X" or "rack X" where that one names no rack or zone, and stands for itself. */
  readonly name: Id
  readonly weight: number
  /** Used part of what was measured in it; null when nothing was. */
  readonly fill: number | null
  /** Members of all tables. */
  readonly members: number
  /** Part of all members, 0…1. */
  readonly share: number
  /** Of a disk; null above. */
  readonly state: DiskState | null
  readonly class: string | null
  readonly children: readonly TreeNode[]
}

const LEVELS: readonly Domain[] = ['zone', 'rack', 'peer', 'disk']

/** Zones, racks, peers and disks, in order, for `cluster map --tree`. */
export function treeOf(topology: Topology, tables: readonly PgTable[]): TreeNode[] {
  const { disks, indexOf } = checkTopology(topology)
  const members = new Int32Array(disks.length)
  let total = 0
  for (const table of tables) {
    for (const slot of table.slots) {
      const at = slot === HOLE ? undefined : indexOf.get(table.disks[slot])
      if (at === undefined) continue
      members[at] += 1
      total += 1
    }
  }
  return nodesOf(disks, members, Math.max(1, total), 0, 0, disks.length)
}

/** Disks come sorted, so every domain is a run of disks with the same name. */
function nodesOf(
  disks: readonly CheckedDisk[],
  members: Int32Array,
  total: number,
  depth: number,
  first: number,
  end: number,
): TreeNode[] {
  const level = LEVELS[depth]
  const nodes: TreeNode[] = []
  for (let from = first; from < end; ) {
    const name = nameAt(disks[from], level)
    let to = from + 1
    while (to < end && nameAt(disks[to], level) === name) to++
    const isDisk = level === 'disk'
    const children = isDisk ? [] : nodesOf(disks, members, total, depth + 1, from, to)
    const held = members.subarray(from, to).reduce((sum, count) => sum + count, 0)
    nodes.push({
      level,
      name,
      ...weighed(disks.slice(from, to)),
      members: held,
      share: held / total,
      state: isDisk ? disks[from].state : null,
      class: isDisk ? disks[from].class : null,
      children,
    })
    from = to
  }
  return nodes
}

function nameAt(disk: CheckedDisk, level: Domain): Id {
  return level === 'disk' ? disk.id : disk[level]
}

function weighed(disks: readonly CheckedDisk[]): { weight: number; fill: number | null } {
  let weight = 0
  let used = 0
  let measured = 0
  for (const disk of disks) {
    weight += disk.rawWeight
    if (disk.fill === null) continue
    used += disk.fill * disk.rawWeight
    measured += disk.rawWeight
  }
  return { weight, fill: measured === 0 ? null : used / measured }
}
