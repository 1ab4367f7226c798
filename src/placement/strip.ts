import type { Board } from './board.ts'
import { HOLE } from './limits.ts'

/**
 * Takes out the members that break a rule, or that are too many for the policy. Of those that
 * could go, the one on the disk with most above its target goes: it would have moved anyway.
 *
 * Returns how many members the PGs then lack: so many must come, whatever the table.
 */
export function stripOffenders(board: Board, order: Uint32Array): number {
  let vacant = 0
  for (const pg of order) {
    for (let node = board.brokenNode(pg); node >= 0; node = board.brokenNode(pg)) {
      board.take(mostOver(board, pg, node))
    }
    while (board.members(pg) > board.tree.membersPerPg) {
      board.take(mostOver(board, pg, 0))
    }
    vacant += board.tree.membersPerPg - board.members(pg)
  }
  return vacant
}

function mostOver(board: Board, pg: number, node: number): number {
  const { tree, slots } = board
  let worst = -1
  for (let at = pg * board.width; at < (pg + 1) * board.width; at++) {
    const disk = slots[at]
    if (disk === HOLE || disk < tree.diskFirst[node] || disk >= tree.diskEnd[node]) continue
    if (worst < 0 || board.missing(disk) < board.missing(slots[worst])) worst = at
  }
  return worst
}
