import type { Board } from './board.ts'
import { HOLE, SHORTEN_CHECKS_MAX } from './limits.ts'

const NONE = -1
/** Cost of a step that does not exist. */
const NO_STEP = 9

/**
 * Takes back detours: a ring of disks x → y → … → x, in which each hands one member of some PG to
 * the next, changes no load. Where it brings more members home than it sends away, less data
 * moves. A step costs 1 when a member that was at home leaves, 0 when one that moves anyway moves
 * elsewhere, −1 when it comes home; rings of negative sum are found by Bellman and Ford.
 *
 * The cost of a round is disks x slots; rounds go on until none is left or the bound is spent.
 * In large tables there is next to nothing to gain, and the bound passes them over.
 */
export function shortenDetours(board: Board, isWorthIt: boolean): void {
  const perRound = board.slots.length * board.tree.diskCount
  if (!isWorthIt || perRound > SHORTEN_CHECKS_MAX) return
  const rings = new Rings(board)
  for (let spent = perRound; spent <= SHORTEN_CHECKS_MAX; spent += perRound) {
    rings.measure()
    if (!rings.cancel()) return
  }
}

class Rings {
  readonly #board: Board
  readonly #diskCount: number
  /** Cheapest step from disk to disk, and the slot that it moves. */
  readonly #cost: Int8Array
  readonly #slot: Int32Array
  /** Steps that turned out to be impossible together with others. */
  readonly #isBanned: Uint8Array

  constructor(board: Board) {
    this.#board = board
    this.#diskCount = board.tree.diskCount
    const pairs = this.#diskCount * this.#diskCount
    this.#cost = new Int8Array(pairs)
    this.#slot = new Int32Array(pairs)
    this.#isBanned = new Uint8Array(board.pgs)
  }

  measure(): void {
    const { slots, width } = this.#board
    this.#cost.fill(NO_STEP)
    for (let at = 0; at < slots.length; at++) {
      if (slots[at] === HOLE) continue
      const pg = Math.floor(at / width)
      if (this.#isBanned[pg] === 0) this.#measureSlot(pg, at)
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

  /** Carries out every ring of negative cost that it finds; false when there is none. */
  cancel(): boolean {
    const cameFrom = this.#relax()
    if (cameFrom === undefined) return false
    const state = new Uint32Array(this.#diskCount)
    let hasFound = false
    for (let start = 0; start < this.#diskCount; start++) {
      let disk = start
      while (disk !== NONE && state[disk] === 0) {
        state[disk] = start + 1
        disk = cameFrom[disk]
      }
      if (disk !== NONE && state[disk] === start + 1) {
        this.#carryOut(ringAt(disk, cameFrom))
        hasFound = true
      }
    }
    return hasFound
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

  /** Each step is checked again as the rows stand: a ring may pass one PG twice. */
  #carryOut(ring: readonly number[]): void {
    const { slots, width } = this.#board
    const done: { at: number; from: number }[] = []
    for (let i = 0; i < ring.length; i++) {
      const from = ring[i]
      const to = ring[(i + 1) % ring.length]
      const at = this.#slot[from * this.#diskCount + to]
      const pg = Math.floor(at / width)
      if (slots[at] !== from || !this.#board.hasRoom(pg, to, at)) {
        this.#isBanned[pg] = 1
        for (const step of done.reverse()) this.#move(step.at, step.from)
        return
      }
      done.push({ at, from })
      this.#move(at, to)
    }
  }

  #move(at: number, to: number): void {
    this.#board.take(at)
    this.#board.put(at, to)
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
