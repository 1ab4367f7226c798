import type { Board } from './board.ts'
import type { Chooser } from './choose.ts'
import { HOLE } from './limits.ts'
import { PEER, ROOT } from './policy-tree.ts'

/**
 * Moves members from disks over their target straight to disks under theirs. What one peer, then
 * one rack, then one zone can settle inside itself is settled there, so that between them only
 * their own surplus moves. Members that came with this plan go first: they move anyway.
 */
export function moveDirectly(board: Board, chooser: Chooser, order: Uint32Array): void {
  for (const mayLeaveHome of [false, true]) {
    for (let level = PEER; level >= ROOT; level--) {
      if (canSettleInside(board, level)) settle(board, chooser, order, level, mayLeaveHome)
    }
  }
}

function canSettleInside(board: Board, level: number): boolean {
  const { tree, deficits } = board
  const above = tree.above[level]
  for (let disk = 0; disk < tree.diskCount; disk++) {
    if (!board.isOver(disk)) continue
    const node = above[disk]
    if (deficits.between(tree.diskFirst[node], tree.diskEnd[node]) > 0) return true
  }
  return false
}

function settle(
  board: Board,
  chooser: Chooser,
  order: Uint32Array,
  level: number,
  mayLeaveHome: boolean,
): void {
  const { slots, width, tree } = board
  const above = tree.above[level]
  for (const pg of order) {
    for (let at = pg * width; at < (pg + 1) * width; at++) {
      const disk = slots[at]
      if (disk === HOLE || !board.isOver(disk)) continue
      if (!mayLeaveHome && board.isHome(pg, disk)) continue
      const to = chooser.under(pg, at, above[disk])
      if (to < 0) continue
      board.take(at)
      board.put(at, to)
    }
  }
}
