import type { Board } from './board.ts'
import type { Chooser } from './choose.ts'
import { HAND_ON_CHECKS_MAX, HAND_ON_DISKS_MAX, HOLE } from './limits.ts'
import type { SlotIndex } from './slot-index.ts'
import { type Step, takeSteps } from './step.ts'

const NONE = -1

/**
 * Disks over their target none of whose PGs may go to a disk under its own hand their surplus on
 * for free: where a PG lost member H in this plan, X can leave instead and H come home. Then H is
 * over, and looks for a PG that may go. Breadth first, so the chain is the shortest; it moves one
 * member in all, which had to move anyway.
 */
export class HandOn {
  readonly #board: Board
  readonly #chooser: Chooser
  readonly #index: SlotIndex
  readonly #seen: Int32Array
  readonly #stepTo: Step[]
  #search = 0
  #checksLeft = HAND_ON_CHECKS_MAX

  constructor(board: Board, chooser: Chooser, index: SlotIndex) {
    this.#board = board
    this.#chooser = chooser
    this.#index = index
    this.#seen = new Int32Array(board.tree.diskCount)
    this.#stepTo = new Array(board.tree.diskCount)
  }

  run(): void {
    for (let disk = 0; disk < this.#board.tree.diskCount; disk++) {
      while (this.#board.isOver(disk) && this.#checksLeft > 0 && this.#relieve(disk));
    }
  }

  #relieve(disk: number): boolean {
    const queue = [disk]
    this.#search += 1
    this.#seen[disk] = this.#search
    for (let i = 0; i < queue.length && i < HAND_ON_DISKS_MAX; i++) {
      const last = this.#look(queue[i], queue)
      if (last !== undefined) return this.#carryOut(disk, last)
    }
    return false
  }

  /** The step that ends the chain at `disk`, if it has one; else appends whom it can hand on to. */
  #look(disk: number, queue: number[]): Step | undefined {
    const { slots, width } = this.#board
    const index = this.#index
    for (let cursor = index.first(disk); cursor !== index.end; cursor = index.next(cursor)) {
      const at = index.at(cursor)
      if (slots[at] !== disk) continue
      this.#checksLeft -= 1
      const pg = Math.floor(at / width)
      const to = this.#chooser.underByUnit(pg, at)
      if (to !== NONE) return { at, to }
      this.#lookHome(pg, at, queue)
    }
    return undefined
  }

  #lookHome(pg: number, at: number, queue: number[]): void {
    const { base, slots, width } = this.#board
    for (let was = pg * width; was < (pg + 1) * width; was++) {
      const home = base[was]
      if (home === HOLE || home === slots[was] || this.#seen[home] === this.#search) continue
      if (!this.#board.hasRoom(pg, home, at)) continue
      this.#seen[home] = this.#search
      this.#stepTo[home] = { at, to: home }
      queue.push(home)
    }
  }

  #carryOut(start: number, last: Step): boolean {
    const steps = [last]
    for (let disk = this.#board.slots[last.at]; disk !== start; ) {
      const step = this.#stepTo[disk]
      steps.push(step)
      disk = this.#board.slots[step.at]
    }
    if (takeSteps(this.#board, steps) >= 0) return false
    for (const { at, to } of steps) this.#index.add(to, at)
    return true
  }
}
