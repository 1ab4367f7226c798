import { GRID, GRID_SNAP } from './limits.ts'
import { DISK, type PolicyTree, ROOT } from './policy-tree.ts'

/** A bound counts as exceeded beyond this ratio: below it is only the rounding of a sum. */
const TOLERANCE = 1 + 1e-12

/**
 * The feasible share of every node in 1/65,536 slot: weighted max-min fair under the bounds.
 *
 * Every disk gets weight x level. Bottom-up, where the disks of a node would exceed its bound,
 * the highest levels are cut to one common level that meets the bound exactly. Whole numbers from
 * there on, in which the shares of the children add up to that of their parent.
 */
export function feasibleShares(tree: PolicyTree, pgs: number): Float64Array {
  const level = new Float64Array(tree.diskCount)
  for (let i = 0; i < tree.diskCount; i++) level[i] = pgs / tree.weight[i]
  for (let node = tree.levelFirst[DISK] - 1; node >= ROOT; node--) {
    cutToBound(tree, level, node, tree.cap[node] * pgs)
  }
  const exact = sumUp(tree, level)
  return toGrid(tree, exact, pgs)
}

function cutToBound(tree: PolicyTree, level: Float64Array, node: number, bound: number): void {
  const first = tree.diskFirst[node]
  const end = tree.diskEnd[node]
  const weight = tree.weight
  let sum = 0
  for (let i = first; i < end; i++) sum += weight[i] * level[i]
  if (sum <= bound * TOLERANCE) return
  const order = new Uint32Array(end - first)
  for (let i = first; i < end; i++) order[i - first] = i
  order.sort((a, b) => level[a] - level[b] || a - b)
  let weightLeft = 0
  for (const i of order) weightLeft += weight[i]
  let boundLeft = bound
  let at = 0
  while (at < order.length && level[order[at]] * weightLeft < boundLeft) {
    const i = order[at++]
    boundLeft -= weight[i] * level[i]
    weightLeft -= weight[i]
  }
  const common = weightLeft > 0 ? boundLeft / weightLeft : 0
  for (; at < order.length; at++) level[order[at]] = common
}

function sumUp(tree: PolicyTree, level: Float64Array): Float64Array {
  const exact = new Float64Array(tree.nodeCount)
  const diskBase = tree.levelFirst[DISK]
  for (let i = 0; i < tree.diskCount; i++) exact[diskBase + i] = tree.weight[i] * level[i]
  for (let node = diskBase - 1; node >= ROOT; node--) {
    let sum = 0
    for (let c = tree.childFirst[node]; c < tree.childEnd[node]; c++) sum += exact[c]
    exact[node] = sum
  }
  return exact
}

function toGrid(tree: PolicyTree, exact: Float64Array, pgs: number): Float64Array {
  const share = new Float64Array(tree.nodeCount)
  share[ROOT] = tree.cap[ROOT] * pgs * GRID
  for (let node = ROOT; node < tree.levelFirst[DISK]; node++) {
    const count = tree.childEnd[node] - tree.childFirst[node]
    if (count === 0) continue
    const scale = exact[node] > 0 ? share[node] / exact[node] : 0
    let left = share[node]
    for (let c = tree.childFirst[node]; c < tree.childEnd[node]; c++) {
      share[c] = Math.min(snap(Math.floor(exact[c] * scale + 0.5)), tree.cap[c] * pgs * GRID)
      left -= share[c]
    }
    spreadRest(tree, share, node, left, pgs)
  }
  return share
}

/** A share that is a whole number of slots but for rounding must not leave room for the next. */
function snap(parts: number): number {
  const rest = parts % GRID
  if (rest <= GRID_SNAP) return parts - rest
  return rest >= GRID - GRID_SNAP ? parts - rest + GRID : parts
}

/** Gives what rounding left over, or takes what it gave too much, where that shifts no window. */
function spreadRest(
  tree: PolicyTree,
  share: Float64Array,
  node: number,
  rest: number,
  pgs: number,
): void {
  let left = rest
  const first = tree.childFirst[node]
  const end = tree.childEnd[node]
  // First only inside a window between two whole slots, then wherever the bounds have room.
  for (const isBroken of [false, true]) {
    for (let round = 0; left !== 0 && round < 64; round++) {
      let portion = Math.ceil(Math.abs(left) / (end - first))
      for (let c = first; c < end && left !== 0; c++) {
        portion = Math.min(portion, Math.abs(left))
        const room = roomToShift(share[c], tree.cap[c] * pgs * GRID, left > 0, isBroken)
        const shift = Math.min(portion, room)
        share[c] += left > 0 ? shift : -shift
        left += left > 0 ? -shift : shift
      }
    }
  }
}

function roomToShift(share: number, bound: number, isUp: boolean, mayBreakWindow: boolean): number {
  if (mayBreakWindow) return isUp ? bound - share : share
  const rest = share % GRID
  if (rest === 0) return 0
  return isUp ? Math.min(GRID - GRID_SNAP - 1 - rest, bound - share) : rest - GRID_SNAP - 1
}
