import type { Board } from './board.ts'
import { HOLE, READER_CHECKS_MAX } from './limits.ts'
import { DISK } from './policy-tree.ts'

/**
 * Chooses the preferred reader of every PG: the member at position 0. Every disk reads for
 * (its members / members per PG), rounded down or up. Replicas are equal, so a swap of positions
 * moves nothing. A reader that stays is kept where the counts allow it.
 */
export function balanceReaders(board: Board, order: Uint32Array): void {
  const { membersPerPg } = board.tree
  if (membersPerPg === 0) return
  const readers = new Readers(board, order)
  // ALSO WHERE IT IS THE ONLY MEMBER: it may stand behind the empty position of one that left.
  readers.choose()
  if (membersPerPg > 1) readers.even()
}

class Readers {
  readonly #board: Board
  readonly #order: Uint32Array
  readonly #count: Int32Array
  readonly #low: Int32Array
  readonly #high: Int32Array
  /** PGs by reader: a list per disk. */
  readonly #head: Int32Array
  readonly #next: Int32Array
  readonly #seen: Int32Array
  #search = 0
  #checksLeft = READER_CHECKS_MAX

  constructor(board: Board, order: Uint32Array) {
    this.#board = board
    this.#order = order
    const { diskCount, membersPerPg } = board.tree
    this.#count = new Int32Array(diskCount)
    const loads = board.load.subarray(board.tree.levelFirst[DISK])
    this.#low = Int32Array.from(loads, load => Math.floor(load / membersPerPg))
    this.#high = Int32Array.from(loads, load => Math.ceil(load / membersPerPg))
    this.#head = new Int32Array(diskCount).fill(-1)
    this.#next = new Int32Array(board.pgs).fill(-1)
    this.#seen = new Int32Array(diskCount)
  }

  /** Keeps who read before; a PG whose reader left takes the member that reads least. */
  choose(): void {
    const { slots, base, width } = this.#board
    const open: number[] = []
    for (const pg of this.#order) {
      const first = pg * width
      if (slots[first] !== HOLE && slots[first] === base[first]) this.#count[slots[first]] += 1
      else open.push(pg)
    }
    for (const pg of open) {
      const at = this.#leastReading(pg)
      if (at < 0) continue
      this.#swap(pg, at)
      this.#count[slots[pg * width]] += 1
    }
  }

  even(): void {
    const { slots, width, tree } = this.#board
    for (const pg of this.#order) {
      const reader = slots[pg * width]
      if (reader !== HOLE) this.#push(reader, pg)
    }
    for (let disk = 0; disk < tree.diskCount; disk++) {
      while (this.#count[disk] > this.#high[disk] && this.#giveFrom(disk));
    }
    this.#serveStarved()
  }

  /** A disk below its lower bound takes from one that is above its own: search from those. */
  #serveStarved(): void {
    const { diskCount } = this.#board.tree
    for (let round = 0; round < 4; round++) {
      let starved = 0
      for (let disk = 0; disk < diskCount; disk++) {
        starved += Math.max(0, this.#low[disk] - this.#count[disk])
      }
      if (starved === 0) return
      for (let disk = 0; disk < diskCount && starved > 0; disk++) {
        while (this.#count[disk] > this.#low[disk] && starved > 0) {
          if (!this.#giveFrom(disk, true)) break
          starved--
        }
      }
    }
  }

  #leastReading(pg: number): number {
    const { slots, width, tree, load } = this.#board
    const diskBase = tree.levelFirst[DISK]
    let best = -1
    let bestLack = 0
    for (let at = pg * width; at < (pg + 1) * width; at++) {
      const disk = slots[at]
      if (disk === HOLE) continue
      const lack = load[diskBase + disk] - this.#count[disk] * tree.membersPerPg
      if (best >= 0 && lack <= bestLack) continue
      best = at
      bestLack = lack
    }
    return best
  }

  /** Hands one PG on from `from`, along the shortest chain to a disk that may take one more. */
  #giveFrom(from: number, toStarved = false): boolean {
    const cameBy = new Map<number, number>()
    const queue = [from]
    this.#search += 1
    this.#seen[from] = this.#search
    for (let i = 0; i < queue.length; i++) {
      for (let pg = this.#head[queue[i]]; pg >= 0; pg = this.#next[pg]) {
        const end = this.#visitRow(pg, queue, cameBy, toStarved)
        if (end < 0) continue
        this.#handAlong(from, end, cameBy)
        return true
      }
      if (this.#checksLeft <= 0) return false
    }
    return false
  }

  #visitRow(pg: number, queue: number[], cameBy: Map<number, number>, toStarved: boolean): number {
    const { slots, width } = this.#board
    this.#checksLeft -= width
    for (let at = pg * width + 1; at < (pg + 1) * width; at++) {
      const disk = slots[at]
      if (disk === HOLE || this.#seen[disk] === this.#search) continue
      this.#seen[disk] = this.#search
      cameBy.set(disk, pg)
      const bound = toStarved ? this.#low[disk] : this.#high[disk]
      if (this.#count[disk] < bound) return disk
      queue.push(disk)
    }
    return -1
  }

  /** FROM THE END BACKWARDS: each step reads who held the PG before it is changed. */
  #handAlong(from: number, end: number, cameBy: Map<number, number>): void {
    const { slots, width } = this.#board
    this.#count[end] += 1
    this.#count[from] -= 1
    for (let disk = end; disk !== from; ) {
      const pg = cameBy.get(disk) as number
      const reader = slots[pg * width]
      this.#unlink(reader, pg)
      this.#swap(pg, slots.indexOf(disk, pg * width))
      this.#push(disk, pg)
      disk = reader
    }
  }

  #swap(pg: number, at: number): void {
    const { slots, width } = this.#board
    const first = pg * width
    const reader = slots[at]
    slots[at] = slots[first]
    slots[first] = reader
  }

  #push(disk: number, pg: number): void {
    this.#next[pg] = this.#head[disk]
    this.#head[disk] = pg
  }

  #unlink(disk: number, pg: number): void {
    let before = -1
    for (let at = this.#head[disk]; at !== pg; at = this.#next[at]) before = at
    if (before < 0) this.#head[disk] = this.#next[pg]
    else this.#next[before] = this.#next[pg]
  }
}
