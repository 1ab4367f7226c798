import type { Board } from './board.ts'
import type { SlotIndex } from './slot-index.ts'

const NONE = -1

/** Finds members of overfull disks that may go to a given disk. */
export class OverSlots {
  readonly #board: Board
  readonly #index: SlotIndex
  readonly #over: number[] = []
  /** Units that no overfull disk can reach in one step, since the last `forget`. */
  readonly #unreachable = new Set<number>()

  constructor(board: Board, index: SlotIndex) {
    this.#board = board
    this.#index = index
    for (let disk = 0; disk < board.tree.diskCount; disk++) {
      if (board.isOver(disk)) this.#over.push(disk)
    }
  }

  /** Disks that were overfull to begin with; some may not be any more. */
  get disks(): readonly number[] {
    return this.#over
  }

  /** Rows have changed since: every unit is worth another look. */
  forget(): void {
    this.#unreachable.clear()
  }

  /** A slot of an overfull disk whose PG may take `to`, or -1. `spend` counts the checks. */
  find(to: number, spend: () => void): number {
    const { unit, width } = this.#board
    if (this.#unreachable.has(unit[to])) return NONE
    for (const disk of this.#over) {
      if (!this.#board.isOver(disk)) continue
      for (let at = this.#firstOf(disk); at !== NONE; at = this.#nextOf(disk)) {
        spend()
        if (this.#board.hasRoom(Math.floor(at / width), to, at)) return at
      }
    }
    this.#unreachable.add(unit[to])
    return NONE
  }

  /** Any slot of the disk, or -1. */
  firstOf(disk: number): number {
    return this.#firstOf(disk)
  }

  #cursor = 0

  #firstOf(disk: number): number {
    this.#cursor = this.#index.first(disk)
    return this.#settle(disk)
  }

  #nextOf(disk: number): number {
    this.#cursor = this.#index.next(this.#cursor)
    return this.#settle(disk)
  }

  #settle(disk: number): number {
    const index = this.#index
    while (this.#cursor !== index.end) {
      const at = index.at(this.#cursor)
      if (this.#board.slots[at] === disk) return at
      this.#cursor = index.next(this.#cursor)
    }
    return NONE
  }
}
