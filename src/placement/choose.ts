import type { Board } from './board.ts'
import { DRAWS_MAX } from './limits.ts'
import { below, mix32 } from './mix.ts'

/**
 * Chooses the disk for one member: drawn by what is missing, so that the members of one disk
 * spread over all others; exact when the draws hit nothing that the rules allow.
 */
export class Chooser {
  readonly #board: Board
  readonly #seed: number
  #draws = 0

  constructor(board: Board, seed: number) {
    this.#board = board
    this.#seed = seed
  }

  /** A disk in `node` that is under its target and may join the PG in place of `leaving`, or -1. */
  under(pg: number, leaving: number, node: number): number {
    const board = this.#board
    const first = board.tree.diskFirst[node]
    const end = board.tree.diskEnd[node]
    const before = board.deficits.before(first)
    const missing = board.deficits.before(end) - before
    if (missing === 0) return -1
    for (let draw = 0; draw < DRAWS_MAX; draw++) {
      const disk = board.deficits.find(before + below(this.#next(pg), missing))
      if (board.hasRoom(pg, disk, leaving)) return disk
    }
    return this.#exact(pg, leaving, end, before)
  }

  /** The same without draws, for when few units are left that are under their target. */
  underByUnit(pg: number, leaving: number): number {
    return this.#exact(pg, leaving, this.#board.tree.diskCount, 0)
  }

  /** Any disk that may join, the one with most missing first; -1 only when the topology has none. */
  any(pg: number): number {
    const board = this.#board
    const diskCount = board.tree.diskCount
    if (diskCount === 0) return -1
    const start = below(this.#next(pg), diskCount)
    let best = -1
    for (let i = 0; i < diskCount; i++) {
      const disk = start + i < diskCount ? start + i : start + i - diskCount
      if (best >= 0 && board.missing(disk) <= board.missing(best)) continue
      if (board.hasRoom(pg, disk, -1)) best = disk
    }
    return best
  }

  /** All disks of a unit are allowed or none, so whole units are passed over. */
  #exact(pg: number, leaving: number, end: number, before: number): number {
    const { deficits, tree, unit } = this.#board
    const all = deficits.before(end)
    for (let rank = before; rank < all; ) {
      const disk = deficits.find(rank)
      const unitEnd = Math.min(tree.diskEnd[unit[disk]], end)
      const passed = deficits.before(unitEnd)
      if (this.#board.hasRoom(pg, disk, leaving)) {
        return deficits.find(rank + below(this.#next(pg), passed - rank))
      }
      rank = passed
    }
    return -1
  }

  #next(pg: number): number {
    this.#draws += 1
    return mix32(this.#seed ^ Math.imul(pg + 1, 0x9e3779b1) ^ Math.imul(this.#draws, 0x85ebca6b))
  }
}
