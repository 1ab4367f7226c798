import type { Board } from './board.ts'
import { CHAIN_CHECKS_MAX, HOLE } from './limits.ts'

/** More steps of a chain than this that move data which would else have stayed are not tried. */
const CHAIN_COST_MAX = 4
const PASSES_MAX = 3
const NONE = -1

/** A member moves from where it is to `to`, which makes its old disk miss one. */
interface Step {
  readonly at: number
  readonly to: number
}

/**
 * What direct moves cannot settle: disk U misses a member, disk O has one too many, and no PG of O
 * may take U. Then a chain does it: a PG of X takes U, a PG of O takes X. Searched backwards from
 * U, over units: which PG may take which disk depends on the unit alone, so a unit is looked at
 * once however many disks it has. A member that moved in this plan anyway moves again for free.
 *
 * Returns the row checks that were spent; their number is bounded, and so is the time.
 */
export function resolveChains(board: Board, order: Uint32Array): number {
  const over = board.slots.some(disk => disk !== HOLE && board.isOver(disk))
  return over ? new Chains(board, order).run() : 0
}

class Chains {
  readonly #board: Board
  readonly #order: Uint32Array
  #checksLeft = CHAIN_CHECKS_MAX
  /** Slots of every disk that was over its target when the search began. */
  readonly #overSlots = new Map<number, number[]>()
  readonly #overInUnit: Int32Array
  /** Slots whose member came with this plan. */
  readonly #free: number[] = []
  /** The search that reached each unit, and by which step of it. */
  readonly #seen: Int32Array
  readonly #stepOf: Step[]
  readonly #nextUnit: Int32Array
  #search = 0
  /** Units that no disk over its target can reach in one step, as found in this pass. */
  #unreachable = new Set<number>()

  constructor(board: Board, order: Uint32Array) {
    this.#board = board
    this.#order = order
    this.#overInUnit = new Int32Array(board.tree.nodeCount)
    this.#seen = new Int32Array(board.tree.nodeCount)
    this.#nextUnit = new Int32Array(board.tree.nodeCount)
    this.#stepOf = new Array(board.tree.nodeCount)
    this.#index()
  }

  run(): number {
    const { tree } = this.#board
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      this.#unreachable = new Set()
      let left = 0
      for (let disk = 0; disk < tree.diskCount; disk++) {
        while (this.#board.missing(disk) > 0 && this.#checksLeft > 0 && this.#serve(disk));
        left += Math.max(0, this.#board.missing(disk))
      }
      if (left === 0 || this.#checksLeft <= 0) break
    }
    return CHAIN_CHECKS_MAX - Math.max(0, this.#checksLeft)
  }

  #index(): void {
    const { slots, width, unit, tree } = this.#board
    for (const pg of this.#order) {
      for (let at = pg * width; at < (pg + 1) * width; at++) {
        const disk = slots[at]
        if (disk === HOLE) continue
        if (!this.#board.isHome(pg, disk)) this.#free.push(at)
        if (!this.#board.isOver(disk)) continue
        const ofDisk = this.#overSlots.get(disk)
        if (ofDisk === undefined) this.#overSlots.set(disk, [at])
        else ofDisk.push(at)
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
    for (let i = 0; i < wanting.length; i++) {
      const to = wanting[i]
      const at = this.#fromOver(to)
      if (at !== NONE) return { at, to }
      this.#expandFree(to, wanting)
      if (this.#checksLeft <= 0) return undefined
    }
    return undefined
  }

  /** A slot of an over disk whose PG may take `to`. */
  #fromOver(to: number): number {
    const { slots, unit } = this.#board
    if (this.#unreachable.has(unit[to])) return NONE
    for (const [disk, ofDisk] of this.#overSlots) {
      if (!this.#board.isOver(disk)) continue
      for (const at of ofDisk) {
        if (slots[at] === disk && this.#mayGo(at, to)) return at
      }
    }
    this.#unreachable.add(unit[to])
    return NONE
  }

  #expandFree(to: number, wanting: number[]): void {
    const { slots, unit } = this.#board
    for (const at of this.#free) {
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
    const { slots, width, unit } = this.#board
    const further: number[] = []
    for (const to of wanting) {
      for (const pg of this.#order) {
        if (this.#checksLeft <= 0) return undefined
        for (let at = pg * width; at < (pg + 1) * width; at++) {
          const disk = slots[at]
          if (disk === HOLE) continue
          const isNew = this.#seen[unit[disk]] !== this.#search
          const isGoal = this.#overInUnit[unit[disk]] > 0
          if ((!isNew && !isGoal) || !this.#mayGo(at, to)) continue
          if (isGoal) return { at, to }
          this.#reach(at, to, further)
        }
      }
    }
    return further
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

  /** FROM THE SINK BACKWARDS, each step checked again: one PG may be in the chain twice. */
  #carryOut(last: Step): boolean {
    const { slots, unit } = this.#board
    const steps = this.#withOverDisk(last)
    for (let at = unit[last.to]; this.#nextUnit[at] !== NONE; at = this.#nextUnit[at]) {
      steps.push(this.#stepOf[at])
    }
    steps.reverse()
    const done: { at: number; from: number }[] = []
    for (const { at, to } of steps) {
      if (!this.#mayGo(at, to)) return this.#rollBack(done)
      done.push({ at, from: slots[at] })
      this.#board.take(at)
      this.#board.put(at, to)
    }
    this.#overInUnit[unit[done[done.length - 1].from]] -= 1
    for (const { at } of done) this.#free.push(at)
    return true
  }

  /** When the last step left a disk beside the over disk, a member of that one takes its place. */
  #withOverDisk(last: Step): Step[] {
    const { slots, unit } = this.#board
    const left = slots[last.at]
    if (this.#board.isOver(left)) return [last]
    for (const [disk, ofDisk] of this.#overSlots) {
      if (unit[disk] !== unit[left] || !this.#board.isOver(disk)) continue
      const at = ofDisk.find(slot => slots[slot] === disk)
      if (at !== undefined) return [{ at, to: left }, last]
    }
    return [last]
  }

  #rollBack(done: { at: number; from: number }[]): false {
    for (const { at, from } of done.reverse()) {
      this.#board.take(at)
      this.#board.put(at, from)
    }
    return false
  }
}
