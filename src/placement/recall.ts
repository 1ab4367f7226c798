import type { Board } from './board.ts'
import { HOLE, RECALL_CHECKS_MAX } from './limits.ts'
import type { OverSlots } from './over-slots.ts'
import type { SlotIndex } from './slot-index.ts'
import { type Step, takeSteps } from './step.ts'

/**
 * Disk U is short; D, which is not over, has a PG that may go to U; D lost another PG in this plan,
 * which X took. Then D gives the one to U and gets the other back from X, and X takes one from a
 * disk that is over: two members leave home and one returns, which is the one move that had to be.
 */
export class Recall {
  readonly #board: Board
  readonly #order: Uint32Array
  readonly #index: SlotIndex
  readonly #over: OverSlots
  /** PGs that each disk was a member of before the plan, and is not any more. */
  readonly #lost = new Map<number, number[]>()
  #orderCursor = 0
  #checksLeft = RECALL_CHECKS_MAX

  constructor(board: Board, order: Uint32Array, index: SlotIndex, over: OverSlots) {
    this.#board = board
    this.#order = order
    this.#index = index
    this.#over = over
    for (const pg of order) {
      for (let at = pg * board.width; at < (pg + 1) * board.width; at++) {
        if (board.base[at] !== HOLE && board.base[at] !== board.slots[at]) this.#noteLost(pg, at)
      }
    }
  }

  run(): void {
    for (let disk = 0; disk < this.#board.tree.diskCount; disk++) {
      while (this.#board.missing(disk) > 0 && this.#checksLeft > 0 && this.#serve(disk));
    }
    this.#over.forget()
  }

  /** A disk of the base may have been listed that only changed its position: checked when used. */
  #noteLost(pg: number, at: number): void {
    const disk = this.#board.base[at]
    const known = this.#lost.get(disk)
    if (known === undefined) this.#lost.set(disk, [pg])
    else known.push(pg)
  }

  #serve(under: number): boolean {
    const { slots, width } = this.#board
    for (let i = 0; i < this.#order.length && this.#checksLeft > 0; i++) {
      const pg = this.#order[this.#orderCursor]
      for (let at = pg * width; at < (pg + 1) * width; at++) {
        if (slots[at] === HOLE || !this.#lost.has(slots[at])) continue
        if (this.#mayGo(at, under) && this.#recallTo(slots[at], { at, to: under })) return true
      }
      this.#orderCursor = (this.#orderCursor + 1) & (this.#order.length - 1)
    }
    return false
  }

  /** The giver gets one of its own back, if the one who has it can be served from an over disk. */
  #recallTo(giver: number, gift: Step): boolean {
    const { slots, width } = this.#board
    for (const pg of this.#lost.get(giver) ?? []) {
      for (let at = pg * width; at < (pg + 1) * width; at++) {
        const holder = slots[at]
        if (holder === HOLE || holder === giver || this.#board.isHome(pg, holder)) continue
        if (!this.#mayGo(at, giver)) continue
        const source = this.#over.find(holder, () => this.#checksLeft--)
        if (source < 0) continue
        const steps = [gift, { at, to: giver }, { at: source, to: holder }]
        if (this.#take(steps)) return true
      }
    }
    return false
  }

  #take(steps: readonly Step[]): boolean {
    const { slots, width, base } = this.#board
    const from = steps.map(({ at }) => slots[at])
    if (new Set(from).size < from.length || takeSteps(this.#board, steps) >= 0) return false
    steps.forEach(({ at, to }, i) => {
      this.#index.add(to, at)
      const pg = Math.floor(at / width)
      const was = base.indexOf(from[i], pg * width)
      if (was >= 0 && was < (pg + 1) * width) this.#noteLost(pg, was)
    })
    return true
  }

  #mayGo(at: number, to: number): boolean {
    this.#checksLeft -= 1
    return this.#board.hasRoom(Math.floor(at / this.#board.width), to, at)
  }
}
