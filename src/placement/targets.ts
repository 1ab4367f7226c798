import { GRID } from './limits.ts'
import { DISK, type PolicyTree, ROOT } from './policy-tree.ts'

/** A sum over all policies that leaves its window costs more than any movement. */
const WINDOW_COST = 2 ** 22

/**
 * Whole numbers of slots for every node: its share rounded down or up, so that children add up to
 * their parent, and so that the fewest slots move from `load`. A disk whose load is one of its two
 * values stays as it is: that is the hysteresis.
 *
 * `carried` is what the other policies leave the domain of every node short of (in grid parts, negative:
 * give too much). Among roundings, those come first that keep the sum within one slot.
 */
export function chooseTargets(
  tree: PolicyTree,
  share: Float64Array,
  load: Int32Array,
  carried: Float64Array,
): Int32Array {
  const chooser = new TargetChooser(tree, share, load, carried)
  return chooser.choose()
}

/** Between which whole numbers a target may be chosen anew without anyone being off by a slot. */
export interface Windows {
  readonly low: Int32Array
  readonly high: Int32Array
}

/** The rounding up or down of each share, less what would put the sum of all policies off. */
export function windowsOf(
  tree: PolicyTree,
  share: Float64Array,
  target: Int32Array,
  carried: Float64Array,
): Windows {
  const low = target.slice()
  const high = target.slice()
  for (let node = 0; node < tree.nodeCount; node++) {
    const rest = share[node] % GRID
    if (rest === 0) continue
    const floor = (share[node] - rest) / GRID
    const due = carried[node] + rest
    if (due < GRID) low[node] = Math.min(low[node], floor)
    if (due > 0) high[node] = Math.max(high[node], floor + 1)
  }
  return { low, high }
}

class TargetChooser {
  readonly #tree: PolicyTree
  readonly #low: Int32Array
  readonly #isWhole: Uint8Array
  /** Cost of the subtree when its node is rounded down, and what rounding up adds. */
  readonly #costLow: Float64Array
  readonly #costUp: Float64Array
  /** How much rounding up is due: the part beyond the whole slots, and what is carried. */
  readonly #due: Float64Array

  constructor(tree: PolicyTree, share: Float64Array, load: Int32Array, carried: Float64Array) {
    this.#tree = tree
    this.#low = new Int32Array(tree.nodeCount)
    this.#isWhole = new Uint8Array(tree.nodeCount)
    this.#due = carried.slice()
    this.#costLow = new Float64Array(tree.nodeCount)
    this.#costUp = new Float64Array(tree.nodeCount)
    for (let node = 0; node < tree.nodeCount; node++) {
      const rest = share[node] % GRID
      this.#low[node] = (share[node] - rest) / GRID
      this.#isWhole[node] = rest === 0 ? 1 : 0
      this.#due[node] += rest
    }
    const diskBase = tree.levelFirst[DISK]
    for (let i = 0; i < tree.diskCount; i++) {
      const low = this.#low[diskBase + i]
      this.#costLow[diskBase + i] = Math.abs(low - load[i])
      this.#costUp[diskBase + i] = load[i] > low ? -1 : 1
    }
  }

  choose(): Int32Array {
    const tree = this.#tree
    const order: Uint32Array[] = []
    for (let node = tree.nodeCount - 1; node >= ROOT; node--) {
      if (node < tree.levelFirst[DISK]) order[node] = this.#rank(node)
      this.#addWindowCost(node)
    }
    const target = this.#low.slice()
    for (let node = ROOT; node < tree.levelFirst[DISK]; node++) {
      const count = this.#raisedChildren(node, target[node])
      const ranked = order[node]
      for (let k = 0; k < count; k++) target[ranked[k]] += 1
    }
    return target
  }

  /** Children that may be raised, cheapest first, and from them the cost of this node. */
  #rank(node: number): Uint32Array {
    const tree = this.#tree
    const ranked: number[] = []
    let cost = 0
    for (let c = tree.childFirst[node]; c < tree.childEnd[node]; c++) {
      cost += this.#costLow[c]
      if (this.#isWhole[c] === 0) ranked.push(c)
    }
    const up = this.#costUp
    const due = this.#due
    ranked.sort((a, b) => up[a] - up[b] || due[b] - due[a] || a - b)
    const atLow = this.#raisedChildren(node, this.#low[node])
    for (let k = 0; k < atLow; k++) cost += up[ranked[k]]
    this.#costLow[node] = cost
    this.#costUp[node] = this.#isWhole[node] === 1 ? 0 : up[ranked[atLow]]
    return Uint32Array.from(ranked)
  }

  /** How many children round up when this node gets `slots`. */
  #raisedChildren(node: number, slots: number): number {
    let count = slots
    for (let c = this.#tree.childFirst[node]; c < this.#tree.childEnd[node]; c++) {
      count -= this.#low[c]
    }
    return count
  }

  /** |carried + share − target| stays below one slot where that is possible at all. */
  #addWindowCost(node: number): void {
    if (this.#due[node] >= GRID) this.#costLow[node] += WINDOW_COST
    if (this.#isWhole[node] === 1) return
    if (this.#due[node] >= GRID) this.#costUp[node] -= WINDOW_COST
    if (this.#due[node] <= 0) this.#costUp[node] += WINDOW_COST
  }
}
