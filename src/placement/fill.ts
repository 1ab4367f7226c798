import type { Board } from './board.ts'
import type { Chooser } from './choose.ts'
import { HOLE } from './limits.ts'
import { ROOT } from './policy-tree.ts'

/**
 * Fills the holes, PG by PG in hash order. A fresh table is all holes, and comes out exact: the
 * only way to fail is that too few PGs are left for what a node still needs, so such a node is
 * served while it can be. What no disk under its target may take goes to any disk that may.
 */
export function fillHoles(board: Board, chooser: Chooser, order: Uint32Array): number {
  const waiting = order.filter(pg => board.members(pg) < board.tree.membersPerPg)
  const urgent = new UrgentNodes(board, waiting.length)
  let holes = 0
  waiting.forEach((pg, i) => {
    urgent.serve(pg, waiting.length - i, chooser)
    holes += fillRow(board, chooser, pg)
  })
  return holes
}

function fillRow(board: Board, chooser: Chooser, pg: number): number {
  for (let missing = board.tree.membersPerPg - board.members(pg); missing > 0; missing--) {
    const hole = firstHole(board, pg)
    const under = chooser.under(pg, hole, ROOT)
    const disk = under >= 0 ? under : chooser.any(pg)
    if (disk < 0) return missing
    board.put(hole, disk)
  }
  return 0
}

function firstHole(board: Board, pg: number): number {
  let at = pg * board.width
  while (board.slots[at] !== HOLE) at++
  return at
}

/**
 * Nodes by the number of PGs they need to get what they miss, at `cap` members per PG. A node
 * whose number has come to the number of PGs left needs `cap` members of this one.
 *
 * A list per number; a node is looked at only when its number is due, and goes to the list of its
 * new number then.
 */
class UrgentNodes {
  readonly #board: Board
  readonly #head: Int32Array
  readonly #next: Int32Array

  constructor(board: Board, pgsLeft: number) {
    this.#board = board
    this.#head = new Int32Array(pgsLeft + 1).fill(-1)
    this.#next = new Int32Array(board.tree.nodeCount).fill(-1)
    // Pushed from the root down, so that each list begins with its deepest nodes.
    for (let node = ROOT + 1; node < board.tree.nodeCount; node++) this.#push(node, pgsLeft)
  }

  serve(pg: number, pgsLeft: number, chooser: Chooser): void {
    const board = this.#board
    const due: number[] = []
    for (let node = this.#head[pgsLeft]; node >= 0; node = this.#next[node]) due.push(node)
    if (due.length === 0) return
    // Deepest first: what a child must get counts for its parents too.
    due.sort((a, b) => b - a)
    for (const node of due) this.#serveNode(board, pg, node, pgsLeft, chooser)
    for (const node of due.reverse()) this.#push(node, pgsLeft - 1)
  }

  #serveNode(board: Board, pg: number, node: number, pgsLeft: number, chooser: Chooser): void {
    const later = board.tree.cap[node] * (pgsLeft - 1)
    while (board.target[node] - board.load[node] > later) {
      if (board.members(pg) >= board.tree.membersPerPg) return
      const hole = firstHole(board, pg)
      const disk = chooser.under(pg, hole, node)
      if (disk < 0) return
      board.put(hole, disk)
    }
  }

  #push(node: number, latest: number): void {
    const { tree, target, load } = this.#board
    const missing = target[node] - load[node]
    if (missing <= 0) return
    const number = Math.min(Math.ceil(missing / tree.cap[node]), latest)
    if (number < 1) return
    this.#next[node] = this.#head[number]
    this.#head[number] = node
  }
}
