import type { Board } from './board.ts'
import { HOLE } from './limits.ts'

const END = -1

/**
 * The slots of every disk, as lists. A slot that its disk lost stays listed until someone walks by:
 * whoever walks a list checks that the slot is still the disk's.
 */
export class SlotIndex {
  readonly #head: Int32Array
  readonly #next: number[]
  readonly #slot: number[]

  /** PGs in hash order, so that nothing is taken from one end of the table first. */
  constructor(board: Board, order: Uint32Array) {
    this.#head = new Int32Array(board.tree.diskCount).fill(END)
    this.#next = []
    this.#slot = []
    for (const pg of order) {
      for (let at = pg * board.width; at < (pg + 1) * board.width; at++) {
        if (board.slots[at] !== HOLE) this.add(board.slots[at], at)
      }
    }
  }

  add(disk: number, at: number): void {
    this.#slot.push(at)
    this.#next.push(this.#head[disk])
    this.#head[disk] = this.#slot.length - 1
  }

  /** Cursor of a walk over the slots that `disk` may have; `end` when there are no more. */
  first(disk: number): number {
    return this.#head[disk]
  }

  next(cursor: number): number {
    return this.#next[cursor]
  }

  at(cursor: number): number {
    return this.#slot[cursor]
  }

  get end(): number {
    return END
  }
}
