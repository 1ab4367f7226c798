import type { Board } from './board.ts'
import type { Chooser } from './choose.ts'
import { HandOn } from './hand-on.ts'
import { CHAIN_CHECKS_MAX, FREE_SLOTS_MAX, HOLE } from './limits.ts'
import { OverSlots } from './over-slots.ts'
import { Recall } from './recall.ts'
import { SlotIndex } from './slot-index.ts'
import { type Step, takeSteps } from './step.ts'

/** Chains that move more members than this that would else have stayed are not tried. */
const CHAIN_COST_MAX = 4
const PASSES_MAX = 3
const NONE = -1

/**
 * What direct moves cannot settle: disk U misses a member, disk O has one too many, and no PG of O
 * may take U. Then a chain does it: a PG of X takes U, a PG of O takes X. Searched backwards from
 * U, over units: which PG may take which disk depends on the unit alone, so a unit is looked at
 * once however many disks it has. A member that moved in this plan anyway moves again for free.
 *
 * Returns the row checks that were spent; their number is bounded, and so is the time.
 */
export function resolveChains(board: Board, chooser: Chooser, order: Uint32Array): number {
  if (!isAnyOver(board)) return 0
  const index = new SlotIndex(board, order)
  new HandOn(board, chooser, index).run()
  if (!isAnyOver(board)) return 0
  const over = new OverSlots(board, index)
  new Recall(board, order, index, over).run()
  return isAnyOver(board) ? new Chains(board, order, index, over).run() : 0
}

function isAnyOver(board: Board): boolean {
  for (let disk = 0; disk < board.tree.diskCount; disk++) if (board.isOver(disk)) return true
  return false
}

class Chains {
  readonly #board: Board
  readonly #order: Uint32Array
  readonly #index: SlotIndex
  #checksLeft = CHAIN_CHECKS_MAX
  readonly #over: OverSlots
  /** How many members too many the disks of each unit have. */
  readonly #overInUnit: Int32Array
  /** Slots whose member came with this plan. */
  readonly #free: number[] = []
  /** Where the next walk over the free slots, or over all PGs, begins. */
  #freeCursor = 0
  #orderCursor = 0
  /** The search that reached each unit, the step by which, and the unit it steps to. */
  readonly #seen: Int32Array
  readonly #stepOf: Step[]
  readonly #nextUnit: Int32Array
  #search = 0

  constructor(board: Board, order: Uint32Array, index: SlotIndex, over: OverSlots) {
    this.#board = board
    this.#order = order
    this.#index = index
    this.#over = over
    this.#overInUnit = new Int32Array(board.tree.nodeCount)
    this.#seen = new Int32Array(board.tree.nodeCount)
    this.#nextUnit = new Int32Array(board.tree.nodeCount)
    this.#stepOf = new Array(board.tree.nodeCount)
    this.#collect()
  }

  run(): number {
    const { tree } = this.#board
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      this.#over.forget()
      let left = 0
      for (let disk = 0; disk < tree.diskCount; disk++) {
        while (this.#board.missing(disk) > 0 && this.#checksLeft > 0 && this.#serve(disk));
        left += Math.max(0, this.#board.missing(disk))
      }
      if (left === 0 || this.#checksLeft <= 0) break
    }
    return CHAIN_CHECKS_MAX - Math.max(0, this.#checksLeft)
  }

  #collect(): void {
    const { slots, width, unit, tree } = this.#board
    for (const pg of this.#order) {
      for (let at = pg * width; at < (pg + 1) * width; at++) {
        const disk = slots[at]
        if (disk !== HOLE && !this.#board.isHome(pg, disk)) this.#free.push(at)
      }
    }
    for (let disk = 0; disk < tree.diskCount; disk++) {
      this.#overInUnit[unit[disk]] += Math.max(0, -this.#board.missing(disk))
    }
  }

  /** Finds the cheapest chain that brings one member to `disk`, and carries it out. */
  #serve(disk: number): boolean {
    const start = this.#board.unit[disk]
    this.#search += 1
    this.#seen[start] = this.#search
    this.#nextUnit[start] = NONE
    let wanting = [disk]
    for (let cost = 0; cost < CHAIN_COST_MAX && wanting.length > 0; cost++) {
      const last = this.#searchFree(wanting) ?? this.#searchAll(wanting)
      if (last === undefined) return false
      if (!Array.isArray(last)) return this.#carryOut(last)
      wanting = last
    }
    return false
  }

  /** Reaches every unit that free steps reach (appended to `wanting`); stops at an over disk. */
  #searchFree(wanting: number[]): Step | undefined {
    for (let i = 0; i < wanting.length && this.#checksLeft > 0; i++) {
      const to = wanting[i]
      const at = this.#over.find(to, () => this.#checksLeft--)
      if (at !== NONE) return { at, to }
      this.#expandFree(to, wanting)
    }
    return undefined
  }

  #expandFree(to: number, wanting: number[]): void {
    const { slots, unit } = this.#board
    const count = Math.min(this.#free.length, FREE_SLOTS_MAX)
    for (let i = 0; i < count; i++) {
      this.#freeCursor = this.#freeCursor + 1 < this.#free.length ? this.#freeCursor + 1 : 0
      const at = this.#free[this.#freeCursor]
      const disk = slots[at]
      if (disk === HOLE || this.#seen[unit[disk]] === this.#search) continue
      if (this.#mayGo(at, to)) this.#reach(at, to, wanting)
    }
  }

  /**
   * Steps that move data: to a unit that holds an over disk, whose own member then takes the place
   * (the step is returned), or to further units (returned as the disks that then miss one).
   */
  #searchAll(wanting: readonly number[]): Step | number[] | undefined {
    const further: number[] = []
    for (const to of wanting) {
      for (let i = 0; i < this.#order.length; i++) {
        if (this.#checksLeft <= 0) return undefined
        const goal = this.#searchRow(this.#order[this.#orderCursor], to, further)
        if (goal !== undefined) return goal
        this.#orderCursor = (this.#orderCursor + 1) & (this.#order.length - 1)
      }
    }
    return further
  }

  #searchRow(pg: number, to: number, further: number[]): Step | undefined {
    const { slots, width, unit } = this.#board
    for (let at = pg * width; at < (pg + 1) * width; at++) {
      const disk = slots[at]
      if (disk === HOLE) continue
      const isGoal = this.#overInUnit[unit[disk]] > 0
      if (!isGoal && this.#seen[unit[disk]] === this.#search) continue
      if (!this.#mayGo(at, to)) continue
      if (isGoal) return { at, to }
      this.#reach(at, to, further)
    }
    return undefined
  }

  #reach(at: number, to: number, list: number[]): void {
    const { slots, unit } = this.#board
    const reached = unit[slots[at]]
    this.#seen[reached] = this.#search
    this.#stepOf[reached] = { at, to }
    this.#nextUnit[reached] = unit[to]
    list.push(slots[at])
  }

  #mayGo(at: number, to: number): boolean {
    this.#checksLeft -= 1
    return this.#board.hasRoom(Math.floor(at / this.#board.width), to, at)
  }

  #carryOut(last: Step): boolean {
    const { slots, unit } = this.#board
    const steps = this.#withOverDisk(last)
    for (let at = unit[last.to]; this.#nextUnit[at] !== NONE; at = this.#nextUnit[at]) {
      steps.push(this.#stepOf[at])
    }
    const source = unit[slots[last.at]]
    if (takeSteps(this.#board, steps) >= 0) return false
    this.#overInUnit[source] -= 1
    for (const { at, to } of steps) {
      this.#free.push(at)
      this.#index.add(to, at)
    }
    return true
  }

  /** When the last step left a disk beside the over disk, a member of that one takes its place. */
  #withOverDisk(last: Step): Step[] {
    const { slots, unit } = this.#board
    const left = slots[last.at]
    if (this.#board.isOver(left)) return [last]
    for (const disk of this.#over.disks) {
      if (unit[disk] !== unit[left] || !this.#board.isOver(disk)) continue
      const at = this.#over.firstOf(disk)
      if (at !== NONE) return [{ at, to: left }, last]
    }
    return [last]
  }
}
