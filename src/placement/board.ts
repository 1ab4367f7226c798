import { Fenwick } from './fenwick.ts'
import { HOLE } from './limits.ts'
import { DISK, PEER, type PolicyTree, ROOT } from './policy-tree.ts'
import type { Windows } from './targets.ts'

/**
 * The table while it is planned: members by disk of the tree, loads, targets, and what is missing.
 *
 * A *unit* is the highest node above a disk that holds at most one member of a PG. Inside a unit a
 * member can go to any disk without asking a rule; a PG never has two members in one unit.
 */
export class Board {
  readonly tree: PolicyTree
  readonly pgs: number
  readonly width: number
  /** Disk of the tree per PG and position, or HOLE. */
  readonly slots: Uint16Array
  /** The same where the data is now; HOLE where that disk keeps no member any more. */
  readonly base: Uint16Array
  /** Members per node of the tree. */
  readonly load: Int32Array
  /** Members every node shall have. */
  readonly target: Int32Array
  /** Node that is the unit of each disk. */
  readonly unit: Int32Array
  /** Missing members per disk, to draw from. */
  readonly deficits: Fenwick
  /** Bounds above the units that allow more than one member, and fewer than all. */
  readonly #wide: readonly Int32Array[]
  readonly #diskBase: number

  constructor(tree: PolicyTree, slots: Uint16Array, pgs: number, width: number) {
    this.tree = tree
    this.pgs = pgs
    this.width = width
    this.base = slots
    this.slots = slots.slice()
    this.#diskBase = tree.levelFirst[DISK]
    this.load = new Int32Array(tree.nodeCount)
    this.target = new Int32Array(tree.nodeCount)
    this.unit = unitsOf(tree)
    this.#wide = wideLevels(tree, width)
    for (const disk of slots) if (disk !== HOLE) this.load[this.#diskBase + disk] += 1
    for (let node = tree.nodeCount - 1; node > ROOT; node--) {
      this.load[tree.parent[node]] += this.load[node]
    }
    this.deficits = new Fenwick(new Int32Array(tree.diskCount))
  }

  aim(target: Int32Array): void {
    this.target.set(target)
    for (let disk = 0; disk < this.tree.diskCount; disk++) {
      const missing = this.missing(disk)
      if (missing > 0) this.deficits.add(disk, missing)
    }
  }

  /**
   * Lets `to` keep one member more and `from` one less, where nobody leaves its window by it.
   * Two disks of one node change nothing for that node.
   */
  shiftTarget(from: number, to: number, windows: Windows): boolean {
    if (!this.canShiftTarget(from, to, windows)) return false
    this.#retarget(from, -1)
    this.#retarget(to, 1)
    return true
  }

  canShiftTarget(from: number, to: number, { low, high }: Windows): boolean {
    const { parent } = this.tree
    let less = this.#diskBase + from
    let more = this.#diskBase + to
    for (; less !== more; less = parent[less], more = parent[more]) {
      if (this.target[less] <= low[less] || this.target[more] >= high[more]) return false
    }
    return true
  }

  diskLoads(): Int32Array {
    return this.load.slice(this.#diskBase)
  }

  /** Target less load: above 0 the disk is under, below 0 it is over. */
  missing(disk: number): number {
    const node = this.#diskBase + disk
    return this.target[node] - this.load[node]
  }

  isOver(disk: number): boolean {
    const node = this.#diskBase + disk
    return this.load[node] > this.target[node]
  }

  put(at: number, disk: number): void {
    this.slots[at] = disk
    if (this.missing(disk) > 0) this.deficits.add(disk, -1)
    this.#count(disk, 1)
  }

  take(at: number): number {
    const disk = this.slots[at]
    this.slots[at] = HOLE
    this.#count(disk, -1)
    if (this.missing(disk) > 0) this.deficits.add(disk, 1)
    return disk
  }

  /** Did the PG have this member before the plan? If not, placing it elsewhere costs nothing. */
  isHome(pg: number, disk: number): boolean {
    const first = pg * this.width
    for (let at = first; at < first + this.width; at++) if (this.base[at] === disk) return true
    return false
  }

  /** Members that their PG did not have before the plan. */
  newcomers(): number {
    let count = 0
    for (let at = 0; at < this.slots.length; at++) {
      const disk = this.slots[at]
      if (disk === HOLE || disk === this.base[at]) continue
      if (!this.isHome(Math.floor(at / this.width), disk)) count++
    }
    return count
  }

  members(pg: number): number {
    const first = pg * this.width
    let count = 0
    for (let at = first; at < first + this.width; at++) if (this.slots[at] !== HOLE) count++
    return count
  }

  /** May `disk` be a member of the PG, once the member at `leaving` (or nobody: -1) has left? */
  hasRoom(pg: number, disk: number, leaving: number): boolean {
    const first = pg * this.width
    const unit = this.unit
    const wanted = unit[disk]
    for (let at = first; at < first + this.width; at++) {
      const member = this.slots[at]
      if (at !== leaving && member !== HOLE && unit[member] === wanted) return false
    }
    for (const above of this.#wide) {
      const node = above[disk]
      if (this.#countIn(pg, above, node, leaving) >= this.tree.cap[node]) return false
    }
    return true
  }

  /**
   * A node that has more members of the PG than its bound, or -1. THE LOWEST ONE FIRST: who leaves it
   * leaves the nodes above, too, and fewest leave in all.
   */
  brokenNode(pg: number): number {
    const first = pg * this.width
    for (let at = first; at < first + this.width; at++) {
      const disk = this.slots[at]
      if (disk === HOLE) continue
      if (this.#countIn(pg, this.unit, this.unit[disk], at) > 0) return this.unit[disk]
    }
    for (let level = this.#wide.length - 1; level >= 0; level--) {
      const node = this.#overfullOf(pg, this.#wide[level])
      if (node >= 0) return node
    }
    return -1
  }

  #overfullOf(pg: number, above: Int32Array): number {
    const first = pg * this.width
    for (let at = first; at < first + this.width; at++) {
      const disk = this.slots[at]
      if (disk === HOLE) continue
      const node = above[disk]
      if (this.#countIn(pg, above, node, -1) > this.tree.cap[node]) return node
    }
    return -1
  }

  membersIn(pg: number, node: number): number {
    const first = pg * this.width
    const from = this.tree.diskFirst[node]
    const end = this.tree.diskEnd[node]
    let count = 0
    for (let at = first; at < first + this.width; at++) {
      const disk = this.slots[at]
      if (disk >= from && disk < end) count++
    }
    return count
  }

  #retarget(disk: number, delta: number): void {
    const { parent } = this.tree
    const before = Math.max(0, this.missing(disk))
    for (let node = this.#diskBase + disk; node >= ROOT; node = parent[node]) {
      this.target[node] += delta
    }
    this.deficits.add(disk, Math.max(0, this.missing(disk)) - before)
  }

  #countIn(pg: number, above: Int32Array, node: number, leaving: number): number {
    const first = pg * this.width
    let count = 0
    for (let at = first; at < first + this.width; at++) {
      const member = this.slots[at]
      if (at !== leaving && member !== HOLE && above[member] === node) count++
    }
    return count
  }

  #count(disk: number, delta: number): void {
    const { parent } = this.tree
    for (let node = this.#diskBase + disk; node >= ROOT; node = parent[node]) {
      this.load[node] += delta
    }
  }
}

function unitsOf(tree: PolicyTree): Int32Array {
  const unit = new Int32Array(tree.diskCount)
  for (let disk = 0; disk < tree.diskCount; disk++) {
    let level = ROOT
    while (tree.cap[tree.above[level][disk]] > 1) level++
    unit[disk] = tree.above[level][disk]
  }
  return unit
}

function wideLevels(tree: PolicyTree, width: number): Int32Array[] {
  const wide: Int32Array[] = []
  for (let level = ROOT + 1; level <= PEER; level++) {
    const first = tree.levelFirst[level]
    const caps = tree.cap.subarray(first, tree.levelFirst[level + 1])
    if (tree.diskCount > 0 && caps.some(cap => cap > 1 && cap < width)) {
      wide.push(tree.above[level])
    }
  }
  return wide
}
