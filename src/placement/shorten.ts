import type { Board } from './board.ts'
import { HOLE, SHORTEN_CHECKS_MAX } from './limits.ts'
import { type Step, takeSteps } from './step.ts'
import type { Windows } from './targets.ts'

const NONE = -1
/** Cost of a step that does not exist. */
const NO_STEP = 9
/** In place of a slot: the step changes two targets instead. */
const RETARGET = -1

/**
 * Takes back detours: a ring of disks x → y → … → x, in which each hands one member of some PG to
 * the next, changes no load. Where it brings more members home than it sends away, less data
 * moves. A step costs 1 when a member that was at home leaves, 0 when one that moves anyway moves
 * elsewhere, −1 when it comes home; rings of negative sum are found by Bellman and Ford. One more
 * step costs 0 and moves nothing: X keeps the member that Y would get, where the shares of both
 * allow the other rounding.
 *
 * The cost of a round is disks x slots; rounds go on until none is left or the bound is spent.
 * In large tables there is next to nothing to gain, and the bound passes them over.
 */
export function shortenDetours(board: Board, windows: Windows, isWorthIt: boolean): void {
  const perRound = board.slots.length * board.tree.diskCount
  if (!isWorthIt || perRound > SHORTEN_CHECKS_MAX) return
  const rings = new Rings(board, windows)
  for (let spent = perRound; spent <= SHORTEN_CHECKS_MAX; spent += perRound) {
    rings.measure()
    if (rings.cancel() === 0 && !rings.allowBanned()) return
  }
}

class Rings {
  readonly #board: Board
  readonly #windows: Windows
  readonly #diskCount: number
  /** Cheapest step from disk to disk, and the slot that it moves. */
  readonly #cost: Int8Array
  readonly #slot: Int32Array
  /** Slots whose step turned out to be impossible together with others, until some ring succeeds. */
  readonly #isBanned: Uint8Array
  readonly #bannedShifts = new Set<number>()
  #hasSucceeded = false

  constructor(board: Board, windows: Windows) {
    this.#board = board
    this.#windows = windows
    this.#diskCount = board.tree.diskCount
    const pairs = this.#diskCount * this.#diskCount
    this.#cost = new Int8Array(pairs)
    this.#slot = new Int32Array(pairs)
    this.#isBanned = new Uint8Array(board.slots.length)
  }

  measure(): void {
    const { slots, width } = this.#board
    this.#cost.fill(NO_STEP)
    for (let at = 0; at < slots.length; at++) {
      if (slots[at] === HOLE || this.#isBanned[at] === 1) continue
      this.#measureSlot(Math.floor(at / width), at)
    }
    this.#measureTargets()
  }

  #measureTargets(): void {
    for (let from = 0; from < this.#diskCount; from++) {
      for (let to = 0; to < this.#diskCount; to++) {
        const pair = from * this.#diskCount + to
        if (from === to || this.#cost[pair] <= 0 || this.#bannedShifts.has(pair)) continue
        // The ring brings `from` one more and takes one from `to`.
        if (!this.#board.canShiftTarget(to, from, this.#windows)) continue
        this.#cost[pair] = 0
        this.#slot[pair] = RETARGET
      }
    }
  }

  #measureSlot(pg: number, at: number): void {
    const board = this.#board
    const from = board.slots[at]
    const leaves = board.isHome(pg, from) ? 0 : -1
    const first = from * this.#diskCount
    for (let to = 0; to < this.#diskCount; to++) {
      const known = this.#cost[first + to]
      if (to === from || known <= leaves) continue
      const cost = leaves + (board.isHome(pg, to) ? 0 : 1)
      if (cost >= known || !board.hasRoom(pg, to, at)) continue
      this.#cost[first + to] = cost
      this.#slot[first + to] = at
    }
  }

  /** Carries out the rings of negative cost that it finds; returns their number. */
  cancel(): number {
    const cameFrom = this.#relax()
    if (cameFrom === undefined) return 0
    let found = 0
    const state = new Uint32Array(this.#diskCount)
    for (let start = 0; start < this.#diskCount; start++) {
      let disk = start
      while (disk !== NONE && state[disk] === 0) {
        state[disk] = start + 1
        disk = cameFrom[disk]
      }
      if (disk === NONE || state[disk] !== start + 1) continue
      found++
      if (this.#carryOut(ringAt(disk, cameFrom))) this.#hasSucceeded = true
    }
    return found
  }

  /** True when banned slots are worth another look: the table has changed since. */
  allowBanned(): boolean {
    const hasBanned = this.#isBanned.includes(1) || this.#bannedShifts.size > 0
    if (!this.#hasSucceeded || !hasBanned) return false
    this.#isBanned.fill(0)
    this.#bannedShifts.clear()
    this.#hasSucceeded = false
    return true
  }

  /** Bellman and Ford from everywhere at once; undefined when it comes to rest without a ring. */
  #relax(): Int32Array | undefined {
    const count = this.#diskCount
    const distance = new Int32Array(count)
    const cameFrom = new Int32Array(count).fill(NONE)
    for (let round = 0; round <= count; round++) {
      let isAtRest = true
      for (let from = 0; from < count; from++) {
        const first = from * count
        for (let to = 0; to < count; to++) {
          const cost = this.#cost[first + to]
          if (cost === NO_STEP || distance[from] + cost >= distance[to]) continue
          distance[to] = distance[from] + cost
          cameFrom[to] = from
          isAtRest = false
        }
      }
      if (isAtRest) return undefined
      if (round % 4 === 3 && hasRing(cameFrom)) return cameFrom
    }
    return cameFrom
  }

  #carryOut(ring: readonly number[]): boolean {
    const steps: Step[] = []
    const shifts: { less: number; more: number }[] = []
    for (let i = 0; i < ring.length; i++) {
      const from = ring[i]
      const to = ring[(i + 1) % ring.length]
      const at = this.#slot[from * this.#diskCount + to]
      if (at === RETARGET) shifts.push({ less: to, more: from })
      // An earlier ring of the same round may have moved it.
      else if (this.#board.slots[at] !== from) return false
      else steps.push({ at, to })
    }
    return this.#shiftAll(shifts) && this.#take(steps, shifts)
  }

  #shiftAll(shifts: readonly { less: number; more: number }[]): boolean {
    for (let i = 0; i < shifts.length; i++) {
      const { less, more } = shifts[i]
      if (this.#board.shiftTarget(less, more, this.#windows)) continue
      this.#bannedShifts.add(more * this.#diskCount + less)
      this.#shiftBack(shifts.slice(0, i))
      return false
    }
    return true
  }

  #take(steps: readonly Step[], shifts: readonly { less: number; more: number }[]): boolean {
    const refused = takeSteps(this.#board, steps)
    if (refused < 0) return true
    this.#isBanned[refused] = 1
    this.#shiftBack(shifts)
    return false
  }

  #shiftBack(shifts: readonly { less: number; more: number }[]): void {
    for (const { less, more } of shifts.slice().reverse()) {
      this.#board.shiftTarget(more, less, this.#windows)
    }
  }
}

/** The disks of the ring that `cameFrom` runs into at `disk`, in the order of the steps. */
function ringAt(disk: number, cameFrom: Int32Array): number[] {
  const ring = [disk]
  for (let at = cameFrom[disk]; at !== disk; at = cameFrom[at]) ring.push(at)
  return ring.reverse()
}

function hasRing(cameFrom: Int32Array): boolean {
  const state = new Uint32Array(cameFrom.length)
  for (let start = 0; start < cameFrom.length; start++) {
    let disk = start
    while (disk !== NONE && state[disk] === 0) {
      state[disk] = start + 1
      disk = cameFrom[disk]
    }
    if (disk !== NONE && state[disk] === start + 1) return true
  }
  return false
}
